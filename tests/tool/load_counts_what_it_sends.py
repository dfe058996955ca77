"""Claim: holdfast-load sends what it says, and its figures are those of what was sent: the test that
bench/load is paired with."""

import json
import time

import tool
from tool import Node, ToolTest, run


class Load(ToolTest):
    def setUp(self):
        self.node = Node(self.program("holdfastd"))
        self.addCleanup(self.node.__exit__, None, None, None)

    def load(self, kind, *words, code=0):
        found, out, said = run(self.program("holdfast-load"), "--json", "--at", f"127.0.0.1:{self.node.port}",
                               "--load", kind, "--keys", "1000", "--pid", self.node.process.pid, *words)
        self.assertEqual(found, code, said)
        return json.loads(out) if out else said

    def calls(self, client, name):
        for line in client("INFO", "commandstats").decode().splitlines():
            if line.startswith(f"cmdstat_{name}:calls="):
                return int(line.split("=")[1].split(",")[0])
        return 0

    def balances(self, client):
        values = client("MGET", *[f"account:{i:012d}" for i in range(1000)])
        return [int(value) for value in values]

    def test_fill_writes_every_key_once(self):
        found = self.load("fill", "--clients", "7", "--pipeline", "13", "--value", "9")
        self.assertEqual(found["requests"], 1000)
        with self.node.client() as client:
            self.assertEqual(client("DBSIZE"), 1000)
            self.assertEqual(client("GET", f"key:{999:012d}"), b"x" * 9)
            self.assertEqual(self.calls(client, "set"), 1000)

    def test_requests_are_those_of_the_server(self):
        with self.node.client() as client:
            for kind, pipeline in (("set", 1), ("get", 16)):
                before = self.calls(client, kind)
                begin = time.monotonic()
                found = self.load(kind, "--clients", "5", "--pipeline", str(pipeline), "--seconds", "0.5",
                                  "--warmup", "0")
                took = time.monotonic() - begin
                served = self.calls(client, kind) - before
                self.assertLessEqual(found["requests"], served)
                self.assertGreaterEqual(found["requests"], served - 5 * pipeline)
                self.assertAlmostEqual(found["per_second"] * found["seconds"] / found["requests"], 1, delta=0.01)
                self.assertLess(found["seconds"], took)
                self.assertGreater(found["server_cpu_us"], 0)
                self.assertLessEqual(found["p50_us"], found["p99_us"])
                self.assertLessEqual(found["p99_us"], found["max_us"] * 1.02)

    def test_transfers_move_money_and_make_none(self):
        self.load("fill", "--prefix", "account:", "--text", "5")
        with self.node.client() as client:
            for kind in ("txn", "multi"):
                found = self.load(kind, "--prefix", "account:", "--clients", "4", "--pipeline", "8", "--hot", "50",
                                  "--seconds", "0.5", "--warmup", "0")
                self.assertEqual(found["errors"], 0)
                balances = self.balances(client)
                self.assertEqual(sum(balances), 5000)
                self.assertGreaterEqual(min(balances), 0)
                self.assertGreater(balances[0], 5)  # the hot one
        self.assertGreater(found["refused"], 0)  # half of all goes to one account: others run dry

    def test_open_loop_keeps_its_rate(self):
        found = self.load("get", "--clients", "4", "--rate", "400", "--seconds", "1", "--warmup", "0")
        self.assertLessEqual(found["requests"], 402)
        self.assertGreater(found["requests"], 200)

    def test_errors_are_errors(self):
        with self.node.client() as client:
            for i in range(1000):
                client("HSET", f"key:{i:012d}", "f", "v")
        self.assertIn("WRONGTYPE", self.failing("get"))
        self.assertIn("SCRIPT LOAD", self.failing("eval"))

    def failing(self, kind):
        code, _, said = run(self.program("holdfast-load"), "--at", f"127.0.0.1:{self.node.port}", "--load", kind,
                            "--keys", "1000", "--seconds", "0.2", "--warmup", "0")
        self.assertEqual(code, 1)
        return said

    def test_wrong_usage(self):
        for words in ([], ["--load", "frob"], ["--load", "set", "--clients", "0"], ["--load", "set", "--rate"]):
            self.assertEqual(run(self.program("holdfast-load"), *words)[0], 2, words)


if __name__ == "__main__":
    tool.main()
