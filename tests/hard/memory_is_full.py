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
            self.assertLess(number, first + 10 ** 6)
        return keys

    def all_there(self, client, keys, values):
        """Asked for in parts: a reply needs memory too."""
        at = 0
        while at < len(keys):
            some, size = [], 0
            while at < len(keys) and size < 512 << 10 and len(some) < 1000:
                some.append(values(int(keys[at].split(":")[1])))
                size += len(some[-1])
                at += 1
            self.assertEqual(client("MGET", *keys[at - len(some):at]), some)

    def room_again(self, client, write):
        """Old versions go when their retention is over; then there is room."""
        hard.until(lambda: not isinstance(client.pipeline([write])[0], RespError), lambda: time.sleep(0.05))

    def delete(self, client, keys):
        """Never refused."""
        for at in range(0, len(keys), 500):
            some = keys[at:at + 500]
            self.assertEqual(client.pipeline([("DEL", key) for key in some]), [1] * len(some))

    def test_a_reply_larger_than_connections_may_hold(self):
        """It is told so in its place, and the connection goes on."""
        large = "x" * (4 << 20)
        with Node(BINARY, cores=1, memory=str(512 << 20)) as node, node.client() as client:
            self.assertEqual(client("SET", "k", large), "OK")
            all_at_once = ("MGET", *["k"] * 18)
            got = client.pipeline([all_at_once, ("PING",), all_at_once])
            self.assertEqual([got[0].code, got[1], got[2].code], ["OOM", "PONG", "OOM"])
            self.assertEqual([len(one) for one in client("MGET", "k", "k")], [len(large)] * 2)
            got = client.pipeline([("MULTI",), ("SET", "after", "1"), all_at_once, ("EXEC",), ("GET", "after")])
            self.assertEqual(got[-2].code, "OOM")
            self.assertEqual(got[-1], b"1" if str(got[-2]).startswith("OOM committed") else None)
            stats = client("INFO", "stats").decode()
            self.assertIn("client_output_buffer_limit_disconnections:0", stats)
            self.assertNotIn("holdfast_replies_too_large:0", stats)
            self.assertEqual(node.stop(), 0)

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
            self.delete(client, keys[::2])
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
            # What FLUSHALL deletes is kept for a while, as all old versions are: there may be no room for that.
            got = client.pipeline([("FLUSHALL",)])[0]
            if got != "OK":
                self.assertEqual(got.code, "OOM", got)
                self.delete(client, keys + more)
            self.assertEqual(client("DBSIZE"), 0)
            self.room_again(client, ("SET", "9:again", values(1)))
        self.assertEqual(self.node.stop(), 0)

    def test_small_values(self):
        self.go_on(lambda i: b"%08d" % i * 128)

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
            for key in ("0:0", f"0:{number - 1}"):
                self.assertEqual(client("GET", key), b"x" * (8 << 20))
            self.assertEqual(client("DEL", *(f"0:{i}" for i in range(number))), number)
            self.room_again(client, ("SET", "0:0", b"x" * (8 << 20)))
        self.assertEqual(self.node.stop(), 0)

    def test_small_requests_of_large_effects(self):
        """What a request makes of itself is counted, not only what it sends: it is done or refused, over one
        shard and over both, in any state of memory, and a start finds room for all that was done."""
        with self.node.client() as client:
            self.fill(client, lambda i: b"x" * 4000)
            sizes, why = {}, {}

            def grow(turn, count, size, starts):
                keys = [f"{start}:grown:{turn}:{count}:{size}:{i}" for i in range(count) for start in starts]
                got = client.pipeline([("MULTI",)] + [("SETRANGE", key, size - 1, "x") for key in keys] + [("EXEC",)])[-1]
                for key, one in zip(keys, [got] * len(keys) if isinstance(got, RespError) else got):
                    if isinstance(one, RespError):
                        self.assertEqual(one.code, "OOM", one)
                        sizes[key] = size if "committed" in str(one) else 0
                        why[key] = str(one)
                        continue
                    sizes[key] = one
                    again = client.pipeline([("EXPIRE", key, 1000)])[0]  # a version with the same bytes
                    self.assertIn(again.code if isinstance(again, RespError) else again, (1, "OOM"))

            with Neighbour(self.node, writes=False):
                turn = done = 0
                while turn < 40 or min(done, len(sizes) - done) < 3:  # where all goes fast, old versions need time to go
                    self.assertLess(turn, 100)
                    time.sleep(0.1 if turn >= 40 else 0)
                    some = [f"{i % 10}:{i}" for i in range(turn * 400, turn * 400 + 400)]
                    self.assertGreater(client("DEL", *some), 0)  # never refused
                    for count, size, starts in ((1, 1 << 20, "0"), (1, 8 << 20, "0"), (3, 5 << 20, "9"), (3, 1 << 20, "09")):
                        grow(turn, count, size, starts)
                    turn, done = turn + 1, sum(size != 0 for size in sizes.values())
            refused = sum(size == 0 for size in sizes.values())
            print(f"{len(sizes) - refused} done, {refused} refused")
            self.assertGreater(refused, 2)
            self.assertGreater(len(sizes) - refused, 2)
        self.node.kill()
        self.node.start()
        with self.node.client() as client:
            for key, size, got in zip(sizes, sizes.values(), client.pipeline([("STRLEN", key) for key in sizes])):
                self.assertEqual(got, size, (key, why.get(key)))
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
