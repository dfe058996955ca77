"""Claim: pipelines of any length are answered in order, and transactions do not nest."""

import random
import unittest

import hard
from hard import Neighbour, Node, RespError, encode

BINARY = None
LONG = 10000


class Pipelines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, memory="320MiB")
        hard.spread(cls.node, hard.MIDDLE, "p:5")

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def test_one_key(self):
        with Neighbour(self.node), self.node.client() as client:
            self.assertEqual(client.pipeline([("INCR", "one")] * LONG), list(range(1, LONG + 1)))

    def test_keys_of_all_shards(self):
        """Single keys, several keys over shards, transactions and errors, mixed: as if one by one."""
        draw = random.Random(3)
        model, commands, replies = {}, [], []
        for number in range(LONG):
            key, other = f"p:{draw.randrange(10)}:{draw.randrange(30)}", f"p:{draw.randrange(10)}:0"
            kind = draw.randrange(8)
            if kind < 2:
                commands.append(("SET", key, number))
                model[key] = b"%d" % number
                replies.append("OK")
            elif kind < 4:
                commands.append(("GET", key))
                replies.append(model.get(key))
            elif kind == 4:
                commands.append(("MSET", key, number, other, number))
                model[key] = model[other] = b"%d" % number
                replies.append("OK")
            elif kind == 5:
                commands.append(("MGET", key, other, "p:none"))
                replies.append([model.get(key), model.get(other), None])
            elif kind == 6:
                commands += [("MULTI",), ("GET", key), ("SET", other, number), ("EXEC",)]
                replies += ["OK", "QUEUED", "QUEUED", [model.get(key), "OK"]]
                model[other] = b"%d" % number
            else:
                commands.append(("DEL", key, other))
                replies.append(len({key, other} & set(model)))
                model.pop(key, None)
                model.pop(other, None)
        with Neighbour(self.node), self.node.client() as client:
            got = client.pipeline(commands)
            for place, (one, two) in enumerate(zip(got, replies)):
                self.assertEqual(one, two, (place, commands[place]))

    def test_sent_at_once_and_read_late(self):
        with Neighbour(self.node), self.node.client() as client:
            client.send_raw(b"".join(encode("ECHO", i) for i in range(LONG)))
            client.socket.shutdown(1)  # nothing more will come; what was asked is answered
            got = hard.gone(client)
            self.assertEqual(got, b"".join(b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(LONG)))

    def test_errors_keep_their_place(self):
        with Neighbour(self.node), self.node.client() as client:
            got = client.pipeline([("NOSUCH",), ("SET", "e", "x"), ("INCR", "e"), ("GET",)] * (LONG // 4))
            for place in range(0, LONG, 4):
                self.assertTrue(str(got[place]).startswith("ERR unknown command 'NOSUCH'"))
                self.assertEqual(got[place + 1], "OK")
                self.assertEqual(str(got[place + 2]), "ERR value is not an integer or out of range")
                self.assertEqual(str(got[place + 3]), "ERR wrong number of arguments for 'get' command")

    def test_a_transaction_of_many_commands(self):
        with Neighbour(self.node), self.node.client() as client:
            got = client.pipeline([("MULTI",)] + [("INCR", f"p:{i % 10}") for i in range(LONG)] + [("EXEC",)])
            self.assertEqual(got[:-1], ["OK"] + ["QUEUED"] * LONG)
            self.assertEqual(got[-1], [i // 10 + 1 for i in range(LONG)])
            client("DEL", *(f"p:{i}" for i in range(10)))
            words = [word for i in range(LONG) for word in (2, "INCR", f"p:{i % 10}")]
            self.assertEqual(client("HF.TXN", "THEN", LONG, *words), [i // 10 + 1 for i in range(LONG)])
            client("DEL", *(f"p:{i}" for i in range(10)))

    def test_too_many_commands_in_a_transaction(self):
        """The limit is an error with a name; the transaction is discarded, the connection goes on."""
        with Neighbour(self.node), self.node.client() as client:
            got = client.pipeline([("MULTI",)] + [("SET", "too", "many")] * 70000 + [("EXEC",)])
            self.assertEqual(got[1], "QUEUED")
            self.assertTrue(str(got[-2]).startswith("TOOBIG"), got[-2])
            self.assertTrue(str(got[-1]).startswith("EXECABORT"), got[-1])
            self.assertEqual(client("EXISTS", "too"), 0)


class Nesting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, memory="320MiB")
        hard.spread(cls.node, hard.MIDDLE)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def fails(self, client, pattern, *words):
        with self.assertRaisesRegex(RespError, pattern):
            client(*words)

    def test_multi_in_multi(self):
        with self.node.client() as client:
            self.assertEqual(client("MULTI"), "OK")
            self.assertEqual(client("SET", "n", 1), "QUEUED")
            self.fails(client, "^ERR MULTI calls can not be nested", "MULTI")
            self.fails(client, "^ERR WATCH inside MULTI is not allowed", "WATCH", "n")
            self.assertEqual(client("EXEC"), ["OK"])  # as with Redis: neither breaks it
            self.fails(client, "^ERR EXEC without MULTI", "EXEC")
            self.fails(client, "^ERR DISCARD without MULTI", "DISCARD")

    def test_ours_in_multi(self):
        for words in (("HF.BEGIN",), ("HF.TXN", "THEN", 1, 2, "GET", "n"), ("HF.COMMIT",), ("HF.ROLLBACK",),
                      ("HF.SAVEPOINT", "s"), ("HF.ADMIN", "STATS"), ("SUBSCRIBE", "c"), ("MONITOR",)):
            with self.subTest(words), self.node.client() as client:
                self.assertEqual(client("MULTI"), "OK")
                self.assertEqual(client("SET", "nested", 1), "QUEUED")
                self.fails(client, "^ERR .*not allowed", *words)
                self.fails(client, "^EXECABORT", "EXEC")
                self.assertEqual(client("EXISTS", "nested"), 0)

    def test_in_an_interactive_transaction(self):
        with self.node.client() as client:
            self.assertEqual(client("HF.BEGIN"), "OK")
            self.assertEqual(client("SET", "inner", 1), "OK")
            self.fails(client, "^ERR HF.BEGIN calls can not be nested", "HF.BEGIN")
            self.fails(client, "^ERR MULTI inside an interactive transaction", "MULTI")
            self.fails(client, "^ERR ", "HF.TXN", "THEN", 1, 3, "SET", "inner", 2)
            self.fails(client, "^ERR ", "EXEC")
            self.assertEqual(client("GET", "inner"), b"1")
            self.assertEqual(client("HF.COMMIT"), "OK")
            self.assertEqual(client("GET", "inner"), b"1")
            self.fails(client, "^ERR HF.COMMIT without HF.BEGIN", "HF.COMMIT")

    def test_transactions_as_commands_of_a_transaction(self):
        with self.node.client() as client:
            for words in (("MULTI",), ("EXEC",), ("HF.TXN", "THEN", 0), ("HF.BEGIN",), ("SUBSCRIBE", "c"),
                          ("WATCH", "k"), ("HF.READ", "STRICT", "GET", "k")):
                with self.subTest(words):
                    self.fails(client, "^ERR ", "HF.TXN", "THEN", 1, len(words), *words)
            self.fails(client, "^ERR ", "HF.READ", "STRICT", "HF.READ", "STRICT", "GET", "k")
            self.fails(client, "^ERR ", "HF.READ", "STRICT", "SET", "k", "v")

    def test_arguments_that_lie(self):
        """Counts in HF.TXN that do not fit what follows."""
        with Neighbour(self.node), self.node.client() as client:
            for tail in ((), (-1,), (1,), (1, 0), (1, 5, "GET", "k"), (2, 2, "GET", "k"), (0, 2, "GET", "k"),
                         (1, 2, "GET", "k", "ELSE"), (1, 2, "GET", "k", "ELSE", 1), (10 ** 20,),
                         (2 ** 32 + 1, 2, "GET", "k"), (1, 2 ** 32 + 2, "GET", "k"), ("x", 2, "GET", "k"),
                         (1, 2, "GET", "k", "THEN", 1, 2, "GET", "k")):
                with self.subTest(tail):
                    self.fails(client, "^ERR ", "HF.TXN", "THEN", *tail)
            for words in (("IF",), ("IF", "k"), ("IF", "k", "="), ("IF", "k", "~", "v"), ("ID",), ("ID", "x"),
                          ("ID", "00000000-0000-4000-8000-000000000000")):
                with self.subTest(words):
                    self.fails(client, "^ERR ", "HF.TXN", *words, "THEN", 1, 2, "GET", "k")

    def test_many_watches(self):
        """A list of keys as long as one likes costs others nothing."""
        with Neighbour(self.node) as neighbour, self.node.client() as client:
            self.assertEqual(client("WATCH", *(f"w{i}" for i in range(5000))), "OK")
            self.assertEqual(client("WATCH", *(f"w{i}" for i in range(5000))), "OK")
            self.assertEqual(client("UNWATCH"), "OK")
            self.fails(client, "^TOOBIG", "WATCH", *(f"w{i}" for i in range(100000)))
            self.assertEqual(client("MULTI"), "OK")
            self.assertEqual(client("EXEC"), [])
        print(neighbour.said)

    def test_many_savepoints(self):
        with Neighbour(self.node), self.node.client() as client:
            self.assertEqual(client("HF.BEGIN"), "OK")
            self.assertEqual(client("SET", "s", 0), "OK")
            made = 0
            for number in range(5000):
                got = client.pipeline([("HF.SAVEPOINT", f"s{number}")])[0]
                if isinstance(got, RespError):
                    self.assertEqual(got.code, "TOOBIG")
                    break
                made += 1
            self.assertEqual(client("SET", "s", 1), "OK")
            self.assertEqual(client("HF.ROLLBACK", "TO", "s0"), "OK")
            self.assertEqual(client("GET", "s"), b"0")
            self.assertEqual(client("HF.COMMIT"), "OK")
            print(f"{made} savepoints")


if __name__ == "__main__":
    hard.main()
