"""Claim: when memory is full writes are refused with -OOM, reads go on, deletes make room again, and a kill
then loses nothing; the process never takes more than it was given."""

import time
import unittest

import hard
from hard import Neighbour, Node, RespError

BINARY = None
MEMORY = 256 << 20
BESIDES = 96 << 20


class Full(unittest.TestCase):
    def setUp(self):
        self.node = Node(BINARY, memory=str(MEMORY), args=["--retention", "1s"])
        self.addCleanup(self.node.__exit__, None)
        hard.spread(self.node, "5", hard.MIDDLE)

    def fill(self, client, values, first=0):
        """Keys over both shards until a write is refused on each of them; answers the keys that are there."""
        keys, refused = [], set()
        number = first
        while len(refused) < 2:
            batch = [(f"{i % 10}:{i}", values(i)) for i in range(number, number + 64)]
            number += 64
            for (key, _), got in zip(batch, client.pipeline(("SET", key, value) for key, value in batch)):
                if got == "OK":
                    keys.append(key)
                else:
                    self.assertIsInstance(got, RespError)
                    self.assertEqual(got.code, "OOM", got)
                    refused.add(key < "5")
            self.assertLess(number, 10 ** 6)
        return keys

    def all_there(self, client, keys, values):
        for at in range(0, len(keys), 500):
            some = keys[at:at + 500]
            self.assertEqual(client("MGET", *some), [values(int(key.split(":")[1])) for key in some])

    def room_again(self, client, write):
        """Old versions go when their retention is over; then there is room."""
        hard.until(lambda: not isinstance(client.pipeline([write])[0], RespError), lambda: time.sleep(0.05), limit=30)

    def go_on(self, values):
        with self.node.client() as client:
            keys = self.fill(client, values)
            print(f"{len(keys)} keys fit")
            with Neighbour(self.node, writes=False):
                self.all_there(client, keys, values)
                self.assertLess(hard.memory(self.node), MEMORY + BESIDES)
                for words in (("SET", "9:new", values(1)), ("HSET", "9:new", "f", values(1)),
                              ("APPEND", keys[0], values(1)), ("MSET", "1:new", values(1), "9:new", values(1))):
                    got = client.pipeline([words])[0]
                    if isinstance(got, RespError):
                        self.assertEqual(got.code, "OOM", got)
                    else:
                        client("DEL", "9:new", "1:new")
                        client("SET", keys[0], values(int(keys[0].split(":")[1])))
                self.assertEqual(client("DBSIZE"), len(keys))
            for key in keys[::2]:
                self.assertEqual(client("DEL", key), 1)
            keys = keys[1::2]
            self.room_again(client, ("SET", "9:again", values(1)))
            self.room_again(client, ("SET", "1:again", values(1)))
            self.assertEqual(client("DEL", "9:again", "1:again"), 2)
            more = self.fill(client, values, first=1000000)
            self.assertGreater(len(more), len(keys) // 4)
            self.all_there(client, keys + more, values)
        self.node.kill()
        self.node.start()
        with self.node.client() as client:
            self.all_there(client, keys + more, values)
            self.assertEqual(client("DBSIZE"), len(keys + more))
            self.assertEqual(client("FLUSHALL"), "OK")
            self.room_again(client, ("SET", "9:again", values(1)))
        self.assertEqual(self.node.stop(), 0)

    def test_small_values(self):
        self.go_on(lambda i: b"%08d" % i * 64)

    def test_large_values(self):
        self.go_on(lambda i: b"%08d" % i * (1 << 15))

    def test_values_of_all_sizes(self):
        self.go_on(lambda i: b"%08d" % i * (1 << i % 14))

    def test_one_large_value_does_not_fit(self):
        """A request that is too large for what is left is refused; smaller ones are not."""
        with self.node.client() as client, Neighbour(self.node):
            number = 0
            while client.pipeline([("SET", f"0:{number}", b"x" * (8 << 20))])[0] == "OK":
                number += 1
            self.assertGreater(number, 0)
            self.assertEqual(client("SET", "0:small", "x"), "OK")
            self.assertEqual(client("STRLEN", "0:0"), 8 << 20)
            self.assertEqual(client("DEL", *(f"0:{i}" for i in range(number))), number)
            self.room_again(client, ("SET", "0:0", b"x" * (8 << 20)))
        self.assertEqual(self.node.stop(), 0)

    def test_a_record_that_grows(self):
        with self.node.client() as client, Neighbour(self.node):
            fields = 0
            while True:
                got = client.pipeline([("HSET", "0:record", *sum(([f"f{i}", b"v" * 1000]
                                                                 for i in range(fields, fields + 500)), []))])[0]
                if isinstance(got, RespError):
                    self.assertIn(got.code, ("OOM", "TOOBIG"))
                    break
                fields += 500
            self.assertEqual(client("HLEN", "0:record"), fields)
            self.assertEqual(client("HGET", "0:record", f"f{fields - 1}"), b"v" * 1000)
            self.assertEqual(client("DEL", "0:record"), 1)
        self.assertEqual(self.node.stop(), 0)


if __name__ == "__main__":
    hard.main()
