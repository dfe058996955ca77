"""Claim: bench/peers/run and bench/embedded/run measure what they say, in turns, and their tables are made of that."""

import json
import os
import shutil
import subprocess
import sys
import unittest

import tool
from tool import SOURCE, ToolTest


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class Peers(ToolTest):
    def run_it(self, *words):
        done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "bench", "peers", "run"), "--bin", self.bin,
                               *words], capture_output=True, text=True, timeout=800, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_both_are_measured(self):
        code, out, said = self.run_it("--peers", "redis", "--cases", "set-c50-p16,transfer-p1", "--rounds", "2",
                                      "--seconds", "0.5", "--json", "-")
        self.assertEqual(code, 0, said)
        found = json.loads(out)
        seen = [(one["case"], one["server"]) for one in found["measurements"]]
        for case in ("set-c50-p16", "transfer-p1"):
            for server in ("redis", "holdfast"):
                self.assertEqual(seen.count((case, server)), 2)
        for one in found["measurements"]:
            self.assertGreater(one["requests"], 0, one)
            self.assertGreater(one["server_cpu_us"], 0, one)
            self.assertEqual(one["errors"], 0, one)
        order = [one["server"] for one in found["measurements"] if one["case"] == "transfer-p1"]
        self.assertEqual(order, ["redis", "holdfast", "holdfast", "redis"])  # in turns
        self.assertIn("| Redis | 7.", found["head"])
        self.assertIn("| transfer, 50 clients |", found["tables"])
        self.assertTrue(any("--appendfsync" in command for command in found["commands"]["redis"]))

    def test_wrong_usage(self):
        for words in (["--cases", "frob"], ["--peers", "frob"], ["--rounds", "0"]):
            self.assertEqual(self.run_it(*words)[0], 2, words)


class Embedded(ToolTest):
    def run_it(self, *words):
        done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "bench", "embedded", "run"), "--bin", self.bin,
                               *words], capture_output=True, text=True, timeout=800, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_all_cases_are_measured(self):
        code, out, said = self.run_it("--rounds", "1", "--seconds", "1", "--depth", "64", "--json", "-")
        self.assertEqual(code, 0, said)
        found = json.loads(out)
        systems = {"Holdfast": 7, **({"Tarantool": 3} if shutil.which("tarantool") else {})}
        for system, cases in systems.items():
            measured = [one for one in found["measurements"] if one["system"] == system]
            self.assertEqual(len(measured), cases)
            for one in measured:
                self.assertGreater(one["operations_s"], 0, one)
                self.assertGreater(one["engine_us"], 0, one)
                self.assertGreater(one["p50_us"], 0, one)
            self.assertIn(f"| {system} | transfer |", found["tables"])
            self.assertTrue(system == "Holdfast" or f"beside {system}: throughput " in found["ratios"])

    def test_wrong_usage(self):
        for words in (["--peers", "frob"], ["--rounds", "0"], ["--seconds", "0"]):
            self.assertEqual(self.run_it(*words)[0], 2, words)


if __name__ == "__main__":
    tool.main()
