"""Claim: who asks and does not read is paused, and at last cut off; the node's memory stays bounded and
others are served, with large answers too."""

import socket
import unittest

import hard
from hard import Neighbour, Node, encode

BINARY = None
MEMORY = 320 << 20
BESIDES = 96 << 20  # what the process takes besides --memory, and its libraries


def fill(client, data, most=256 << 20):
    """Sends this again and again until the node takes no more; answers how many bytes it took. What the
    kernels keep is a few MiB."""
    client.socket.settimeout(1.0)
    taken = 0
    try:
        while taken < most:
            taken += client.socket.send(data)
    except (TimeoutError, BlockingIOError, ConnectionError):
        pass
    return taken


class NeverReads(unittest.TestCase):
    def setUp(self):
        self.node = Node(BINARY, memory=str(MEMORY))
        self.addCleanup(self.node.__exit__, None)
        hard.spread(self.node, hard.MIDDLE)

    def ends_well(self):
        self.assertLess(hard.memory(self.node), MEMORY + BESIDES)
        with self.node.client() as client:
            self.assertEqual(client("SET", "after", "x" * 100000), "OK")
            hard.until(lambda: hard.stats(client)["clients"] == 1, lambda: client("PING"))
        self.assertEqual(self.node.stop(), 0)

    def test_small_requests_for_ever(self):
        with Neighbour(self.node) as neighbour:
            with self.node.client() as client:
                taken = fill(client, encode("PING", "x" * 200) * 100)
                self.assertLess(taken, 64 << 20)
                # Those who begin to read get everything, in order.
                client.socket.settimeout(hard.LIMIT)
                for _ in range(1000):
                    self.assertEqual(client.reply(), b"x" * 200)
        print(f"taken {taken >> 10} KiB; {neighbour.said}")
        self.ends_well()

    def test_large_answers(self):
        """Requests of a few bytes, answers of 8 MiB: 1,000 of them, of 20 clients."""
        value = b"v" * (8 << 20)
        with self.node.client() as client:
            self.assertEqual(client("SET", "large", value), "OK")
            self.assertEqual(client("SET", hard.MIDDLE + "large", value), "OK")
            with Neighbour(self.node) as neighbour:
                bad = [self.node.client() for _ in range(20)]
                for one in bad:
                    fill(one, (encode("GET", "large") + encode("GET", hard.MIDDLE + "large")) * 25, most=1)
                for turn in range(20):
                    self.assertEqual(client("INCR", "turns"), turn + 1)
                    self.assertEqual(client("SET", f"mine:{turn}", value[:1 << 20]), "OK")
                    self.assertEqual(client("GET", f"mine:{turn}"), value[:1 << 20])
                for one in bad:
                    one.close()
            print(neighbour.said)
            self.assertEqual(client("GET", "large"), value)
        self.ends_well()

    def test_one_answer_after_the_other_is_read(self):
        """A pipeline of large answers is no reason to be cut off when it is read."""
        value = bytes(range(256)) * (4 << 12)
        with self.node.client() as client:
            self.assertEqual(client("SET", "large", value), "OK")
            with Neighbour(self.node):
                for reply in client.pipeline([("GET", "large")] * 40):
                    self.assertEqual(reply, value)
        self.ends_well()

    def test_subscriber(self):
        """Messages for a subscriber that does not read: it is cut off, the publisher and others are not."""
        with self.node.client() as reader, self.node.client() as deaf, self.node.client() as publisher:
            reader("SUBSCRIBE", "news")
            deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf("SUBSCRIBE", "news")
            message = b"m" * 65536
            with Neighbour(self.node) as neighbour:
                for turn in range(6000):
                    heard = publisher("PUBLISH", "news", message)
                    self.assertIn(heard, (1, 2))
                    self.assertEqual(reader.reply(), [b"message", b"news", message])
                    if heard == 1:
                        break
                self.assertEqual(heard, 1, "the deaf subscriber was never cut off")
            print(f"cut off after {turn * 64} KiB; {neighbour.said}")
        self.ends_well()

    def test_many_subscribers(self):
        with self.node.client() as publisher:
            deaf = [self.node.client() for _ in range(30)]
            for one in deaf:
                one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one("SUBSCRIBE", "news")
            message = b"m" * (1 << 20)
            with Neighbour(self.node):
                for turn in range(60):
                    self.assertLessEqual(publisher("PUBLISH", "news", message), 30)
                    self.assertEqual(publisher("SET", f"mine:{turn % 10}", message), "OK")
            for one in deaf:
                one.close()
        self.ends_well()

    def test_monitor(self):
        with self.node.client() as deaf, self.node.client() as client:
            deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.assertEqual(deaf("MONITOR"), "OK")
            with Neighbour(self.node):
                for _ in range(400):
                    self.assertEqual(client.pipeline([("ECHO", "e" * 4000)] * 100), [b"e" * 4000] * 100)
                self.assertLess(hard.memory(self.node), MEMORY + BESIDES)
        self.ends_well()

    def test_never_reads_and_leaves(self):
        """With answers on their way, hard and soft."""
        with self.node.client() as client:
            self.assertEqual(client("SET", "large", b"v" * (1 << 20)), "OK")
        with Neighbour(self.node):
            for turn in range(40):
                client = self.node.client()
                client.send_raw(encode("GET", "large") * 20 + encode("MULTI") + encode("GET", "large"))
                if turn % 2:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
        self.ends_well()


if __name__ == "__main__":
    hard.main()
