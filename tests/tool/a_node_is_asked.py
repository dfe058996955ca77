"""Claim: status, keys, ranges, txns, locks, stats and checkpoint tell of a node what is true, for
people and as JSON."""

import contextlib
import json

import tool
from tool import Node, ToolTest


class Ask(ToolTest):
    def setUp(self):
        self.node = self.enterContext(Node(self.program("holdfastd")))
        self.at = f"--at=127.0.0.1:{self.node.port}"

    def enterContext(self, context):  # Python 3.10 and older have none
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(context)

    def test_status(self):
        with self.node.client() as client:
            client.pipeline([("SET", f"k{i}", i) for i in range(25)])
        found = self.json(self.at, "status")
        self.assertTrue(found["good"])
        self.assertEqual(found["problems"], [])
        self.assertEqual(found["keys"], 25)
        self.assertEqual(found["cores"], 2)
        self.assertGreater(found["memory"]["size_bytes"], found["memory"]["used_bytes"])
        lines = self.good(self.at, "status").splitlines()
        self.assertEqual(lines[0], f"good 127.0.0.1:{self.node.port}")
        self.assertIn(["keys", "25"], [line.split() for line in lines])

    def test_status_waits_for_no_transaction(self):
        """Who asks it wants to know what is wrong: it says so beside a lock that somebody keeps."""
        with self.node.client() as client, self.node.client() as other:
            self.assertEqual(client("HF.BEGIN"), "OK")
            self.assertEqual(client("SET", "kept", 1), "OK")
            other.send("GET", "kept")
            hard_limit = ("--timeout", "5s")  # half of what a lock is waited for
            hf = self.json(self.at, *hard_limit, "status")
            while hf["transactions"]["waiting"] == 0:
                hf = self.json(self.at, *hard_limit, "status")
            locks = self.json(self.at, *hard_limit, "locks")
            self.assertEqual(client("HF.COMMIT"), "OK")
            self.assertEqual(other.reply(), b"1")
            self.assertEqual(len(locks), 1)
            self.assertTrue(hf["good"])
            self.assertEqual(hf["keys"], 0)

    def test_keys(self):
        odd = b"\x00\xff\n\\ \xc3\xa9"
        with self.node.client() as client:
            client.pipeline([("SET", f"user:{i:04d}", i) for i in range(2500)])
            client("SET", odd, 1)
        self.assertEqual(self.json(self.at, "keys", "--count"), 2501)
        self.assertEqual(self.good(self.at, "keys", "--count", "user:00*"), "100\n")
        self.assertEqual(sorted(self.good(self.at, "keys", "user:*").splitlines()),
                         [f"user:{i:04d}" for i in range(2500)])
        self.assertEqual(self.good(self.at, "keys", "[^u]*"), "\\x00\\xff\\n\\\\ é\n")
        self.assertEqual(self.json(self.at, "keys", "[^u]*"), [{"hex": odd.hex()}])
        self.assertEqual(len(self.json(self.at, "keys", "--limit", "7")), 7)
        self.assertEqual(self.json(self.at, "keys", "nothing*"), [])
        self.assertEqual(self.good(self.at, "keys", "nothing*"), "")

    def test_ranges_are_split_and_moved(self):
        def user_ranges():
            return [(one["start"], one["shard"]) for one in self.json(self.at, "ranges")
                    if one["space"] == "user"]

        for space in ("system", "user"):  # no gap, no overlap
            found = [one for one in self.json(self.at, "ranges") if one["space"] == space]
            self.assertEqual([one["end"] for one in found], [one["start"] for one in found[1:]] + [""])
        before = user_ranges()
        self.assertEqual(before[0][0], "")
        self.assertEqual(self.good(self.at, "ranges", "split", "m\\x01"), "OK\n")
        self.assertEqual(self.json(self.at, "ranges", "move", "m\\x01", "1"), "OK")
        self.assertIn(("m\x01", 1), user_ranges())
        self.assertEqual(self.json(self.at, "ranges", "move", "m\\x01", "0"), "OK")
        self.assertIn(("m\x01", 0), user_ranges())
        self.assertIn("m\\x01", self.good(self.at, "ranges"))
        self.refused(2, "a backslash", self.at, "ranges", "split", "a\\y")
        self.refused(2, "is no core", self.at, "ranges", "move", "a", "-1")
        self.refused(4, "ERR", self.at, "ranges", "move", "a", "77")

    def test_transactions_and_locks(self):
        self.assertEqual(self.json(self.at, "txns"), [])
        self.assertEqual(self.json(self.at, "locks"), [])
        with self.node.client() as client:
            client("HF.BEGIN")
            client("SET", "held", 1)
            client("GET", "held")
            self.assertGreater(len(self.json(self.at, "txns")), 0)
            self.assertNotEqual(self.good(self.at, "locks"), "")
            with self.node.client() as second, self.node.client() as third:
                second("HF.BEGIN")
                second("SET", "own", 1)
                second.send("SET", "held", 2)
                third.send("SET", "held", 3)

                def waiting():
                    return {one["kind"] for one in self.json(self.at, "txns")
                            if one["waits_for"] == "held" and one["age_ms"] > 0}

                # A part and a request. They wait for ten seconds at most: what is asked about them is little.
                tool.until(lambda: waiting() == {"part", "request"}, lambda: None)
                found = self.json(self.at, "txns")
                heads, *rows = self.good(self.at, "txns").splitlines()  # a table: one row each
                locks = self.json(self.at, "locks")
                client("HF.ROLLBACK")
                wait = {one["kind"]: one for one in found if one["waits_for"] == "held"}
                holder, = [one["attempt"] for one in locks if one["key"] == "held"]
                own, = [one["attempt"] for one in locks if one["key"] == "own"]
                self.assertEqual({one["held_by"] for one in wait.values()}, {holder})
                self.assertEqual(wait["part"]["attempt"], own)
                self.assertEqual(wait["request"]["attempt"], "")
                self.assertGreater(min(one["age_ms"] for one in found), 0)
                self.assertEqual(heads.split()[:4], ["KIND", "ATTEMPT", "SHARD", "STATE"])
                self.assertEqual(sorted(row.split()[0] for row in rows), ["gateway", "gateway", "part", "part", "request"])
                self.assertEqual(second.reply(), "OK")
                self.assertEqual(second("HF.COMMIT"), "OK")
                self.assertEqual(third.reply(), "OK")
        tool.until(lambda: self.json(self.at, "locks") == [], lambda: None)

    def test_stats(self):
        with self.node.client() as client:
            client("SET", "a", 1)
        self.assertGreater(self.json(self.at, "stats")["commands"], 0)
        self.assertEqual(len(self.json(self.at, "stats", "--shards")), 2)
        self.assertEqual(len(self.good(self.at, "stats", "--shards").splitlines()), 3)

    def test_a_checkpoint_is_there_when_the_answer_is(self):
        before = self.json(self.at, "stats")["checkpoints"]
        self.assertEqual(self.good(self.at, "checkpoint"), "OK\n")
        self.assertGreater(self.json(self.at, "stats")["checkpoints"], before)

    def test_status_waits_for_a_node(self):
        self.node.stop()
        with tool.reserve() as held:
            at = f"127.0.0.1:{held.getsockname()[1]}"
            self.refused(3, at, "--at", at, "status")
            self.refused(3, at, "--at", at, "status", "--wait", "300ms")
            self.node.start("--listen", at, wait=False)
            self.assertTrue(self.json("--at", at, "status", "--wait", "55s")["good"])

    def test_json_is_one_line_of_json(self):
        for words in (["status"], ["ranges"], ["txns"], ["locks"], ["stats"], ["keys"], ["version"],
                      ["checkpoint"]):
            out = self.good(self.at, "--json", *words)
            self.assertEqual(out.count("\n"), 1, words)
            json.loads(out)


if __name__ == "__main__":
    tool.main()
