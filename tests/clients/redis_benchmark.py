"""Claim: redis-benchmark runs every test of its own whose command is here, with and without pipelining."""

import csv
import io
import shutil
import unittest

import clients
from clients import run

BINARY = None
# Of its tests those whose commands are in: no lists, sets, sorted sets, streams.
TESTS = "ping_inline,ping_mbulk,set,get,incr,hset,mset"
NAMES = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "HSET", "MSET (10 keys)"]


class RedisBenchmark(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = clients.node_for_clients(BINARY)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def bench(self, *words):
        code, out = run("redis-benchmark", "-h", "127.0.0.1", "-p", self.node.port, "--csv", *words)
        text = out.decode()
        self.assertEqual(code, 0, text)
        for bad in ("ERR", "Error", "WARNING", "WRONGTYPE"):
            self.assertNotIn(bad, text)
        rows = list(csv.DictReader(io.StringIO(text[text.index('"test"'):])))
        for row in rows:
            self.assertGreater(float(row["rps"]), 0)
        print("; ".join(f"{row['test']} {float(row['rps']):.0f}/s" for row in rows))
        return [row["test"] for row in rows]

    def test_all(self):
        self.assertEqual(self.bench("-t", TESTS, "-n", 3000, "-c", 20), NAMES)

    def test_pipelined_with_random_keys(self):
        self.assertEqual(self.bench("-t", TESTS, "-n", 20000, "-c", 10, "-P", 16, "-r", 10000, "-d", 100), NAMES)

    def test_threads_and_large_values(self):
        self.assertEqual(self.bench("-t", "set,get", "-n", 2000, "-c", 10, "--threads", 2, "-d", 100000), ["SET", "GET"])

    def test_own_command(self):
        self.bench("-n", 3000, "-P", 4, "-r", 100, "HF.ADD", "counter:__rand_int__", "1", "MAX", "1000000")
        self.bench("-n", 1000, "-r", 100, "HF.TXN", "THEN", "2", "3", "SET", "a:__rand_int__", "1",
                   "3", "SET", "z:__rand_int__", "1")


if __name__ == "__main__":
    if not shutil.which("redis-benchmark"):
        clients.skip("redis-benchmark is not installed")
    clients.main()
