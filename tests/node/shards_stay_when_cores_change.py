"""Claim: the number of shards is fixed when the directory is made; fewer or more cores open it all
the same, and say so."""

import unittest

import holdfast
from holdfast import Node

BINARY = None


class Cores(unittest.TestCase):
    def test_fewer_then_more(self):
        with Node(BINARY, cores=2) as node:
            with node.client() as client:
                self.assertEqual(client("MSET", *sum(([f"k{i}", i] for i in range(100)), [])), "OK")
            for cores, shards, words in ((1, 2, "more shards than cores"),
                                         (5, 2, "fewer shards than cores")):
                self.assertEqual(node.stop(), 0)
                node.cores = cores
                ready = node.start().wait_said("ready")
                self.assertEqual(ready["shards"], shards)
                warned = [line["msg"] for line in node.said if line["level"] == "warn"]
                self.assertTrue(any(text.startswith(words) for text in warned), warned)
                with node.client() as client:
                    self.assertEqual(client("MGET", *(f"k{i}" for i in range(100))),
                                     [b"%d" % i for i in range(100)])
            self.assertEqual(node.stop(), 0)

    def test_one_core_alone(self):
        with Node(BINARY, cores=1, memory="256MiB") as node:
            with node.client() as client:
                self.assertEqual(client("SET", "k", "v"), "OK")
            node.kill()
            node.start()
            with node.client() as client:
                self.assertEqual(client("GET", "k"), b"v")
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    holdfast.main()
