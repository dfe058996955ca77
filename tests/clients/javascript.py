"""Claim: ioredis 6 and node-redis 6 from the npm registry work unchanged: ioredis.mjs, node_redis.mjs."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import clients
from clients import HERE

BINARY = None
PACKAGES = ("ioredis@6", "redis@6")
FOLDER = None


class JavaScript(unittest.TestCase):
    def program(self, name):
        """It says `stop` when the node is to be started again, and goes on by itself."""
        shutil.copy(os.path.join(HERE, name), FOLDER)
        with clients.node_for_clients(BINARY) as node:
            process = subprocess.Popen(["node", os.path.join(FOLDER, name), str(node.port)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            said = []
            for line in process.stdout:
                said.append(line.strip())
                if said[-1] == "stop":
                    clients.start_again(node)
            _, errors = process.communicate(timeout=clients.LIMIT)
            self.assertEqual((process.returncode, said), (0, ["stop", "done"]), errors)
            self.assertEqual(node.stop(), 0)

    def test_ioredis(self):
        self.program("ioredis.mjs")

    def test_node_redis(self):
        self.program("node_redis.mjs")


def install(folder):
    """The packages into this folder; why not, if not."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder,
                               "--cache", os.path.join(folder, "cache"), "--fetch-retries", "1",
                               "--fetch-timeout", "20000", *PACKAGES],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=90, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        return "the npm registry does not answer"
    return None if done.returncode == 0 else f"npm could not install {' '.join(PACKAGES)}: {done.stdout[-500:]}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hf-npm-") as FOLDER:
        REASON = install(FOLDER)
        if REASON:
            clients.skip(REASON)
        clients.main()
