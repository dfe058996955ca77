"""Claim: bytes that are no request are refused with Redis' words and the connection is closed; halves and
single bytes wait for the rest; nobody else notices."""

import os
import random
import socket
import unittest

import hard
from hard import Client, Neighbour, Node, RespError, encode

BINARY = None

# What is sent, and the error after "-ERR Protocol error: ". The node closes the connection then.
REFUSED = [
    (b"*1048577\r\n", "invalid multibulk length"),
    (b"*99999999999\r\n", "invalid multibulk length"),
    (b"*9223372036854775808\r\n", "invalid multibulk length"),
    (b"*1x\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
    (b"*2\r\n$3\r\nGET\r\n*1\r\n$1\r\nk\r\n", "expected '$', got '*'"),
    (b"*1\r\n:1\r\n", "expected '$', got ':'"),
    (b"*1\r\n%1\r\n", "expected '$', got '%'"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$9999999999\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n$4x\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n\r\n", "invalid bulk length"),
    (b"*" + b"1" * 70000, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
    (b"a" * 70000, "too big inline request"),
    (b"SET k \"unbalanced\r\n", "unbalanced quotes in request"),
    (b"SET k 'unbalanced\r\n", "unbalanced quotes in request"),
    (b"SET k \"a\"b\r\n", "unbalanced quotes in request"),
]


def received(other):
    """How many clients there are of whom the node has gathered more than a hundred bytes."""
    return sum(int(dict(word.split("=", 1) for word in line.split())["qbuf"]) > 100
               for line in other("CLIENT", "LIST").decode().splitlines())


class Frames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, memory="320MiB")
        hard.spread(cls.node, hard.MIDDLE)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def test_what_is_refused(self):
        with Neighbour(self.node):
            for data, words in REFUSED:
                with self.subTest(data[:40]), self.node.client() as client:
                    client.send_raw(encode("PING") + data)
                    said = hard.gone(client)
                    self.assertEqual(said, b"+PONG\r\n-ERR Protocol error: %s\r\n" % words.encode())

    def test_requests_behind_a_refused_one_do_not_run(self):
        with self.node.client() as client, self.node.client() as other:
            client.send_raw(encode("SET", "before", "1") + b"*1\r\n$-1\r\n" + encode("SET", "behind", "1"))
            self.assertIn(b"invalid bulk length", hard.gone(client))
            self.assertEqual(other("MGET", "before", "behind"), [b"1", None])

    def test_empty_requests_are_skipped(self):
        with self.node.client() as client:
            client.send_raw(b"*0\r\n*-1\r\n*-5\r\n\r\n\r\n" + encode("PING"))
            self.assertEqual(client.reply(), "PONG")

    def test_an_empty_name_is_an_unknown_command(self):
        with self.node.client() as client:
            for words in ((b"",), (b"\x00",), (b"\xff" * 300, b"a"), (b"GET\r\n", b"a")):
                with self.assertRaisesRegex(RespError, "^ERR unknown command"):
                    client(*words)
            self.assertEqual(client("PING"), "PONG")

    def test_byte_by_byte(self):
        value = bytes(range(256))
        data = encode("SET", "bytes", value) + encode("GET", "bytes") + b"PING\r\n"
        with Neighbour(self.node), self.node.client() as client:
            for place in range(len(data)):
                client.send_raw(data[place:place + 1])
            self.assertEqual([client.reply() for _ in range(3)], ["OK", value, "PONG"])

    def test_cut_at_every_place(self):
        """A first part, then nothing for a while, then the rest: one client for each cut."""
        data = encode("APPEND", "cut", "x") + encode("PING", "behind")
        with Neighbour(self.node):
            clients = [self.node.client() for _ in range(1, len(data))]
            for cut, client in enumerate(clients, 1):
                client.send_raw(data[:cut])
            for cut, client in reversed(list(enumerate(clients, 1))):
                client.send_raw(data[cut:])
            lengths = set()
            for client in clients:
                lengths.add(client.reply())
                self.assertEqual(client.reply(), b"behind")
                client.close()
            self.assertEqual(lengths, set(range(1, len(data))))

    def test_half_a_request_and_gone(self):
        """A client that leaves in the middle leaves nothing behind."""
        data = encode("SET", "half", "x" * 1000)
        with Neighbour(self.node), self.node.client() as other:
            for cut in range(0, len(data), 7):
                client = self.node.client()
                client.send_raw(data[:cut])
                if cut % 2:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            self.assertEqual(other("EXISTS", "half"), 0)
            hard.until(lambda: hard.stats(other)["clients"] <= 2, lambda: other("PING"))

    def test_inline(self):
        with self.node.client() as client:
            client.send_raw(b"SET inline \"a\\x00\\xff\\n\\\"b\"\r\n"
                            b"get   inline  \n"
                            b"set 'in line' 'it\\'s'\r\n"
                            b"\"GET\" \"in line\"\r\n"
                            b"  ping\r\n"
                            b"EXISTS \"\"\r\n")
            self.assertEqual([client.reply() for _ in range(6)],
                             ["OK", b"a\x00\xff\n\"b", "OK", b"it's", "PONG", 0])
            client.send_raw(b"ECHO " + b"y" * 60000 + b"\r\n")
            self.assertEqual(client.reply(), b"y" * 60000)

    def test_announcing_much_takes_little(self):
        """What is announced, and begun, is not yet taken from others."""
        with Neighbour(self.node), self.node.client() as other:
            before = hard.stats(other)["memory_used"]
            clients = [self.node.client() for _ in range(200)]
            for place, client in enumerate(clients):
                head = b"*1048576\r\n$1\r\n" if place % 2 else b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n"
                client.send_raw(head + b"x")
            other("PING")
            for client in clients:
                client.send_raw(b"y" * 100)
            hard.until(lambda: received(other) == len(clients), lambda: None)
            self.assertLess(hard.stats(other)["memory_used"] - before, 16 << 20)
            for client in clients:
                client.close()

    def test_large_requests_that_never_end(self):
        """Many clients send half of the largest value, and stop: others find room all the same."""
        with Neighbour(self.node), self.node.client() as other:
            clients = [self.node.client() for _ in range(100)]
            for client in clients:
                try:
                    client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n" + b"x" * (3 << 20))
                except OSError:
                    pass  # refused and closed: one of the answers that are right
            value = b"v" * (1 << 20)
            for _ in range(20):
                self.assertEqual(other("SET", "large", value), "OK")
                self.assertEqual(other("GET", "large"), value)
            self.assertEqual(other("DEL", "large"), 1)
            for client in clients:
                client.close()

    def test_arguments_as_many_as_may_be(self):
        count = 100000
        with Neighbour(self.node), self.node.client() as client:
            self.assertEqual(client("MSET", *(word for i in range(count // 2) for word in (b"m%d" % i, b"v"))), "OK")
            self.assertEqual(client("EXISTS", *(b"m%d" % i for i in range(count))), count // 2)
            self.assertEqual(client("MGET", *(b"m%d" % i for i in range(count))),
                             [b"v"] * (count // 2) + [None] * (count // 2))
            self.assertEqual(client("DEL", *(b"m%d" % i for i in range(count))), count // 2)

    def test_noise(self):
        """Random bytes, and requests with bytes turned: an answer or a closed connection, and no more."""
        draw = random.Random(7)
        whole = encode("SET", "noise", "value") + encode("GET", "noise") + encode("MGET", "a", "b", "c")
        with Neighbour(self.node):
            for turn in range(300):
                data = bytearray(whole * 3)
                for _ in range(draw.randrange(1, 12)):
                    data[draw.randrange(len(data))] = draw.randrange(256)
                if turn % 3 == 0:
                    data = draw.randbytes(draw.randrange(1, 3000))
                client = self.node.client()
                try:
                    client.send_raw(bytes(data))
                    client.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                hard.gone(client)
                client.close()
            with self.node.client() as client:
                self.assertEqual(client("PING"), "PONG")

    def test_http_bytes_at_the_port_of_redis(self):
        """Somebody else's page that makes a browser speak to this port must not get far, as with Redis."""
        with self.node.client() as client, self.node.client() as other:
            client.send_raw(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET http 1\r\n")
            hard.gone(client)
            self.assertEqual(other("EXISTS", "http"), 0)

    def test_redis_bytes_at_the_port_of_http(self):
        with Neighbour(self.node):
            for data in (encode("PING"), b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                         b"GET /livez HTTP/1.1\r\nX: " + b"y" * 100000, os.urandom(2000)):
                with Client(self.node.http_port) as client:
                    try:
                        client.send_raw(data)
                        client.socket.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    said = hard.gone(client)
                    self.assertTrue(said == b"" or said.startswith(b"HTTP/1.1 4")
                                    or said.startswith(b"HTTP/1.1 5"), said[:100])


if __name__ == "__main__":
    hard.main()
