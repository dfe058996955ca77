"""What the tests of hard moments share: a neighbour, and looks at a process from outside.

A neighbour is a well-behaved client in a process of its own. While a test does its worst it writes and
reads, within shards and across them, checks every answer and measures how long each took:

    with Neighbour(node):
        ...                     # the worst
                                # leaving: it got its answers, all of them right, and none too late
"""

import json
import os
import resource
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "node"))

# pylint: disable=wrong-import-position
import holdfast  # noqa: E402
from holdfast import LIMIT, Client, Node, NodeEnded, RespError, admin, encode, until  # noqa: E402,F401

# Machines that run tests are small and shared; these bounds tell "served" from "stood still", and no more. Whoever has a
# machine to himself sets them lower: 3 and 0.25 seconds, and a tenth of that, are usual.
SLOWEST = float(os.environ.get("HF_HARD_SLOWEST", LIMIT / 2))  # seconds, of any answer
USUAL = float(os.environ.get("HF_HARD_USUAL", LIMIT / 10))  # seconds, of 9 answers in 10
MIDDLE = "neighbour:m"  # keys below and above it are on different shards


class Neighbour:
    """Leaving waits until it has had `least` rounds, so that it was there for the worst."""

    def __init__(self, node, least=20, writes=True, slowest=SLOWEST, usual=USUAL):
        self.node = node
        self.least = least
        self.writes = writes
        self.slowest = slowest
        self.usual = usual
        self.said = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.abspath(__file__), str(self.node.port), str(self.least),
             "writes" if self.writes else "reads"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if line != b"working\n":
            raise AssertionError(f"the neighbour did not begin: {line}")
        return self

    def __exit__(self, kind, *_):
        out, _ = self.process.communicate(b"", timeout=5 * LIMIT)  # it may have rounds to go
        if kind is not None:
            return
        if self.process.returncode != 0:
            raise AssertionError(f"the neighbour: {out.decode()}")
        self.said = json.loads(out)
        if self.said["slowest"] > self.slowest or self.said["usual"] > self.usual:
            raise AssertionError(f"the neighbour waited too long: {self.said}")


def neighbour(port, least, writes):
    """The process: until standard input ends. Its last line says how it went."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    times = []
    with Client(port) as client:
        def ask(*words):
            begun = time.monotonic()
            reply = client(*words)
            times.append(time.monotonic() - begun)
            return reply

        def expect(reply, *words):
            got = ask(*words)
            if got != reply:
                raise AssertionError(f"{words}: {got!r} instead of {reply!r}")

        name = f"neighbour:{os.getpid()}"
        low, high = f"{name}:low", f"neighbour:z:{os.getpid()}"
        if writes:
            expect("OK", "MSET", low, 0, high, 0)
        print("working", flush=True)
        number = 0
        while number < least or not ended.is_set():
            number += 1
            if writes:
                expect("OK", "SET", low, number)
                expect([b"%d" % number, b"%d" % (number - 1)], "MGET", low, high)
                expect("OK", "MSET", low, number, high, number)
                expect([b"%d" % number] * 2, "MGET", low, high)
            else:
                expect("PONG", "PING")
                ask("MGET", low, high)
            ended.wait(0.01)
    times.sort()
    print(json.dumps({"answers": len(times), "slowest": round(times[-1], 4),
                      "usual": round(times[len(times) * 9 // 10], 4)}))


def spread(node, *keys):
    """Cuts the ranges at these keys and puts every second piece on the second shard."""
    with node.client() as client:
        for place, key in enumerate(keys):
            assert admin(client, "SPLIT", key) == "OK"
            assert admin(client, "MOVE", key, (place + 1) % 2) == "OK"


def stats(client):
    flat = client("HF.ADMIN", "STATS")
    return dict(zip((name.decode() for name in flat[::2]), flat[1::2]))


def memory(node):
    """Bytes that the process has in memory now."""
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def processor_seconds(node):
    with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_files(wanted):
    """Raises the limit of descriptors, for this process and what it starts; answers what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            wanted = hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def gone(client):
    """Reads on until the node closes the connection; answers what came before."""
    return client.buffer + all_of(client.socket)


def all_of(sock):
    data = b""
    try:
        while True:
            more = sock.recv(1 << 16)
            if not more:
                return data
            data += more
    except ConnectionError:
        return data


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    """unittest.main for a script that is called with the path of holdfastd first."""
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} HOLDFASTD [test...]", file=sys.stderr)
        sys.exit(2)
    sys.modules["__main__"].BINARY = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2, warnings="ignore")  # sockets of clients that a test lets go of


if __name__ == "__main__":
    neighbour(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "writes")
