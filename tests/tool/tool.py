"""What tests of `holdfast` share: running it against a node of tests/node/holdfast.py."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "node"))

import holdfast  # noqa: E402
from holdfast import Client, Node, NodeEnded, admin, reserve, run, until  # noqa: E402,F401

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


class ToolTest(unittest.TestCase):
    """self.tool(...) answers exit code, standard output, standard error."""

    bin = None

    @classmethod
    def program(cls, name):
        return os.path.join(cls.bin, name)

    def tool(self, *words, limit=60):
        return run(self.program("holdfast"), *words, limit=limit)

    def good(self, *words):
        """Exit code 0 and nothing on standard error; answers standard output."""
        code, out, said = self.tool(*words)
        self.assertEqual((code, said), (0, ""), words)
        return out

    def json(self, *words):
        return json.loads(self.good("--json", *words))

    def refused(self, code, words, *arguments):
        """That exit code, nothing on standard output, and these words on standard error."""
        found, out, said = self.tool(*arguments)
        self.assertEqual((found, out), (code, ""), (arguments, said))
        self.assertIn(words, said)


def main():
    """unittest.main for a script that is called with the folder of the programs first."""
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} BIN [test...]", file=sys.stderr)
        sys.exit(2)
    ToolTest.bin = os.path.abspath(sys.argv.pop(1))
    unittest.main(module="__main__", verbosity=2)
