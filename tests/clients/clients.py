"""What the tests of other people's clients share: a node, its restart on the same port, running a program."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "node"))

# pylint: disable=wrong-import-position
from holdfast import LIMIT, Client, Node, RespError, admin, encode, reserve, until  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))


def node_for_clients(binary):
    """Two shards, with keys on both, and a port that stays its own."""
    held = reserve()
    node = Node(binary, memory="320MiB", args=["--listen", f"127.0.0.1:{held.getsockname()[1]}"])
    node.held = held  # as long as the node is there
    with node.client() as client:
        for place, key in enumerate(("g", "p")):
            assert admin(client, "SPLIT", key) == "OK"
            assert admin(client, "MOVE", key, (place + 1) % 2) == "OK"
    return node


def start_again(node, kill=False):
    """The same directory and the same port: clients that wait find it again."""
    code = node.kill() if kill else node.stop()
    assert code == (-9 if kill else 0), code
    node.start()


def run(*words, data=None, limit=LIMIT):
    """To its end: exit code, standard output and error together."""
    done = subprocess.run([str(word) for word in words], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=limit, check=False)
    return done.returncode, done.stdout


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    """unittest.main for a script that is called with the path of holdfastd first."""
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} HOLDFASTD [test...]", file=sys.stderr)
        sys.exit(2)
    sys.modules["__main__"].BINARY = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2, warnings="ignore")
