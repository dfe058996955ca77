"""Claim: a start that cannot be is refused with the documented code, says why, and changes nothing."""

import os
import socket
import unittest
import zlib

import holdfast
from holdfast import Node, NodeEnded

BINARY = None
NOBODY = 65534


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def contents(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if name != "LOCK":
                with open(path, "rb") as file:
                    found[path] = zlib.crc32(file.read())
    return found


class Refused(unittest.TestCase):
    def refused(self, node, code, *words, args=()):
        """Starting ends with this code, and its last line holds these words."""
        with self.assertRaises(NodeEnded) as caught:
            node.start(*args)
        self.assertEqual(caught.exception.code, code, caught.exception)
        last = node.said[-1]
        text = last.get("error") or last.get("raw")
        for word in words:
            self.assertIn(word, text)

    def test_port_taken(self):
        with socket.socket() as other, Node(BINARY, start=False) as node:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.refused(node, 69, f"port {port} of 127.0.0.1 is taken", "--listen",
                         args=("--listen", f"127.0.0.1:{port}"))
            self.refused(node, 69, f"port {port} of 127.0.0.1 is taken", "--http",
                         args=("--http", f"127.0.0.1:{port}"))

    def test_address_of_another_machine(self):
        with Node(BINARY, start=False) as node:
            self.refused(node, 78, "cannot listen", args=("--listen", "192.0.2.1:7379"))

    def test_second_process(self):
        with Node(BINARY) as first, Node(BINARY, data=first.data, start=False) as second:
            self.refused(second, 75, f"in use by process {first.process.pid}", "--data")
            with first.client() as client:
                self.assertEqual(client("SET", "still", "here"), "OK")
            self.assertEqual(first.stop(), 0)
            second.start()
            with second.client() as client:
                self.assertEqual(client("GET", "still"), b"here")
            self.assertEqual(second.stop(), 0)

    def test_newer_format(self):
        with Node(BINARY) as node:
            self.assertEqual(node.stop(), 0)
            text = b"holdfast 2\nwhatever comes then\n"
            with open(os.path.join(node.data, "HOLDFAST"), "wb") as file:
                file.write(text + b"crc32c %08x\n" % crc32c(text))
            before = contents(node.data)
            self.refused(node, 76, "format 2", "up to 1")
            self.assertEqual(contents(node.data), before)

    def test_damaged_identity(self):
        with Node(BINARY) as node:
            self.assertEqual(node.stop(), 0)
            path = os.path.join(node.data, "HOLDFAST")
            with open(path, "r+b") as file:
                file.seek(15)
                file.write(b"\x00")
            before = contents(node.data)
            self.refused(node, 65, "HOLDFAST is damaged", "nothing was changed")
            self.assertEqual(contents(node.data), before)

    def test_rot_in_what_was_acknowledged(self):
        with Node(BINARY, cores=1) as node:
            with node.client() as client:
                for i in range(50):  # a batch each
                    self.assertEqual(client("SET", f"key-{i}", f"needle-{i}-" * 20), "OK")
            node.kill()
            log = sorted(name for name in os.listdir(os.path.join(node.data, "core-00"))
                         if name.startswith("log"))[0]
            path = os.path.join(node.data, "core-00", log)
            with open(path, "r+b") as file:
                at = file.read().index(b"needle-7-")
                file.seek(at)
                file.write(b"NEEDLE")
            before = contents(node.data)
            self.refused(node, 65, log)
            self.assertEqual(node.said[-1]["level"], "fatal")
            self.assertEqual(contents(node.data), before)

    def test_logs_of_another_node(self):
        with Node(BINARY) as one, Node(BINARY) as other:
            for node in (one, other):
                with node.client() as client:
                    client("SET", "k", "v")
                self.assertEqual(node.stop(), 0)
            here, there = (os.path.join(node.data, "core-00") for node in (one, other))
            os.rename(here, here + ".mine")
            os.rename(there, here)
            self.refused(one, 65)
            os.rename(here, there)
            os.rename(here + ".mine", here)
            one.start()
            self.assertEqual(one.stop(), 0)

    def test_shard_missing(self):
        with Node(BINARY) as node:
            self.assertEqual(node.stop(), 0)
            folder = os.path.join(node.data, "core-01")
            os.rename(folder, node.data + ".away")
            self.refused(node, 65, "core-01 is missing")
            os.rename(node.data + ".away", folder)
            node.start()
            self.assertEqual(node.stop(), 0)

    def test_every_file_of_a_log_missing(self):
        """Which would look like a first start."""
        for args, name in (((), "core-00"), (("--log-per", "device"), "device-00")):
            with Node(BINARY, cores=1, args=args) as node:
                with node.client() as client:
                    client("SET", "k", "v")
                self.assertEqual(node.stop(), 0)
                folder = os.path.join(node.data, name)
                os.rename(folder, node.data + ".away")
                os.mkdir(folder)
                self.refused(node, 65, f"{name} is empty", "its files are missing", "nothing was changed")
                self.assertEqual(os.listdir(folder), [])
                os.rmdir(folder)
                os.rename(node.data + ".away", folder)
                node.start()
                with node.client() as client:
                    self.assertEqual(client("GET", "k"), b"v")
                self.assertEqual(node.stop(), 0)

    def test_directory_without_permission(self):
        """Root may write anywhere, so the node runs as somebody else."""
        user = NOBODY if os.getuid() == 0 else None
        with Node(BINARY, start=False, user=user) as node:
            if user is not None:
                os.chmod(node.home, 0o755)
                code, _, _ = try_as(user)
                if code != 0:
                    self.skipTest("nobody else may run the program here")
            os.mkdir(node.data)
            if user is not None:
                os.chown(node.data, user, user)
            os.chmod(node.data, 0o500)
            self.refused(node, 77, "cannot open", "LOCK", "Permission denied")
            self.assertEqual(os.listdir(node.data), [])
            os.chmod(node.data, 0o700)
            node.start()
            self.assertEqual(node.stop(), 0)

    def test_no_directory_above(self):
        with Node(BINARY, start=False) as node:
            self.refused(node, 73, "make the directory above it first",
                         args=("--data", os.path.join(node.home, "a", "b")))

    def test_too_little_memory(self):
        with Node(BINARY, start=False) as node:
            self.refused(node, 78, "too little for 2 shards", "--memory",
                         args=("--memory", "64MiB"))

    def test_wrong_configuration(self):
        with Node(BINARY, start=False) as node:
            path = os.path.join(node.home, "conf")
            with open(path, "w", encoding="ascii") as file:
                file.write("# fine\ncores = 2\nmemroy = 1GiB\n")
            self.refused(node, 78, f"{path}:3: ", "was memory meant?", args=("--config", path))
            with open(path, "wb") as file:
                file.write(os.urandom(4096) + b"\x00")
            self.refused(node, 78, f"{path}:", args=("--config", path))
            self.refused(node, 64, "--cores", args=("--cores", "none"))
            self.assertFalse(os.path.exists(node.data))


class Asked(unittest.TestCase):
    def test_what_is_asked_for_is_written_and_nothing_else(self):
        code, out, err = holdfast.run(BINARY, "--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^holdfastd \d+\.\d+\.\d+\n$")
        code, out, err = holdfast.run(BINARY, "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("--recovery-target SECONDS", out)
        code, out, err = holdfast.run(BINARY, "--print-config", "--memory", "1GiB")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("memory = 1GiB # flag\n", out)
        self.assertRegex(out, r"\ncores = \d+ # default\n")


def try_as(user):
    try:
        return holdfast.run(BINARY, "--version", user=user)
    except PermissionError:
        return 1, "", ""


if __name__ == "__main__":
    holdfast.main()
