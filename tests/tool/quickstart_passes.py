"""Claim: tools/quickstart passes on a good node; and its proof is one: whatever is taken away, added or
changed behind its back, it notices."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import types

import tool
from tool import Node, ToolTest


def quickstart():
    path = os.path.join(tool.SOURCE, "tools", "quickstart.py")
    spec = importlib.util.spec_from_file_location("quickstart", path)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


class Quickstart(ToolTest):
    def test_it_passes(self):
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([os.path.join(tool.SOURCE, "tools", "quickstart"), "--bin", self.bin,
                                   "--seconds", "1"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=800, env=dict(os.environ, TMPDIR=place), check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("\nPASS", done.stdout)
            self.assertEqual(os.listdir(place), [])  # nothing is left behind

    def test_wrong_usage(self):
        for words in (["--seconds"], ["--seconds", "x"], ["--frob"]):
            done = subprocess.run([os.path.join(tool.SOURCE, "tools", "quickstart"), *words],
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 2)


class Proof(ToolTest):
    """Ten accounts, three transfers asked for: one acknowledged, one refused, one cut off."""

    def setUp(self):
        self.module = quickstart()
        self.module.ACCOUNTS = 10
        self.folder = tempfile.mkdtemp(prefix="hf-proof-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = Node(self.program("holdfastd"))
        self.addCleanup(self.server.__exit__, None, None, None)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        for number in range(10):
            self.client("SET", self.module.account(number), 1000)
        with open(os.path.join(self.folder, "client-0"), "w", encoding="ascii") as record:
            record.write("ask 0:0 1 2 30\nask 0:1 3 4 5000\nask 0:2 5 6 70\nyes 0:0\nno 0:1 LIMIT\n")
        self.client("SET", "ledger:0:0", "1 2 30")
        self.client("DECRBY", self.module.account(1), 30)
        self.client("INCRBY", self.module.account(2), 30)
        self.node = types.SimpleNamespace(port=self.server.port, folder=self.folder)

    def prove(self):
        return self.module.prove(self.node, [1000] * 10)

    def wrong(self, words):
        with self.assertRaises(self.module.Wrong) as wrong:
            self.prove()
        self.assertIn(words, str(wrong.exception))

    def test_what_is_right(self):
        found = self.prove()
        self.assertEqual([found[name] for name in ("yes", "no", "cut", "cut_there")], [1, 1, 1, 0])

    def test_what_was_cut_off_may_be_there(self):
        self.client("SET", "ledger:0:2", "5 6 70")
        self.client("DECRBY", self.module.account(5), 70)
        self.client("INCRBY", self.module.account(6), 70)
        self.assertEqual(self.prove()["cut_there"], 1)

    def test_an_acknowledged_one_is_missing(self):
        self.client("DEL", "ledger:0:0")
        self.wrong("acknowledged, but not there: 0:0")

    def test_a_refused_one_is_there(self):
        self.client("SET", "ledger:0:1", "3 4 5000")
        self.wrong("refused, but there")

    def test_one_that_nobody_asked_for(self):
        self.client("SET", "ledger:0:9", "3 4 5")
        self.wrong("nobody asked for it")

    def test_another_amount(self):
        self.client("SET", "ledger:0:0", "1 2 31")
        self.wrong("the ledger says")

    def test_half_of_one(self):
        self.client("INCRBY", self.module.account(5), -70)
        self.wrong("the money is")

    def test_money_in_the_wrong_place(self):
        self.client("INCRBY", self.module.account(5), -7)
        self.client("INCRBY", self.module.account(6), 7)
        self.wrong("its transfers make")

    def test_an_overdrawn_account(self):
        self.client("INCRBY", self.module.account(5), -1001)
        self.client("INCRBY", self.module.account(6), 1001)
        self.wrong("has -1")

    def test_an_account_is_gone(self):
        self.client("DEL", self.module.account(5))
        self.wrong("accounts are missing")


if __name__ == "__main__":
    try:
        import redis  # noqa: F401
    except ImportError:
        print("no Redis client for this Python: skipped")
        sys.exit(77)
    tool.main()
