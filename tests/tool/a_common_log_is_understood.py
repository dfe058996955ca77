"""Claim: with --log-per device all cores' records are in one log: one flush carries what several cores
wrote, what was acknowledged survives a kill, the log is cut when all cores have checkpoints, the
setting stays with the directory, and `holdfast log` understands it."""

import glob
import json
import os
import threading

import tool
from tool import Node, NodeEnded, ToolTest, admin, until

SETTING = ("--log-per", "device")
# Keys of two cores: with two shards, the second has what begins with "m" or higher once it is split.
SPLIT = (("SPLIT", "m"), ("MOVE", "m", 1))


def metric(client, name):
    """A number of INFO."""
    for line in client("INFO").decode().splitlines():
        if line.startswith(name + ":"):
            return int(line.split(":", 1)[1])
    raise KeyError(name)


class CommonLog(ToolTest):
    def node(self, **options):
        return Node(self.program("holdfastd"), **options)

    def spread(self, node):
        with node.client() as client:
            for command in SPLIT:
                self.assertEqual(admin(client, *command), "OK")

    def write(self, node, rounds):
        """Both cores, and transactions over both."""
        with node.client() as client:
            for i in range(rounds):
                replies = client.pipeline([("SET", f"a{i}", i), ("SET", f"z{i}", i),
                                           ("MSET", f"b{i}", i, f"y{i}", i)])
                self.assertEqual(replies, ["OK"] * 3)

    def check(self, node, rounds):
        with node.client() as client:
            for i in range(rounds):
                names = [f"{letter}{i}" for letter in "azby"]
                self.assertEqual(client("MGET", *names), [b"%d" % i] * 4, i)

    def test_kill_start_dump_verify(self):
        with self.node(args=SETTING) as node:
            self.assertEqual(node.wait_said("ready")["log_per"], "device")
            self.spread(node)
            self.write(node, 100)
            self.assertEqual(glob.glob(os.path.join(node.data, "core-*", "log-*")), [])
            self.assertEqual(node.kill(), -9)
            told = self.json("log", "verify", node.data)
            self.assertTrue(told["good"], told)
            self.assertEqual([one["core"] for one in told["cores"]], ["core-00", "core-01", "device-00"])
            self.assertGreater(told["cores"][2]["log"]["records_to_replay"], 400)
            self.assertNotIn("log", told["cores"][0])
            lines = [json.loads(line) for line in
                     self.good("--json", "log", "dump", node.data).splitlines()]
            for core in ("core-00", "core-01"):
                positions = [line["position"] for line in lines if line["core"] == core]
                self.assertGreater(len(positions), 100)
                self.assertEqual(positions, sorted(set(positions)))
            one = self.json("log", "verify", os.path.join(node.data, "device-00"))
            self.assertTrue(one["good"])
            node.start()
            self.check(node, 100)
            self.assertEqual(node.stop(), 0)
            node.start()
            self.check(node, 100)

    def test_one_flush_for_all(self):
        """Writers on both cores at once need fewer flushes than records."""
        with self.node(args=SETTING) as node:
            self.spread(node)
            self.write_at_once(node)
            with node.client() as client:
                def told():
                    return metric(client, "holdfast_log_records"), metric(client, "holdfast_log_flushes")

                self.assertGreaterEqual(told()[0], 8 * 200)
                # Where flushes take no time, it may be a while until two writes meet.
                until(lambda: told()[1] < told()[0], lambda: self.write_at_once(node))

    def write_at_once(self, node):
        threads = [threading.Thread(target=self.write_alone, args=(node, letter)) for letter in "acegnpqz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def write_alone(self, node, letter):
        with node.client() as client:
            for i in range(200):
                client("SET", f"{letter}{i}", i)

    def test_the_log_is_cut(self):
        """Also when one core writes nothing: it takes a checkpoint all the same."""
        value = "v" * 1000000
        with self.node(args=(*SETTING, "--recovery-target", "1")) as node, node.client() as client:
            first = os.path.join(node.data, "device-00", "log-%016x" % 1)
            self.assertTrue(os.path.exists(first))
            written = [0]

            def more():
                for _ in range(10):
                    self.assertEqual(client("SET", f"big{written[0] % 7}", value), "OK")
                    written[0] += 1

            until(lambda: not os.path.exists(first), more)
            self.assertTrue(os.path.exists(os.path.join(node.data, "core-01", "MANIFEST")))
            self.assertEqual(node.kill(), -9)
            self.assertTrue(self.json("log", "verify", node.data)["good"])
            node.start()
            with node.client() as again:
                self.assertEqual(again("STRLEN", f"big{(written[0] - 1) % 7}"), len(value))

    def test_the_setting_stays(self):
        for made, other in (("device", "core"), ("core", "device")):
            with self.node(args=("--log-per", made)) as node:
                with node.client() as client:
                    self.assertEqual(client("SET", "k", made), "OK")
                self.assertEqual(node.stop(), 0)
                node.args = ["--log-per", other]
                with self.assertRaises(NodeEnded) as caught:
                    node.start()
                self.assertEqual(caught.exception.code, 78)
                self.assertIn(f"was made with --log-per {made}", node.said[-1]["error"])
                node.args = []
                node.start()
                with node.client() as client:
                    self.assertEqual(client("GET", "k"), made.encode())

    def test_a_missing_log_is_no_empty_one(self):
        with self.node(args=SETTING) as node:
            self.write(node, 5)
            self.assertEqual(node.stop(), 0)
            os.rename(os.path.join(node.data, "device-00"), os.path.join(node.home, "away"))
            code, out, _ = self.tool("--json", "log", "verify", node.data)
            self.assertNotEqual(code, 0)
            self.assertIn("the directory is missing", out)
            with self.assertRaises(NodeEnded) as caught:
                node.start()
            self.assertEqual(caught.exception.code, 65)
            os.rename(os.path.join(node.home, "away"), os.path.join(node.data, "device-00"))
            node.start()
            self.check(node, 5)


if __name__ == "__main__":
    tool.main()
