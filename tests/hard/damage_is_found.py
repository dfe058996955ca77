"""Claim: damaged, foreign and newer files are told from what a crash leaves: a start is refused with the
documented code and a message that names the file, the place and the tool; nothing is changed; and no
damage whatever makes the node serve less than was acknowledged."""

import glob
import os
import random
import shutil
import struct
import subprocess
import unittest

import hard
from hard import Node, NodeEnded

BINARY = None
SECTOR = 512
HEAD = 4096
CORRUPT, VERSION = 65, 76
KEYS = 120


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def batches(path):
    """Offset and size of each batch of a segment, as its own heads say."""
    found = []
    with open(path, "rb") as file:
        data = file.read()
    at = HEAD
    while data[at:at + 4] == b"HFB1":
        size = struct.unpack_from("<I", data, at + 80)[0]
        found.append((at, size))
        at += size
    return found


def flip(path, at, bits=0x10):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ bits]))


def put(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def digest(folder):
    """All bytes of the directory, but for the lock's."""
    out = {}
    for root, _, names in os.walk(folder):
        for name in names:
            if name != "LOCK":
                path = os.path.join(root, name)
                with open(path, "rb") as file:
                    out[os.path.relpath(path, folder)] = hash(file.read())
    return out


class Damage(unittest.TestCase):
    """A directory is made once, with a checkpoint in it and log behind it; each case has a copy."""

    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, cores=1, memory=None)
        cls.values = {}
        with cls.node.client() as client:
            for number in range(KEYS):
                if number == KEYS // 2:
                    assert client("HF.ADMIN", "CHECKPOINT") == "OK"
                cls.values[f"k{number}"] = b"%d." % number * (1 + number * 7 % 400)
                assert client("SET", f"k{number}", cls.values[f"k{number}"]) == "OK"
        cls.node.kill()
        cls.whole = cls.node.data + ".whole"
        copy(cls.node.data, cls.whole)

    @classmethod
    def tearDownClass(cls):
        cls.node.__exit__(None)

    def setUp(self):
        shutil.rmtree(self.node.data)
        copy(self.whole, self.node.data)
        self.core = os.path.join(self.node.data, "core-00")
        self.log = sorted(glob.glob(os.path.join(self.core, "log-*")))[0]

    def serves_all(self):
        self.node.start()
        with self.node.client() as client:
            self.assertEqual(client("MGET", *self.values), list(self.values.values()))
            self.assertEqual(client("DBSIZE"), len(self.values))
            self.assertEqual(client("SET", "k0", self.values["k0"]), "OK")
        self.assertEqual(self.node.stop(), 0)

    def refused(self, code, *words, unchanged=True):
        before = digest(self.node.data)
        with self.assertRaises(NodeEnded) as caught:
            self.node.start()
        self.assertEqual(caught.exception.code, code, caught.exception)
        text = self.node.said[-1].get("error", "")
        for word in words:
            self.assertIn(word, text)
        if unchanged:
            self.assertEqual(digest(self.node.data), before)
        return text

    def test_whole(self):
        self.serves_all()
        self.serves_all()

    def test_flipped_in_the_middle(self):
        """In head, table, record and padding of acknowledged batches: the offset told is near."""
        all_batches = batches(self.log)
        self.assertGreater(len(all_batches), KEYS)
        for place, inside in ((len(all_batches) * 3 // 4, 30), (len(all_batches) * 4 // 5, 120),
                              (len(all_batches) * 5 // 6, 200), (len(all_batches) - 5, 97)):
            at, size = all_batches[place]
            with self.subTest((place, inside)):
                flip(self.log, at + inside)
                text = self.refused(CORRUPT, "core-00/" + os.path.basename(self.log), "holdfast log verify")
                told = [int(word.strip(",.:;")) for word in text.split() if word.strip(",.:;").isdigit()]
                self.assertTrue(any(at <= number < at + size + SECTOR for number in told), (at, text))
                flip(self.log, at + inside)
        self.serves_all()

    def test_zeros_in_the_middle(self):
        """A write that was acknowledged and lost: later batches claim that it was there."""
        at, size = batches(self.log)[-10]
        put(self.log, at, bytes(size))
        self.refused(CORRUPT, os.path.basename(self.log), "holdfast log verify")

    def test_cut_short(self):
        at, _ = batches(self.log)[-10]
        os.truncate(self.log, at)
        self.refused(CORRUPT, os.path.basename(self.log))

    def test_torn_tail(self):
        """Sectors of the last batch that never reached the disk: cut off, the rest is served. A sector that
        holds something else is no torn write, and refused."""
        self.node.start()
        with self.node.client() as client:
            self.assertEqual(client("SET", "torn", b"t" * 20000), "OK")
        self.node.kill()
        at, size = next(one for one in reversed(batches(self.log)) if one[1] > 20000)
        put(self.log, at + size, bytes(1 << 20))  # as if nothing had come behind it
        kept = self.node.data + ".torn"
        copy(self.node.data, kept)
        with open(self.log, "rb") as file:
            file.seek(at)
            whole = file.read(size)
        for missing in ((SECTOR, 2 * SECTOR), (0, SECTOR), (0, 4 * SECTOR), (size - SECTOR, size), (SECTOR, size)):
            with self.subTest(missing):
                torn = whole[:missing[0]] + bytes(missing[1] - missing[0]) + whole[missing[1]:]
                put(self.log, at, torn)
                if missing[0] > SECTOR:
                    flip(self.log, at + SECTOR + 7)
                    self.refused(CORRUPT, os.path.basename(self.log), "holdfast log verify")
                    flip(self.log, at + SECTOR + 7)
                self.serves_all()
                shutil.rmtree(self.node.data)
                copy(kept, self.node.data)

    def test_behind_the_end(self):
        """Bytes in sectors behind the last batch that no batch has reached are part of the tail."""
        at, size = batches(self.log)[-1]
        put(self.log, at + size + SECTOR, os.urandom(100))
        self.serves_all()
        put(self.log, os.path.getsize(self.log) - 8 * SECTOR, b"\x01")
        self.refused(CORRUPT, os.path.basename(self.log))

    def test_any_single_byte(self):
        """Anywhere in any file: all is served, or the start is refused with words that name a file."""
        draw = random.Random(20)
        places = []
        for path in sorted(glob.glob(os.path.join(self.core, "*"))):
            size = os.path.getsize(path)
            name = os.path.relpath(path, self.node.data)
            used = used_bytes(path)
            places += [(name, draw.randrange(min(size, used))) for _ in range(6)]
        served = refused = 0
        for name, at in places:
            with self.subTest((name, at)):
                path = os.path.join(self.node.data, name)
                flip(path, at, 1 << draw.randrange(8))
                before = digest(self.node.data)
                try:
                    self.serves_all()
                    served += 1
                    shutil.rmtree(self.node.data)
                    copy(self.whole, self.node.data)
                except NodeEnded as ended:
                    refused += 1
                    self.assertIn(ended.code, (CORRUPT, VERSION), ended)
                    self.assertRegex(self.node.said[-1].get("error", ""), r"core-00/\S+|core-00")
                    self.assertEqual(digest(self.node.data), before)
                    copy_file(os.path.join(self.whole, name), path)
        print(f"{len(places)} bytes: {served} did no harm, {refused} refused")
        self.assertGreater(refused, 0)

    def test_checkpoint(self):
        files = sorted(glob.glob(os.path.join(self.core, "checkpoint-*")))
        self.assertTrue(files)
        path = files[-1]
        flip(path, 300)
        self.refused(CORRUPT, "core-00/" + os.path.basename(path))
        flip(path, 300)
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        self.refused(CORRUPT, "core-00")
        with open(path, "wb") as file:
            file.write(os.urandom(len(data)))
        self.refused(CORRUPT, "core-00/" + os.path.basename(path))
        with open(path, "wb") as file:
            file.write(data)
        self.serves_all()

    def test_manifest(self):
        """Two slots, written in turn: one may be torn, and never is less served than was acknowledged."""
        path = os.path.join(self.core, "MANIFEST")
        for slot in (0, 128 << 10):
            with self.subTest(slot):
                shutil.rmtree(self.node.data)
                copy(self.whole, self.node.data)
                flip(path, slot + 20)
                try:
                    self.serves_all()
                except NodeEnded as ended:
                    self.assertEqual(ended.code, CORRUPT, ended)
        shutil.rmtree(self.node.data)
        copy(self.whole, self.node.data)
        flip(path, 20)
        flip(path, (128 << 10) + 20)
        self.refused(CORRUPT, "core-00")

    def test_newer_format_of_a_segment(self):
        with open(self.log, "rb") as file:
            head = bytearray(file.read(64))
        struct.pack_into("<I", head, 12, 2)
        struct.pack_into("<I", head, 8, crc32c(bytes(head[12:64])))
        put(self.log, 0, bytes(head))
        self.refused(VERSION, os.path.basename(self.log), "2")

    def test_wrong_file_in_place_of_a_segment(self):
        size = os.path.getsize(self.log)
        for data in (b"This is a text.\n" * 1000, os.urandom(1 << 20), bytes(1 << 20), b""):
            with self.subTest(data[:8]):
                with open(self.log, "wb") as file:
                    file.write(data)
                    file.truncate(size if data else 0)
                self.refused(CORRUPT, "core-00/" + os.path.basename(self.log))
        os.unlink(self.log)
        os.mkdir(self.log)
        with self.assertRaises(NodeEnded) as caught:
            self.node.start()
        self.assertIn(caught.exception.code, (CORRUPT, 74), caught.exception)
        self.assertIn(os.path.basename(self.log), self.node.said[-1].get("error", ""))

    def test_segment_missing(self):
        os.unlink(self.log)
        self.refused(CORRUPT, "core-00")

    def test_segment_missing_before_any_checkpoint(self):
        """No checkpoint says that there was a log; the segment that was begun behind it does."""
        with Node(BINARY, cores=1, memory=None) as node:
            core = os.path.join(node.data, "core-00")
            with node.client() as client:
                self.assertEqual(client("SET", "k", "acknowledged"), "OK")
                hard.until(lambda: len(glob.glob(os.path.join(core, "*-000*"))) > 1, lambda: client("PING"))
            node.kill()
            os.unlink(os.path.join(core, "log-0000000000000001"))
            before = digest(node.data)
            with self.assertRaises(NodeEnded) as caught:
                node.start()
            self.assertEqual(caught.exception.code, CORRUPT, caught.exception)
            self.assertIn("holdfast log verify core-00", node.said[-1]["error"])
            self.assertEqual(digest(node.data), before)

    def test_segment_of_another_node(self):
        with Node(BINARY, cores=1, memory=None) as other:
            with other.client() as client:
                client("SET", "theirs", 1)
            other.kill()
            theirs = sorted(glob.glob(os.path.join(other.data, "core-00", "log-*")))[0]
            copy_file(theirs, self.log)
            self.refused(CORRUPT, "core-00/" + os.path.basename(self.log))

    def test_files_that_are_nobodys(self):
        """What somebody left in the directory is neither read nor removed."""
        path = os.path.join(self.core, "notes.txt")
        with open(path, "w", encoding="ascii") as file:
            file.write("mine")
        self.serves_all()
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")


def used_bytes(path):
    """Up to where a file holds what was written."""
    if "log-" in path:
        last = batches(path)
        return last[-1][0] + last[-1][1] if last else HEAD
    return max(os.path.getsize(path), 1)


def copy_file(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True, timeout=60)


def copy(source, target):
    subprocess.run(["cp", "-r", "--sparse=always", source, target], check=True, timeout=60)


if __name__ == "__main__":
    hard.main()
