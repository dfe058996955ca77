"""Claim: a client that sends its requests and half-closes gets every reply before the connection ends."""

import socket
import unittest

import hard
from hard import Node, encode

BINARY = None
MANY = 5000


class HalfClosed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY)
        hard.spread(cls.node, hard.MIDDLE, "p:5")

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def ask(self, data, port=None):
        with socket.create_connection(("127.0.0.1", port or self.node.port), hard.LIMIT) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return hard.all_of(connection)

    def test_a_long_pipeline(self):
        sent = b"".join(encode("INCR", "half") for _ in range(MANY))
        self.assertEqual(self.ask(sent), b"".join(b":%d\r\n" % n for n in range(1, MANY + 1)))

    def test_keys_of_all_shards(self):
        sent = encode("MSET", "p:1", "a", "p:9", "b") + encode("MGET", "p:1", "p:9") + encode("ECHO", "end")
        self.assertEqual(self.ask(sent), b"+OK\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nend\r\n")

    def test_lines_typed_by_hand(self):
        self.assertEqual(self.ask(b"PING\r\nSET typed 1\r\nGET typed\r\n"), b"+PONG\r\n+OK\r\n$1\r\n1\r\n")

    def test_half_a_request_is_dropped(self):
        self.assertEqual(self.ask(b"PING\r\n*2\r\n$3\r\nGET\r\n$5\r\nty"), b"+PONG\r\n")

    def test_nothing_at_all(self):
        self.assertEqual(self.ask(b""), b"")

    def test_a_request_that_waits_for_a_lock(self):
        with self.node.client() as holder:
            holder("HF.BEGIN")
            holder("SET", "p:locked", "mine")
            with socket.create_connection(("127.0.0.1", self.node.port), hard.LIMIT) as waiter:
                waiter.sendall(encode("APPEND", "p:locked", "!") + encode("GET", "p:locked"))
                waiter.shutdown(socket.SHUT_WR)
                waiter.settimeout(0.3)
                with self.assertRaises(socket.timeout):
                    waiter.recv(1)
                waiter.settimeout(hard.LIMIT)
                holder("HF.COMMIT")
                self.assertEqual(hard.all_of(waiter), b":5\r\n$5\r\nmine!\r\n")

    def test_who_waits_for_news_waits_no_more(self):
        got = self.ask(encode("HF.CHANGES", "nothing", "FROM", "NOW", "BLOCK", "3600000"))
        self.assertTrue(got.startswith(b"*2\r\n"), got)

    def test_a_subscriber_ends(self):
        self.assertTrue(self.ask(encode("SUBSCRIBE", "channel")).endswith(b":1\r\n"))
        with self.node.client() as client:
            self.assertEqual(client("PUBLISH", "channel", "x"), 0)

    def test_http(self):
        got = self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
                       self.node.http_port)
        self.assertIn(b"holdfast_", got)
        self.assertTrue(got.endswith(b"ok\n"), got[-100:])


if __name__ == "__main__":
    hard.main()
