"""Claim: what was acknowledged is there after SIGKILL, at any moment, and after a clean stop."""

import threading
import unittest

import holdfast
from holdfast import Node

BINARY = None


def write_until_the_end(port, name, acknowledged):
    """Counts up under one key and into many; notes what was acknowledged last."""
    number = 0
    try:
        with holdfast.Client(port) as client:
            while True:
                number += 1
                replies = client.pipeline([("SET", f"{name}:{number}", number), ("SET", name, number)])
                if replies != ["OK", "OK"]:
                    raise AssertionError(f"{name}: {replies}")
                acknowledged[name] = number
    except (ConnectionError, OSError):
        pass


class Kill(unittest.TestCase):
    def test_set_kill_start_get(self):
        with Node(BINARY) as node:
            with node.client() as client:
                self.assertEqual(client("SET", "greeting", "hello"), "OK")
                self.assertEqual(client("INCRBY", "counter", 41), 41)
                self.assertEqual(client.pipeline(("SET", f"k{i}", f"v{i}") for i in range(500)),
                                 ["OK"] * 500)
            self.assertEqual(node.kill(), -9)
            node.start()
            with node.client() as client:
                self.assertEqual(client("GET", "greeting"), b"hello")
                self.assertEqual(client("INCR", "counter"), 42)
                self.assertEqual(client.pipeline(("GET", f"k{i}") for i in range(500)),
                                 [b"v%d" % i for i in range(500)])
                self.assertEqual(client("DBSIZE"), 502)
            self.assertEqual(node.stop(), 0)
            ready = node.start().wait_said("ready")
            self.assertEqual(ready["keys"], 502)
            with node.client() as client:
                self.assertEqual(client("GET", "counter"), b"42")
            self.assertEqual(node.stop(), 0)

    def test_kill_in_mid_flight_again_and_again(self):
        acknowledged = {}
        with Node(BINARY) as node:
            for turn in range(4):
                before = dict(acknowledged)
                threads = [threading.Thread(target=write_until_the_end,
                                            args=(node.port, f"{turn}.{i}", acknowledged))
                           for i in range(4)]
                for thread in threads:
                    thread.start()
                with node.client() as client:  # until each has written something
                    holdfast.until(lambda: len(acknowledged) == len(before) + 4,
                                   lambda: client("PING"))
                node.kill()
                for thread in threads:
                    thread.join()
                node.start()
                with node.client() as client:
                    for name, number in acknowledged.items():
                        self.assertIn(int(client("GET", name)), (number, number + 1), name)
                        self.assertEqual(
                            client.pipeline(("GET", f"{name}:{i}") for i in range(1, number + 1)),
                            [b"%d" % i for i in range(1, number + 1)])
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    holdfast.main()
