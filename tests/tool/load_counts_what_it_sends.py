"""Claim: `holdfast bench` sends what it says, and its figures are those of what was sent: the test that
the benchmarks are paired with."""

import json
import time

import tool
from tool import Node, ToolTest, run, until


class Load(ToolTest):
    def setUp(self):
        self.node = Node(self.program("holdfastd"))
        self.addCleanup(self.node.__exit__, None, None, None)

    def load(self, kind, *words, code=0):
        found, out, said = run(self.program("holdfast"), "bench", kind, "--json", "--at", f"127.0.0.1:{self.node.port}",
                               "--keys", "1000", "--pid", self.node.process.pid, *words)
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
        self.load("fill", "--prefix", "account:", "--text", "1")
        with self.node.client() as client:
            for kind in ("txn", "multi"):
                found = {"refused": 0}

                def move(kind=kind, found=found):
                    found.update(self.load(kind, "--prefix", "account:", "--clients", "4", "--pipeline", "8", "--hot", "50",
                                           "--seconds", "0.5", "--warmup", "0"))
                    self.assertEqual(found["errors"], 0)
                    balances = self.balances(client)
                    self.assertEqual(sum(balances), 1000)
                    self.assertGreaterEqual(min(balances), 0)
                    found["hot"] = balances[0]

                move()  # half of all goes to one account: others run dry
                until(lambda found=found: found["refused"] > 0 and found["hot"] > 1, move)

    def test_threads_and_seconds_add_up(self):
        found = self.load("get", "--clients", "6", "--threads", "3", "--pipeline", "4", "--seconds", "2", "--warmup",
                          "0.2", "--timeline", "--prepare")
        lines = found["timeline"]
        self.assertEqual([line["second"] for line in lines], [1, 2])
        counted = sum(line["requests"] for line in lines)
        self.assertLessEqual(counted, found["requests"])  # the rest came after the last whole second
        self.assertGreater(counted, 0)
        self.assertGreater(found["client_cpu_us"], 0)
        with self.node.client() as client:
            self.assertEqual(client("DBSIZE"), 1000)

    def test_a_request_has_its_share_of_the_log(self):
        found = self.load("fill", "--clients", "4", "--pipeline", "8")  # a number that is known: 1,000
        self.assertAlmostEqual(found["log_records"], 1, delta=0.2)
        self.assertGreater(found["log_bytes"], 64)
        self.assertLess(found["flushes"], 1)

    def test_a_curve_keeps_below_its_peak(self):
        found = self.load("get", "--clients", "4", "--seconds", "1", "--warmup", "0", "--curve")
        self.assertEqual(found[0]["rate"], 0)
        self.assertEqual(len(found), 8)
        for one in found[1:]:
            self.assertLess(one["rate"], found[0]["per_second"])
            self.assertGreater(one["requests"], 0)

    def test_open_loop_keeps_its_rate(self):
        found = self.load("get", "--clients", "4", "--rate", "400", "--seconds", "1", "--warmup", "0")
        self.assertLessEqual(found["requests"], 402)
        self.assertGreater(found["requests"], 0)

    def test_errors_are_errors(self):
        with self.node.client() as client:
            for i in range(1000):
                client("HSET", f"key:{i:012d}", "f", "v")
        self.assertIn("WRONGTYPE", self.failing("get", 1))
        self.assertIn("SCRIPT LOAD", self.failing("eval", 3))

    def failing(self, kind, wanted):
        code, _, said = run(self.program("holdfast"), "bench", kind, "--at",
                            f"127.0.0.1:{self.node.port}", "--keys", "1000", "--seconds", "0.2", "--warmup", "0")
        self.assertEqual(code, wanted)
        return said

    def test_wrong_usage(self):
        for words in ([], ["frob"], ["set", "--clients", "0"], ["set", "--rate"], ["set", "--threads", "51"],
                      ["set", "--curve", "--rate", "5"], ["set", "get"], ["set", "--at", "nowhere"]):
            self.assertEqual(run(self.program("holdfast"), "bench", *words)[0], 2, words)
        self.assertEqual(run(self.program("holdfast"), "bench", "set", "--at", "127.0.0.1:1")[0], 3)


if __name__ == "__main__":
    tool.main()
