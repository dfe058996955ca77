"""Claim: `holdfast log verify` finds damage in any file of a data directory, says where and what it
costs, changes nothing; and agrees with the node about what may start. `log dump` shows every change."""

import glob
import hashlib
import json
import os
import shutil
import struct
import tempfile

import tool
from tool import Node, NodeEnded, ToolTest

KEYS = 3000


def digest(folder):
    sums = {}
    for path in sorted(glob.glob(os.path.join(folder, "**"), recursive=True)):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                sums[path] = hashlib.sha256(file.read()).hexdigest()
    return sums


def flip(path, offset, mask=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def write_torn_batch(path):
    """Behind the last batch another one of two sectors, of which the first alone was written: what a
    crash may leave. storage/log/README.md draws the bytes. Answers where."""
    with open(path, "r+b") as file:
        at, last = 4096, None
        while True:
            file.seek(at)
            head = file.read(96)
            if head[:4] != b"HFB1":
                break
            last = struct.unpack("<4sIHHIQQQQQQQIIIIII", head)
            at += last[14]
        (magic, crc, form, _, _, log, segment, epoch, seq, lsn, _, _, _, _, _, payload, _, _) = last
        content = bytes(range(256)) + bytes(152)  # behind the head, to the end of the first sector
        table = struct.pack("<II", crc32c(content), 0x12345678)
        rest = struct.pack("<HHIQQQQQQQIIIIII", form, 0, at, log, segment, epoch, seq + 1, lsn + payload,
                           lsn + payload, seq, crc, crc32c(table), 1024, 700, 0xFFFFFFFF, 0)
        file.seek(at)
        file.write(magic + struct.pack("<I", crc32c(rest)) + rest + table + content)
    return at


class Damage(ToolTest):
    @classmethod
    def setUpClass(cls):
        """A node with a checkpoint and a log behind it, killed."""
        cls.home = tempfile.mkdtemp(prefix="hf-tool-")
        cls.addClassCleanup(shutil.rmtree, cls.home, True)
        cls.whole = os.path.join(cls.home, "whole")
        with Node(cls.program("holdfastd"), data=cls.whole) as node, node.client() as client:
            tool.admin(client, "SPLIT", "k1500")
            tool.admin(client, "MOVE", "k1500", 1)
            client.pipeline([("SET", f"k{i:04d}", "x" * 500) for i in range(KEYS)])
            client("HF.ADMIN", "CHECKPOINT")
            for start in range(0, KEYS, 100):  # many batches, not one
                client.pipeline([("SET", f"k{i:04d}", f"new{i}") for i in range(start, start + 100)])
            client("HF.TXN", "THEN", 2, 3, "HF.ADD", "a", -5, 3, "HF.ADD", "z", 5)
            node.kill()

    def setUp(self):
        self.data = os.path.join(self.home, "data")
        shutil.copytree(self.whole, self.data)
        self.addCleanup(shutil.rmtree, self.data)

    def verify(self, code, path=None):
        """Its JSON; and it changed nothing."""
        before = digest(self.data)
        found, out, said = self.tool("--json", "log", "verify", path or self.data)
        self.assertEqual(found, code, (out, said))
        self.assertEqual(digest(self.data), before)
        # For people there is the same to read.
        self.assertEqual(self.tool("log", "verify", path or self.data)[0], code)
        return json.loads(out)

    def problems(self, found, file):
        """Those of one file, which are all there are."""
        all_problems = [one for core in found["cores"] for one in core["problems"]]
        self.assertFalse(found["good"])
        for one in all_problems:
            self.assertTrue(one["file"].endswith(file), one)
            self.assertTrue(one["what"] and one["lost"], one)
        self.assertTrue(all_problems)
        return all_problems

    def node_refuses(self, code=65):
        with self.assertRaises(NodeEnded) as ended:
            Node(self.program("holdfastd"), data=self.data).start("--log-level", "error")
        self.assertEqual(ended.exception.code, code)

    def first_log(self, core="core-00"):
        return sorted(glob.glob(os.path.join(self.data, core, "log-*")))[0]

    def test_whole_is_good(self):
        found = self.verify(0)
        self.assertTrue(found["good"])
        self.assertEqual([core["core"] for core in found["cores"]], ["core-00", "core-01"])
        for core in found["cores"]:
            self.assertGreater(core["checkpoint"]["entries"], KEYS // 4)
            self.assertGreater(core["log"]["records_to_replay"], 0)
        self.assertEqual(len(self.verify(0, os.path.join(self.data, "core-01"))["cores"]), 1)

    def test_rot_in_the_log(self):
        path = self.first_log()
        flip(path, 4096 + 600)
        one = self.problems(self.verify(65), os.path.basename(path))[0]
        self.assertGreaterEqual(one["offset"], 4096)
        self.assertLess(one["offset"], 4096 + 2048)
        self.assertIn("batches up to position", one["lost"])
        self.node_refuses()

    def test_rot_anywhere_in_what_is_read_is_found(self):
        """One byte in each of many places: never said to be good when the node would read it."""
        end = self.verify(0)["cores"][0]["log"]["bytes"]
        path = self.first_log()
        for at in range(8, end, end // 12):
            with self.subTest(at=at):
                flip(path, 4096 + at)
                self.assertEqual(self.tool("--json", "log", "verify", self.data)[0], 65)
                flip(path, 4096 + at)
        self.verify(0)

    def test_rot_in_a_checkpoint(self):
        path = sorted(glob.glob(os.path.join(self.data, "core-01", "checkpoint-*")))[0]
        flip(path, 131072 + 77)
        one = self.problems(self.verify(65), os.path.basename(path))[0]
        self.assertEqual(one["offset"], 131072)
        self.assertIn("blocks 1 to", one["lost"])
        self.node_refuses()

    def test_a_checkpoint_file_is_missing(self):
        path = sorted(glob.glob(os.path.join(self.data, "core-01", "checkpoint-*")))[0]
        os.unlink(path)
        self.problems(self.verify(65), os.path.basename(path))
        self.node_refuses()

    def test_a_manifest_is_rotten(self):
        path = os.path.join(self.data, "core-00", "MANIFEST")
        size = os.path.getsize(path)
        for at in range(64, size, 131072):
            flip(path, at)
        found = self.verify(65)
        self.problems(found, "")
        self.node_refuses()

    def test_the_log_is_missing(self):
        for path in glob.glob(os.path.join(self.data, "core-00", "log-*")):
            os.unlink(path)
        found = self.verify(65)
        if not found["cores"][0]["problems"]:
            self.fail("a log that is gone is said to be good")
        self.node_refuses()

    def test_the_log_is_missing_and_no_checkpoint_needs_it(self):
        core = os.path.join(self.home, "young", "core-00")
        with Node(self.program("holdfastd"), data=os.path.dirname(core), cores=1) as node, node.client() as client:
            client("SET", "k", "v")
            tool.until(lambda: len(glob.glob(os.path.join(core, "*-000*"))) > 1, lambda: client("PING"))
            node.kill()
        os.unlink(os.path.join(core, "log-0000000000000001"))
        self.assertNotEqual(self.verify(65, os.path.dirname(core))["cores"][0]["problems"], [])

    def test_a_core_is_missing(self):
        shutil.rmtree(os.path.join(self.data, "core-01"))
        self.assertIn("missing", self.problems(self.verify(65), "core-01")[0]["what"])

    def test_another_nodes_file(self):
        with Node(self.program("holdfastd"), data=os.path.join(self.home, "other")) as node:
            node.stop()
        shutil.copy(sorted(glob.glob(os.path.join(self.home, "other", "core-00", "log-*")))[0], self.first_log())
        self.assertEqual(self.problems(self.verify(65), "")[0]["error"], "WRONGFILE")

    def test_the_identity_is_damaged(self):
        flip(os.path.join(self.data, "HOLDFAST"), 20)
        self.assertNotEqual(self.verify(65)["identity"], "good")
        self.node_refuses()

    def test_a_torn_tail_is_a_note(self):
        at = write_torn_batch(self.first_log())
        found = self.verify(0)
        self.assertTrue(found["good"])
        self.assertIn(f"offset {at}: the last write was cut off by a crash: 512 bytes", found["cores"][0]["notes"][0])
        with Node(self.program("holdfastd"), data=self.data) as node, node.client() as client:
            self.assertEqual(client("GET", "k0001"), b"new1")  # the node agrees

    def test_a_running_node_is_left_alone(self):
        with Node(self.program("holdfastd"), data=self.data):
            self.refused(75, "--force", "log", "verify", self.data)
            self.refused(75, "--force", "log", "dump", os.path.join(self.data, "core-00"))
            code, _, said = self.tool("log", "verify", "--force", self.data)
            self.assertIn(code, (0, 65))
            self.assertIn("holds it", said)

    def test_what_is_no_data_directory(self):
        with tempfile.TemporaryDirectory() as empty:
            self.refused(74, "no data directory", "log", "verify", empty)
        self.refused(74, "No such file", "log", "verify", os.path.join(self.home, "nothing"))

    def test_dump_shows_every_change(self):
        seen = {}
        kinds = set()
        for line in self.good("--json", "log", "dump", self.data).splitlines():
            record = json.loads(line)
            kinds.add(record["kind"])
            for change in record.get("changes", []):
                if "key" in change and change["op"] in ("string", "integer"):
                    seen[change["key"]] = change["value"]
        for i in range(KEYS):
            self.assertEqual(seen.get(f"k{i:04d}"), f"new{i}")
        self.assertLessEqual({"commit", "prepare", "finalize", "range"}, kinds)
        lines = self.good("log", "dump", self.data).splitlines()
        self.assertTrue(any(" commit " in line and "k0007" in line and "new7" in line for line in lines))
        self.assertTrue(any(" prepare " in line and "delta=-5" in line for line in lines))

    def test_dump_from_a_position(self):
        core = os.path.join(self.data, "core-00")
        records = [json.loads(line) for line in self.good("--json", "log", "dump", core).splitlines()]
        middle = records[len(records) // 2]["lsn"]
        rest = [json.loads(line) for line in
                self.good("--json", "log", "dump", "--from", str(middle), core).splitlines()]
        self.assertEqual(rest, [record for record in records if record["lsn"] > middle])

    def test_dump_ends_where_the_damage_is(self):
        flip(self.first_log(), 4096 + 5000)
        code, out, said = self.tool("log", "dump", os.path.join(self.data, "core-00"))
        self.assertEqual(code, 65)
        self.assertIn("The dump ends here", said)
        self.assertLess(out.count("\n"), KEYS)


if __name__ == "__main__":
    tool.main()
