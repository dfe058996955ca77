"""Claim: a C program with hiredis works unchanged (hiredis.c), and reconnects after a restart."""

import subprocess
import sys
import unittest

import clients

BINARY = None
PROGRAM = None


class Hiredis(unittest.TestCase):
    def test_program(self):
        with clients.node_for_clients(BINARY) as node:
            process = subprocess.Popen([PROGRAM, str(node.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            word = process.stdout.readline()
            if word == "stop\n":
                clients.start_again(node)
            _, errors = process.communicate("go on\n", timeout=clients.LIMIT)
            self.assertEqual((word, process.returncode), ("stop\n", 0), errors)
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(2)
    if PROGRAM == "none":
        clients.skip("libhiredis-dev is not installed")
    clients.main()
