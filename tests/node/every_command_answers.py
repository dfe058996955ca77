"""Claim: every command of the table has a function, and answers whatever it is given; HF.SESSION does what it says."""

import random
import socket
import unittest

import holdfast
from holdfast import Node, RespError, encode

BINARY = None
# These end the node or the connection, answer more than once, hold the connection, or make everyone wait.
APART = {"shutdown", "quit", "monitor", "subscribe", "psubscribe", "unsubscribe", "punsubscribe", "reset", "hello",
         "hf.changes", "debug"}
WORDS = [b"", b"a", b"0", b"-1", b"1", b"9223372036854775807", b"1e400", b"nan", b"MATCH", b"ON", b"COUNT", b"\x00\xff",
         b"x" * 5000, b"*", b"[", b"EX", b"THEN", b"IF", b"LIMIT", b"GET", b"m", b"2", b"ID"]


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, cores=2)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def setUp(self):
        self.client = self.node.client()

    def tearDown(self):
        self.client.close()

    def names(self):
        return sorted({name.decode() for name in self.client("COMMAND", "LIST")})

    def ask(self, *words):
        """The reply, or the error as text."""
        try:
            return self.client(*words)
        except RespError as error:
            return str(error)

    def test_no_row_is_without_a_function(self):
        for name in self.names():
            if name in APART:
                continue
            for count in range(4):
                reply = self.ask(name, *["a"] * count)
                self.assertFalse(str(reply).startswith("ERR unknown command"), (name, count, reply))
            self.ask("DISCARD")
            self.ask("HF.ROLLBACK")
            self.client("CLIENT", "REPLY", "ON")

    def test_whatever_it_is_given(self):
        draw = random.Random(11)
        for proto in (2, 3):
            for inside in (False, True):
                self.client("HELLO", proto)
                for name in self.names():
                    if name in APART | {"client", "wait", "config", "save", "bgsave", "hf.admin"}:
                        continue
                    for count in range(6):
                        if inside:
                            self.ask("MULTI")
                        self.ask(name, *(draw.choice(WORDS) for _ in range(count)))
                        if inside:
                            self.ask("EXEC")
                    self.ask("DISCARD")
                    self.ask("HF.ROLLBACK")
                    self.ask("UNWATCH")
                    self.assertEqual(self.client("ECHO", name), name.encode())

    def test_what_streams_is_not_for_multi(self):
        for words in (("MONITOR",), ("SUBSCRIBE", "a"), ("HF.CHANGES", "a", "FROM", "NOW"), ("DEBUG", "OBJECT", "a"),
                      ("PUBLISH", "a", "b")):
            self.ask("MULTI")
            self.ask(*words)
            self.ask("EXEC")
            self.ask("RESET")
            self.assertEqual(self.client("ECHO", "still"), b"still")

    def test_atomic_undoes_all_of_exec(self):
        for first, other in (("s:1", "s:1b"), ("a", "z")):  # one shard, or maybe two
            self.client("DEL", first, other)
            for atomic in (False, True):
                self.assertEqual(self.client("HF.SESSION", "ATOMIC", "on" if atomic else "off"), "OK")
                self.client("SET", other, "text")
                self.client("MULTI")
                self.client("INCR", first)
                self.client("INCR", other)
                reply = self.ask("EXEC")
                if atomic:
                    self.assertIn("not an integer", reply)
                else:
                    self.assertEqual(reply[0], 1)
                self.assertEqual(self.client("GET", first), b"1")
        self.client("RESET")
        self.client("MULTI")
        self.client("INCR", "a")
        self.client("INCR", "z")
        self.assertEqual(self.client("EXEC")[0], 2)  # RESET takes it back

    def test_settings_that_are_none(self):
        self.assertIn("RESP3", self.ask("HF.SESSION", "ATTR", "on"))
        self.assertIn("unknown setting", self.ask("HF.SESSION", "COLOUR", "on"))
        self.assertIn("on or off", self.ask("HF.SESSION", "ATOMIC"))
        self.assertIn("on or off", self.ask("HF.SESSION", "ATOMIC", "maybe"))

    def test_attributes_tell_timestamps(self):
        with socket.create_connection(("127.0.0.1", self.node.port), holdfast.LIMIT) as raw:
            raw.sendall(encode("HELLO", "3") + encode("SET", "t", "0") + encode("HF.SESSION", "ATTR", "on") +
                        encode("SET", "t", "1") + encode("GET", "t") + encode("ECHO", "end"))
            raw.shutdown(socket.SHUT_WR)
            got = b""
            while more := raw.recv(1 << 16):
                got += more
        said = got[got.index(b"+OK\r\n+OK\r\n") + 10:]
        lines = said.split(b"\r\n")
        self.assertEqual((lines[0], lines[1], lines[4]), (b"|1", b"+ts", b"+OK"), said)
        self.assertEqual((lines[5], lines[6], lines[9:11]), (b"|1", b"+ts", [b"$1", b"1"]), said)
        self.assertGreaterEqual(int(lines[8]), int(lines[3]))
        self.assertEqual(lines[11:13], [b"$3", b"end"])  # has no timestamp


if __name__ == "__main__":
    holdfast.main()
