"""Claim: what does not fit (type, number, bound, size) is refused with a defined error and changes nothing."""

import unittest

import hard
from hard import Neighbour, Node, RespError

BINARY = None
LEAST, MOST = -2 ** 63, 2 ** 63 - 1
KEY_MOST = 4096
VALUE_MOST = 8 << 20


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, memory="1GiB")
        hard.spread(cls.node, "k")

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def setUp(self):
        self.client = self.node.client()
        self.addCleanup(self.client.close)
        self.assertEqual(self.client("FLUSHALL"), "OK")

    def fails(self, pattern, *words):
        with self.assertRaisesRegex(RespError, pattern):
            self.client(*words)


class Types(Case):
    STRING = [  # string, counter and bit commands, to be asked of a record
        ("GET", "r"), ("GETSET", "r", "v"), ("GETDEL", "r"), ("GETEX", "r", "PERSIST"), ("GETRANGE", "r", 0, -1),
        ("SUBSTR", "r", 0, -1), ("SETRANGE", "r", 0, "x"), ("APPEND", "r", "x"), ("STRLEN", "r"), ("INCR", "r"),
        ("DECR", "r"), ("INCRBY", "r", 1), ("DECRBY", "r", 1), ("INCRBYFLOAT", "r", 1), ("SET", "r", "v", "GET"),
        ("GETBIT", "r", 0), ("SETBIT", "r", 0, 1), ("BITCOUNT", "r"), ("BITPOS", "r", 1),
        ("BITFIELD", "r", "INCRBY", "u8", 0, 1), ("BITFIELD_RO", "r", "GET", "u8", 0), ("HF.ADD", "r", 1)]
    RECORD = [  # record commands, to be asked of a string
        ("HSET", "s", "f", "v"), ("HMSET", "s", "f", "v"), ("HSETNX", "s", "f", "v"), ("HGET", "s", "f"),
        ("HMGET", "s", "f"), ("HGETALL", "s"), ("HDEL", "s", "f"), ("HEXISTS", "s", "f"), ("HLEN", "s"),
        ("HKEYS", "s"), ("HVALS", "s"), ("HINCRBY", "s", "f", 1), ("HINCRBYFLOAT", "s", "f", 1),
        ("HSTRLEN", "s", "f"), ("HSCAN", "s", 0), ("HRANDFIELD", "s"), ("HF.ADD", "s", 1, "FIELD", "f")]

    def test_each_command_of_the_wrong_type(self):
        ask = self.client
        for name in ("s", "s2"):
            self.assertEqual(ask("SET", name, "text"), "OK")
        self.assertEqual(ask("HSET", "r", "f", "field"), 1)
        with Neighbour(self.node):
            for words in self.STRING + self.RECORD:
                with self.subTest(words):
                    self.fails("^WRONGTYPE Operation against a key holding the wrong kind of value", *words)
            self.fails("^(WRONGTYPE|ERR The specified keys must contain string values)", "LCS", "r", "s")
            self.assertEqual(ask("MGET", "r", "s"), [None, b"text"])
            self.assertEqual(ask("HGETALL", "r"), [b"f", b"field"])
            self.assertEqual(ask("GET", "s"), b"text")

    def test_in_a_transaction(self):
        """EXEC goes on behind a wrong type, as with Redis; HF.TXN and HF.BEGIN do not commit a half."""
        ask = self.client
        self.assertEqual(ask("SET", "s", "text"), "OK")
        got = ask.pipeline([("MULTI",), ("SET", "t1", 1), ("HGET", "s", "f"), ("SET", "z1", 1), ("EXEC",)])[-1]
        self.assertEqual((got[0], got[1].code, got[2]), ("OK", "WRONGTYPE", "OK"))
        self.fails("^WRONGTYPE", "HF.TXN", "THEN", 3, 3, "SET", "t1", 2, 3, "HGET", "s", "f", 3, "SET", "z1", 2)
        self.assertEqual(ask("MGET", "t1", "z1"), [b"1", b"1"])
        ask("HF.BEGIN")
        self.assertEqual(ask("SET", "t1", 3), "OK")
        self.fails("^WRONGTYPE", "HGET", "s", "f")
        self.assertEqual(ask("SET", "z1", 3), "OK")
        self.assertEqual(ask("HF.ROLLBACK"), "OK")
        self.assertEqual(ask("MGET", "t1", "z1"), [b"1", b"1"])


class Numbers(Case):
    def test_overflow(self):
        ask = self.client
        for value, words in ((MOST, ("INCR",)), (MOST, ("INCRBY", 1)), (1, ("INCRBY", MOST)), (LEAST, ("DECR",)),
                             (LEAST, ("DECRBY", 1)), (-2, ("DECRBY", MOST)), (MOST, ("DECRBY", -1)),
                             (LEAST, ("INCRBY", LEAST))):
            with self.subTest((value, words)):
                ask("SET", "n", value)
                self.fails("^ERR increment or decrement would overflow", words[0], "n", *words[1:])
                self.assertEqual(ask("GET", "n"), b"%d" % value)
                ask("DEL", "h")
                ask("HSET", "h", "f", value)
                if words[0].startswith("INCRBY"):
                    self.fails("^ERR increment or decrement would overflow", "HINCRBY", "h", "f", words[1])
                    self.assertEqual(ask("HGET", "h", "f"), b"%d" % value)
        ask("SET", "n", MOST - 1)
        self.assertEqual(ask("INCR", "n"), MOST)
        self.assertEqual(ask("DECRBY", "n", MOST), 0)
        self.assertEqual(ask("DECRBY", "n", MOST), -MOST)
        self.assertEqual(ask("DECR", "n"), LEAST)
        self.fails("^ERR (decrement would overflow|value is not an integer or out of range)",
                   "DECRBY", "n", LEAST)

    def test_what_is_no_number(self):
        ask = self.client
        for text in ("", " 1", "1 ", "+1", "01", "1.0", "1e3", "0x10", "9223372036854775808",
                     "-9223372036854775809", "-0", "\x00", "1" * 100, "nan"):
            with self.subTest(text):
                self.fails("^ERR value is not an integer or out of range", "INCRBY", "fresh", text)
                ask("SET", "n", text)
                self.fails("^ERR value is not an integer or out of range", "INCR", "n")
                self.assertEqual(ask("GET", "n"), text.encode())
        for text in ("", "x", "nan", "1 ", "1e5000", "--1"):
            with self.subTest(text):
                self.fails("^ERR value is not a valid float", "INCRBYFLOAT", "fresh", text)
        self.assertEqual(ask("EXISTS", "fresh"), 0)
        ask("SET", "n", "1e308")
        for delta in ("inf", "-inf"):
            self.fails("^ERR (increment would produce NaN or Infinity|value is not a valid float)",
                       "INCRBYFLOAT", "n", delta)

    def test_numbers_as_arguments(self):
        """Counts, offsets and times at the edges of their types."""
        ask = self.client
        ask("SET", "n", "value")
        ask("HSET", "h", "f", "v")
        edges = (LEAST, MOST, LEAST - 1, MOST + 1, 2 ** 32, -2 ** 32, 2 ** 31, 10 ** 30, "", "x")
        with Neighbour(self.node):
            for edge in edges:
                for words in (("GETRANGE", "n", edge, edge), ("SETRANGE", "n", edge, "v"), ("GETBIT", "n", edge),
                              ("SETBIT", "n", edge, 1), ("BITCOUNT", "n", edge, edge), ("BITPOS", "n", 1, edge),
                              ("BITFIELD", "n", "GET", "u8", edge), ("BITFIELD", "n", "SET", "i64", edge, edge),
                              ("BITFIELD", "n", "INCRBY", "i64", 0, edge), ("EXPIRE", "none", edge),
                              ("PEXPIREAT", "none", edge), ("SETEX", "e", edge, "v"), ("PSETEX", "e", edge, "v"),
                              ("SET", "e", "v", "EX", edge), ("SET", "e", "v", "PXAT", edge),
                              ("GETEX", "n", "PX", edge), ("SCAN", edge), ("SCAN", 0, "COUNT", edge),
                              ("HSCAN", "h", edge), ("HSCAN", "h", 0, "COUNT", edge), ("SELECT", edge),
                              ("HF.RANGE", "a", "b", "LIMIT", edge), ("HF.AFTER", edge),
                              ("HF.READ", "BOUNDED", edge, "GET", "n"), ("HF.READ", "SNAPSHOT", edge, "GET", "n"),
                              ("HF.LOCK", "l", "o", "TTL", edge), ("HF.CHANGES", "n", "FROM", edge),
                              ("WAIT", edge, 1), ("CLIENT", "KILL", "ID", edge), ("SLOWLOG", "GET", edge),
                              ("OBJECT", "FREQ", edge), ("HF.ADMIN", "MOVE", "k", edge), ("LOLWUT", edge)):
                    got = ask.pipeline([words])[0]
                    if isinstance(got, RespError):
                        self.assertIn(got.code, ("ERR", "TOOBIG", "EXPIRED", "WRONGTYPE"), (words, got))
                    ask("PING")
                    ask("SET", "n", "value")
            self.assertEqual(ask("HGETALL", "h"), [b"f", b"v"])

    def test_ranges(self):
        ask = self.client
        ask("MSET", "a", 1, "l", 2, "z", 3)
        for words in (("LIMIT", -1), ("LIMIT", "x"), ("LIMIT",), ("NONSENSE",), ("LIMIT", 1, 2), ("VALUE",) * 30):
            with self.subTest(words):
                self.fails("^ERR ", "HF.RANGE", "", "", *words)
        self.assertEqual(ask("HF.RANGE", "", "", *(["REV", "LIMIT", 1] * 10), "LIMIT", 2), [b"z", b"l"])
        self.assertEqual(ask("HF.RANGE", "", "", *(["VALUES"] * 1000)), [b"a", b"1", b"l", b"2", b"z", b"3"])
        self.assertEqual(ask("HF.RANGE", "z", "a"), [])
        self.assertEqual(ask("HF.RANGE", "", "", "LIMIT", 0), [])
        self.assertEqual(ask("HF.RANGE", b"a" * KEY_MOST, b"z" * KEY_MOST), [b"l", b"z"])
        self.fails("^TOOBIG", "HF.RANGE", b"a" * (KEY_MOST + 1), "z")
        self.fails("^TOOBIG", "HF.RANGE", "a", b"z" * (KEY_MOST + 1))
        self.fails("^ERR", "HF.RANGE", "a")

    def test_answers_that_would_not_fit(self):
        """Small requests that ask for an answer of any size."""
        ask = self.client
        ask("HSET", "h", *sum(([f"f{i}", "v" * 1000] for i in range(1000)), []))
        with Neighbour(self.node) as neighbour:
            for words in (("HRANDFIELD", "h", -MOST), ("HRANDFIELD", "h", -2 ** 31), ("HRANDFIELD", "h", -10 ** 7),
                          ("HRANDFIELD", "h", -10 ** 7, "WITHVALUES"), ("MGET", *(["n"] * 100000)),
                          ("BITFIELD", "n", *(["GET", "u8", "0"] * 50000))):
                got = ask.pipeline([words])[0]
                if isinstance(got, RespError):
                    self.assertIn(got.code, ("ERR", "OOM", "TOOBIG"), (words[:3], got))
                self.assertEqual(ask("PING"), "PONG")
        print(neighbour.said)

    def test_requests_that_would_take_long(self):
        """A pattern or a comparison that looks short must not hold a core."""
        ask = self.client
        ask("SET", "a" * 4000, "v")
        with Neighbour(self.node) as neighbour:
            self.assertEqual(ask("KEYS", "a*" * 30 + "b"), [])
            self.assertEqual(ask("SCAN", 0, "MATCH", "*a" * 30 + "*b", "COUNT", 1000000)[1], [])
            self.assertEqual(ask("KEYS", "*?" * 1000 + "*b"), [])
            self.assertEqual(ask("KEYS", "a[" * 1000), [])
            ask("SET", "long1", "ab" * 100000)
            ask("SET", "long2", "ba" * 100000)
            got = ask.pipeline([("LCS", "long1", "long2")])[0]
            self.assertTrue(isinstance(got, bytes) or got.code in ("ERR", "TOOBIG", "OOM"), got)
            self.assertEqual(ask("DEL", "long1", "long2", "a" * 4000), 3)
        print(neighbour.said)


class Bounds(Case):
    def test_crossed_from_both_sides(self):
        ask = self.client
        ask("SET", "acc", 50)
        for field in ((), ("FIELD", "f")):
            key = "rec" if field else "acc"
            if field:
                ask("HSET", "rec", "f", 50)
            read = (lambda: ask("HGET", "rec", "f")) if field else (lambda: ask("GET", "acc"))
            with self.subTest(key):
                self.fails("^LIMIT", "HF.ADD", key, -51, *field, "MIN", 0)
                self.fails("^LIMIT", "HF.ADD", key, 51, *field, "MAX", 100)
                self.assertEqual(read(), b"50")
                self.assertEqual(ask("HF.ADD", key, -50, *field, "MIN", 0), "OK")
                self.fails("^LIMIT", "HF.ADD", key, -1, *field, "MIN", 0)
                self.assertEqual(ask("HF.ADD", key, 100, *field, "MIN", 0, "MAX", 100), "OK")
                self.fails("^LIMIT", "HF.ADD", key, 1, *field, "MIN", 0, "MAX", 100)
                self.assertEqual(read(), b"100")
                self.assertEqual(ask("HF.ADD", key, -50, *field), "OK")

    def test_outside_already(self):
        """A value beyond a bound may come back, but not go further."""
        ask = self.client
        ask("SET", "acc", -10)
        self.fails("^LIMIT", "HF.ADD", "acc", -1, "MIN", 0)
        self.assertEqual(ask("GET", "acc"), b"-10")
        self.assertEqual(ask("HF.ADD", "acc", 10, "MIN", 0), "OK")
        self.assertEqual(ask("GET", "acc"), b"0")

    def test_overflow(self):
        ask = self.client
        for start, delta in ((MOST, 1), (LEAST, -1), (1, MOST), (-2, LEAST + 1), (-2, LEAST)):
            with self.subTest((start, delta)):
                ask("SET", "acc", start)
                words = "ERR value is not an integer or out of range" if delta == LEAST else \
                    "(LIMIT|ERR increment or decrement would overflow)"  # the least number has no opposite
                self.fails(f"^{words}", "HF.ADD", "acc", delta)
                self.assertEqual(ask("GET", "acc"), b"%d" % start)
        ask("SET", "acc", "text")
        self.fails("^ERR value is not an integer or out of range", "HF.ADD", "acc", 1)
        for words in (("x",), (1, "MIN"), (1, "MIN", "x"), (1, "FIELD"), (1, "ELSE"),
                      (MOST + 1,), (1, "MAX", MOST + 1)):
            with self.subTest(words):
                self.fails("^ERR ", "HF.ADD", "fresh", *words)
        self.assertEqual(ask("EXISTS", "fresh"), 0)

    def test_many_at_once_never_cross(self):
        """Twelve clients take and give, bounds are asked of every addition; the sum tells the truth."""
        import threading
        self.client("SET", "pot", 5)
        done = {"take": 0, "give": 0}
        lock = threading.Lock()
        wrong = []

        def run(delta, bound, name):
            with self.node.client() as client:
                for got in client.pipeline([("HF.ADD", "pot", delta, *bound)] * 200):
                    if got == "OK":
                        with lock:
                            done[name] += 1
                    elif got.code not in ("LIMIT", "BUSY"):
                        wrong.append(got)

        threads = [threading.Thread(target=run, args=args) for args in
                   [(-1, ("MIN", 0), "take"), (1, ("MAX", 10), "give")] * 6]
        with Neighbour(self.node):
            for thread in threads:
                thread.start()
            with self.node.client() as client:
                while any(thread.is_alive() for thread in threads):
                    self.assertIn(int(client("GET", "pot")), range(0, 11))
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(int(self.client("GET", "pot")), 5 + done["give"] - done["take"])

    def test_across_shards_all_or_nothing(self):
        ask = self.client
        ask("MSET", "a:acc", 5, "z:acc", 5)
        move = ("HF.TXN", "THEN", 2, 5, "HF.ADD", "a:acc", -3, "MIN", 0, 5, "HF.ADD", "z:acc", 3, "MAX", 10)
        self.assertEqual(ask(*move), ["OK", "OK"])
        self.fails("^LIMIT", *move)
        self.assertEqual(ask("MGET", "a:acc", "z:acc"), [b"2", b"8"])
        ask("MSET", "a:acc", 5, "z:acc", 9)
        self.fails("^LIMIT", *move)
        self.assertEqual(ask("MGET", "a:acc", "z:acc"), [b"5", b"9"])


class Sizes(Case):
    def test_bytes_of_every_value(self):
        ask = self.client
        keys = [b"byte:" + bytes([i]) for i in range(256)] + [bytes([i]) for i in range(256)] + [b"", bytes(range(256))]
        values = [bytes([i]) * 3 + bytes([255 - i]) for i in range(256)] * 2 + [b"", bytes(range(256)) * 4]
        with Neighbour(self.node):
            self.assertEqual(ask("MSET", *sum(map(list, zip(keys, values)), [])), "OK")
            self.assertEqual(ask("MGET", *keys), values)
            for key, value in zip(keys, values):
                self.assertEqual(ask("GET", key), value)
                self.assertEqual(ask("HSET", b"rec:" + key, key, value), 1)
                self.assertEqual(ask("HGETALL", b"rec:" + key), [key, value])
            scan = ask("HF.RANGE", b"byte:", b"byte;")
            self.assertEqual(scan, sorted(keys[:256]))
            self.assertEqual(ask("DEL", *keys), len(keys))

    def test_keys(self):
        ask = self.client
        longest = bytes(i % 256 for i in range(KEY_MOST))
        self.assertEqual(ask("SET", longest, "v"), "OK")
        self.assertEqual(ask("GET", longest), b"v")
        self.assertEqual(ask("MSET", longest, "w", b"z" * KEY_MOST, "w"), "OK")
        self.assertEqual(ask("DEL", longest, b"z" * KEY_MOST), 2)
        over = b"k" * (KEY_MOST + 1)
        for words in (("SET", over, "v"), ("GET", over), ("MGET", "k", over), ("HSET", over, "f", "v"), ("DEL", over),
                      ("RENAME", "k", over), ("HF.ADD", over, 1), ("WATCH", over), ("HF.TXN", "THEN", 1, 2, "GET", over),
                      ("HF.TXN", "IF", over, "=", 1, "THEN", 0), ("HF.ADMIN", "SPLIT", over),
                      ("MSET", "k", "v", over, "v"), ("EXISTS", b"k" * (1 << 20))):
            with self.subTest(words[0]):
                self.fails("^TOOBIG", *words)
        self.assertEqual(ask("MULTI"), "OK")
        self.fails("^TOOBIG", "SET", over, "v")
        self.fails("^EXECABORT", "EXEC")
        self.assertEqual(ask("EXISTS", "k"), 0)

    def test_values(self):
        ask = self.client
        most = bytes(range(256)) * (VALUE_MOST // 256)
        with Neighbour(self.node) as neighbour:
            self.assertEqual(ask("SET", "large", most), "OK")
            self.assertEqual(ask("GET", "large"), most)
            self.assertEqual(ask("STRLEN", "large"), VALUE_MOST)
            for words in (("SET", "over", most + b"x"), ("APPEND", "large", "x"), ("SETRANGE", "large", VALUE_MOST, "x"),
                          ("SETBIT", "large", VALUE_MOST * 8, 1), ("HSET", "over", "f", most + b"x"),
                          ("MSET", "a", "x", "over", most + b"x"), ("GETSET", "large", most + b"x"),
                          ("SETBIT", "over", 2 ** 32 - 1, 1), ("SETRANGE", "over", 2 ** 29 - 2, "x"),
                          ("HF.TXN", "THEN", 1, 3, "SET", "over", most + b"x")):
                with self.subTest(words[0]):
                    self.fails("^TOOBIG", *words)
            self.assertEqual(ask("EXISTS", "over", "a"), 0)
            self.assertEqual(ask("STRLEN", "large"), VALUE_MOST)
            self.assertEqual(ask("DEL", "large"), 1)
        print(neighbour.said)

    def test_large_values_in_transactions(self):
        """MULTI, HF.TXN and HF.BEGIN, within a shard and over two, and after a kill."""
        ask = self.client
        most = b"ab" * (VALUE_MOST // 2)
        with Neighbour(self.node) as neighbour:
            got = ask.pipeline([("MULTI",), ("SET", "a:large", most), ("SET", "z:mark", 1), ("EXEC",)])
            self.assertEqual(got, ["OK", "QUEUED", "QUEUED", ["OK", "OK"]])
            self.assertEqual(ask("HF.TXN", "THEN", 2, 3, "SET", "z:large", most, 3, "SET", "a:mark", 2), ["OK", "OK"])
            self.assertEqual(ask("HF.BEGIN"), "OK")
            self.assertEqual(ask("SET", "a:inter", most), "OK")
            self.assertEqual(ask("GET", "a:inter"), most)
            self.assertEqual(ask("SET", "z:mark", 3), "OK")
            self.assertEqual(ask("HF.COMMIT"), "OK")
            self.assertEqual(ask("RENAME", "a:inter", "z:inter"), "OK")
        print(neighbour.said)
        self.assertEqual(ask("MGET", "a:large", "z:large", "z:inter"), [most] * 3)
        self.node.kill()
        self.node.start()
        with self.node.client() as client:
            self.assertEqual(client("MGET", "a:large", "z:large", "z:inter"), [most] * 3)
            self.assertEqual(client("MGET", "a:mark", "z:mark", "a:inter"), [b"2", b"3", None])
            self.assertEqual(client("DEL", "a:large", "z:large", "z:inter"), 3)

    def test_transactions_larger_than_may_be(self):
        ask = self.client
        part = b"x" * (4 << 20)
        with Neighbour(self.node):
            got = ask.pipeline([("MULTI",)] + [("SET", f"a:{i}", part) for i in range(12)] + [("EXEC",)])
            self.assertTrue(any(isinstance(one, RespError) and one.code == "TOOBIG" for one in got[1:-1]))
            self.assertEqual(got[-1].code, "EXECABORT")
            self.fails("^(TOOBIG|OOM)", "HF.TXN", "THEN", 6, *sum(([3, "SET", f"a:{i}", part] for i in range(6)), []))
            try:  # this one does not even fit into what a connection may gather
                self.fails("^(TOOBIG|OOM)", "HF.TXN", "THEN", 30, *sum(([3, "SET", f"a:{i}", part] for i in range(30)), []))
            except ConnectionError:
                pass
            ask = self.client = self.node.client()
            self.addCleanup(ask.close)
            self.assertEqual(ask("HF.BEGIN"), "OK")
            codes = {got.code for got in ask.pipeline([("SET", f"a:{i}", part) for i in range(12)] + [("HF.COMMIT",)])
                     if isinstance(got, RespError)}
            self.assertTrue(codes <= {"TOOBIG", "OOM", "TXNCONFLICT", "ERR"} and codes, codes)
            ask.pipeline([("HF.ROLLBACK",)])
            self.assertEqual(ask("EXISTS", *(f"a:{i}" for i in range(12))), 0)


if __name__ == "__main__":
    hard.main()
