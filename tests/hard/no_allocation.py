"""Claim: in steady state the node asks the system for no memory: a mixed load, and every way of asking
counted (count_allocations.c, preloaded)."""

import mmap
import os
import random
import struct
import sys
import tempfile
import threading
import time
import unittest

import hard
from hard import Client, Node, encode

BINARY = None
COUNTER = None
KINDS = ("malloc", "calloc", "realloc", "aligned", "mmap", "sbrk")
WARM_UP = 3.0
SECONDS = 5.0
LEAST = 1000  # commands, in each part of the time


def commands(draw):
    """A batch of everything: reads, writes, transactions over shards, errors."""
    key = f"{draw.choice('az')}:{draw.randrange(500)}"
    other = f"{draw.choice('az')}:{draw.randrange(500)}"
    size = draw.choice((8, 100, 1000, 5000))
    return [("SET", key, "v" * size), ("GET", other), ("MSET", key, "1", other, "2"), ("MGET", key, other, "none"),
            ("SET", f"n:{key}", draw.randrange(1000)), ("INCR", f"n:{key}"), ("HSET", f"h:{key}", f"f{draw.randrange(20)}", "v"),
            ("HGETALL", f"h:{key}"), ("HDEL", f"h:{key}", "f1"), ("HF.ADD", f"acc:{key}", 1, "MAX", 10 ** 9),
            ("HF.TXN", "THEN", 2, 3, "SET", key, "t", 3, "SET", other, "t"), ("MULTI",), ("INCR", f"n:{key}"),
            ("SET", other, "m"), ("EXEC",), ("SETEX", f"e:{key}", 1, "gone"), ("DEL", key), ("EXISTS", key, other),
            ("SETBIT", f"b:{key}", draw.randrange(100), 1), ("BITCOUNT", f"b:{key}"), ("SCAN", 0, "COUNT", 10), ("NOSUCH",),
            ("GET", f"h:{key}"), ("APPEND", f"s:{draw.randrange(100)}:{draw.randrange(50)}", "x"), ("PING",),
            ("HF.RANGE", "a", "b", "LIMIT", 5), ("TTL", f"e:{key}"), ("RENAME", other, f"r:{draw.randrange(50)}"),
            ("PUBLISH", "news", "m"), ("WATCH", key), ("UNWATCH",), ("INFO", "stats"), ("CLIENT", "LIST")]


class Load(threading.Thread):
    """Commands in pipelines; now and then over a new connection, an interactive transaction, a large value."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port = port
        self.draw = random.Random(seed)
        self.go = True
        self.done = 0
        self.wrong = None

    def run(self):
        try:
            while self.go:
                with Client(self.port) as client:
                    for _ in range(20):
                        self.done += len(client.pipeline(commands(self.draw)))
                    client.pipeline([("HF.BEGIN",), ("SET", "a:i", 1), ("GET", "z:i"), ("SET", "z:i", 2), ("HF.COMMIT",)])
                    client.pipeline([("SET", "a:large", b"l" * (1 << 20)), ("GET", "a:large"), ("DEL", "a:large")])
                    client.send_raw(encode("GET", "half")[:-5])
        except Exception as error:  # pylint: disable=broad-except
            self.wrong = error


class Allocations(unittest.TestCase):
    def test_none_in_steady_state(self):
        with tempfile.NamedTemporaryFile(prefix="hf-allocations-") as file:
            file.write(bytes(4096))
            file.flush()
            counts = mmap.mmap(file.fileno(), 4096)
            env = {"LD_PRELOAD": COUNTER, "HF_ALLOCATIONS": file.name}

            def now():
                return dict(zip(KINDS, struct.unpack_from(f"<{len(KINDS)}Q", counts)))

            with Node(BINARY, memory="512MiB", env=env, args=["--recovery-target", "1s"]) as node:
                hard.spread(node, "m")
                self.assertGreater(sum(now().values()), 0, "the counter counts nothing")
                loads = [Load(node.port, seed) for seed in range(4)]
                for load in loads:
                    load.start()

                def work(seconds):
                    """For so long, and until so much is done."""
                    end = time.monotonic() + seconds
                    before = [load.done for load in loads]
                    hard.until(lambda: time.monotonic() > end
                               and all(load.done > done + LEAST // 4 for load, done in zip(loads, before))
                               or any(load.wrong for load in loads), lambda: time.sleep(0.05))

                work(WARM_UP)
                with node.client() as client:
                    self.assertEqual(client("HF.ADMIN", "CHECKPOINT"), "OK")
                    before, done = now(), sum(load.done for load in loads)
                    work(SECONDS / 2)
                    self.assertEqual(client("HF.ADMIN", "CHECKPOINT"), "OK")
                    self.assertEqual(hard.admin(client, "MOVE", "m", 0), "OK")
                    work(SECONDS / 2)
                    after = now()
                done = sum(load.done for load in loads) - done
                for load in loads:
                    load.go = False
                for load in loads:
                    load.join(hard.LIMIT)
                    self.assertIsNone(load.wrong)
                self.assertEqual(node.stop(), 0)
            print(f"{done} commands, at start {sum(before.values())} allocations, then {sum(after.values()) - sum(before.values())}")
            self.assertGreater(done, LEAST)
            self.assertEqual({kind: after[kind] - before[kind] for kind in KINDS}, dict.fromkeys(KINDS, 0))


if __name__ == "__main__":
    COUNTER = os.path.abspath(sys.argv.pop(2))
    hard.main()
