"""Claim: on a full disk writes are refused with words and reads are served; when there is space again, all
goes on; a disk that turns read-only ends the node with code 74; nothing acknowledged is lost by either."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

import hard
from hard import Neighbour, Node, NodeEnded, RespError

BINARY = None
VALUE = 512 << 10


class SmallDisk:
    """An ext4 of its own in a file: real block device semantics, and it can be full."""

    def __init__(self, mebibytes):
        self.home = tempfile.mkdtemp(prefix="hf-disk-")
        os.chmod(self.home, 0o755)
        self.image = os.path.join(self.home, "image")
        self.path = os.path.join(self.home, "mounted")
        self.device = None
        os.mkdir(self.path)
        try:
            with open(self.image, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, mebibytes << 20)
            self.device = tool("losetup", "-f", "--show", self.image).strip()
            tool("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=0", self.device)
            tool("mount", "-t", "ext4", self.device, self.path)
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def close(self):
        if os.path.ismount(self.path):
            subprocess.run(["umount", "-l", self.path], check=False, timeout=60)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], check=False, timeout=60)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def ballast(self):
        return os.path.join(self.path, "ballast")

    def fill(self):
        """Takes all the space that is left."""
        with open(self.ballast, "ab") as file:
            size = 64 << 20
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), file.tell(), size)
                    file.seek(0, 2)
                except OSError:
                    size //= 2
            os.fsync(file.fileno())

    def drain(self):
        os.unlink(self.ballast)


def tool(*words):
    return subprocess.run(words, check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL).stdout.decode()


def patiently(*words):
    """Until it succeeds: the kernel lets go of what a process had in its rings a little after the process has ended."""
    hard.until(lambda: subprocess.run(words, check=False, capture_output=True, timeout=60,
                                      stdin=subprocess.DEVNULL).returncode == 0, lambda: time.sleep(0.05))


def why_not():
    if os.getuid() != 0:
        return "mounting a file system needs root"
    for name in ("losetup", "mkfs.ext4", "mount", "umount"):
        if not shutil.which(name):
            return f"there is no {name} here"
    try:
        SmallDisk(16).close()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no loop device with ext4 can be mounted here: {error}"
    return None


def value(number):
    return (b"%08d" % number) * (VALUE // 8)


class Disk(unittest.TestCase):
    CORES = 1
    ARGS = ()
    LOG = "core-00"

    def setUp(self):
        self.disk = SmallDisk(360)
        self.addCleanup(self.disk.close)
        self.node = Node(BINARY, data=os.path.join(self.disk.path, "data"), cores=self.CORES, memory="640MiB",
                         args=self.ARGS, start=False)
        self.addCleanup(self.node.__exit__, None)
        self.written = 0

    def write_until_refused(self, client):
        """Until a write is refused; the error."""
        for _ in range(2000):
            got = client.pipeline([("SET", f"k{self.written}", value(self.written))])[0]
            if isinstance(got, RespError):
                return got
            self.assertEqual(got, "OK")
            self.written += 1
        self.fail("the disk never became full")

    def all_there(self, client):
        for number in range(self.written):
            self.assertEqual(client("GET", f"k{number}"), value(number), number)

    def test_full_and_its_end(self):
        self.node.start()
        with self.node.client() as client, self.node.client() as other:
            self.assertEqual(client("SET", "counter", 5), "OK")
            self.disk.fill()
            with Neighbour(self.node, least=50, writes=False):  # who reads goes on, from before to after
                error = self.write_until_refused(client)
                self.assertEqual(error.code, "MISCONF", error)
                self.assertIn("disk is full", str(error))
                self.refused_at_once(other)
                self.disk.drain()
                hard.until(lambda: other.pipeline([("SET", "again", 1)])[0] == "OK", lambda: time.sleep(0.02))
            self.assertEqual(hard.stats(other)["no_space"], 0)
            self.assertEqual(client("INCR", "counter"), 6)
            with Neighbour(self.node):  # and who writes, too
                pass
        self.node.kill()
        self.node.start()
        with self.node.client() as client:
            self.all_there(client)
            self.assertEqual(client("GET", "counter"), b"6")
        self.assertEqual(self.node.stop(), 0)

    def refused_at_once(self, other):
        """All kinds of writes say so, at once; reads are served."""
        for words in (("SET", "a", 1), ("DEL", "counter"), ("INCR", "counter"), ("HF.ADD", "counter", 1),
                      ("HSET", "h", "f", "v"), ("HF.TXN", "THEN", 1, 3, "SET", "a", 1), ("FLUSHALL",)):
            with self.subTest(words):
                begun = time.monotonic()
                with self.assertRaisesRegex(RespError, "^MISCONF"):
                    other(*words)
                self.assertLess(time.monotonic() - begun, hard.SLOWEST)
        got = other.pipeline([("MULTI",), ("SET", "a", 1), ("EXEC",)])[-1]
        self.assertTrue(isinstance(got, RespError) and got.code in ("MISCONF", "EXECABORT"), got)
        self.assertEqual(other("GET", "counter"), b"5")
        self.all_there(other)
        self.assertEqual(hard.stats(other)["no_space"], 1)

    def test_filled_by_the_log_alone(self):
        """Few keys, written again and again: a checkpoint makes room, whatever the recovery target allows,
        if there is room for it: what is too little for another segment."""
        self.disk.close()
        self.disk = SmallDisk(400)
        self.node.data = os.path.join(self.disk.path, "data")
        self.addCleanup(self.disk.close)
        self.node.start()
        with self.node.client() as client:
            for turn in range(600):  # more than the disk takes
                def done(turn=turn):
                    replies = client.pipeline([("SET", f"k{i}", b"%08d" % turn * 16384) for i in range(8)])
                    self.assertTrue(all(got == "OK" or got.code == "MISCONF" for got in replies), replies)
                    return replies == ["OK"] * 8

                hard.until(done, lambda: time.sleep(0.02))
        self.node.kill()
        self.node.start()
        with self.node.client() as client:
            for i in range(8):
                self.assertEqual(client("GET", f"k{i}"), b"%08d" % 599 * 16384)
        self.assertEqual(self.node.stop(), 0)

    def test_killed_while_full(self):
        """Without space a node starts and serves reads, or says why it does not; with space it goes on."""
        self.node.start()
        with self.node.client() as client:
            self.disk.fill()
            self.assertEqual(self.write_until_refused(client).code, "MISCONF")
        self.node.kill()
        try:
            self.node.start()
            with self.node.client() as client:
                self.all_there(client)
            print("starts on a full disk")
            self.assertEqual(self.node.stop(), 0)
        except NodeEnded as ended:
            self.assertEqual(ended.code, 74, ended)
            self.assertIn("space", ended.args[0])
            print("refuses to start on a full disk")
        self.disk.drain()
        self.node.start()
        with self.node.client() as client:
            self.all_there(client)
            self.assertEqual(client("SET", "again", 1), "OK")
        self.assertEqual(self.node.stop(), 0)

    def test_full_at_the_first_start(self):
        self.disk.fill()
        with self.assertRaises(NodeEnded) as caught:
            self.node.start()
        self.assertIn(caught.exception.code, (73, 74), caught.exception)
        self.assertIn("space", self.node.said[-1].get("error", ""))
        self.disk.drain()
        self.node.start()
        self.assertEqual(self.node.stop(), 0)

    def test_turns_read_only(self):
        """The file system takes no writes any more: no write is acknowledged, the node ends with code 74."""
        self.node.start()
        with self.node.client() as client:
            self.assertEqual(client("SET", "kept", 1), "OK")
            tool("mount", "-o", "remount,abort", self.disk.path)  # as after an error of the device
            with self.assertRaises((ConnectionError, RespError)):
                client("SET", "lost", 1)
                client("SET", "lost", 2)
        self.assertEqual(self.node.wait(), 74, self.node.log_text())
        print(self.node.said[-1])
        patiently("umount", self.disk.path)
        tool("mount", "-t", "ext4", self.disk.device, self.disk.path)
        self.node.start()
        with self.node.client() as client:
            self.assertEqual(client("GET", "kept"), b"1")
            self.assertEqual(client("EXISTS", "lost"), 0)
        self.assertEqual(self.node.stop(), 0)

    def test_mounted_read_only(self):
        self.node.start()
        self.assertEqual(self.node.stop(), 0)
        patiently("mount", "-o", "remount,ro", self.disk.path)
        with self.assertRaises(NodeEnded) as caught:
            self.node.start()
        self.assertEqual(caught.exception.code, 73, caught.exception)
        self.assertIn("Read-only file system", self.node.said[-1]["error"])
        tool("mount", "-o", "remount,rw", self.disk.path)
        self.node.start()
        self.assertEqual(self.node.stop(), 0)

    def test_directory_loses_permission(self):
        """What is open goes on; what has to be made anew is refused or ends the node: never a lost write."""
        os.mkdir(self.node.data)
        tool("chown", "-R", "65534:65534", self.node.data)
        self.node.user = 65534
        self.node.binary = shutil.copy(BINARY, self.disk.home)  # where it was built, only root may look
        self.node.start()
        folder = os.path.join(self.node.data, self.LOG)
        refused = None
        with self.node.client() as client:
            os.chmod(folder, 0o500)
            try:
                refused = self.write_until_refused(client)
                self.assertEqual(client("GET", "k0"), value(0))
            except ConnectionError:
                self.assertEqual(self.node.wait(), 74, self.node.log_text())
        print(f"refused: {refused}" if refused else self.node.said[-1])
        if refused:
            self.node.kill()
        os.chmod(folder, 0o700)
        self.node.start()
        with self.node.client() as client:
            self.all_there(client)
            self.assertEqual(client("SET", "again", 1), "OK")
        self.assertEqual(self.node.stop(), 0)


class DiskOfACommonLog(Disk):
    """The same, where two cores share a log."""
    CORES = 2
    ARGS = ("--log-per", "device")
    LOG = "device-00"


if __name__ == "__main__":
    REASON = why_not()
    if REASON:
        hard.skip(REASON)
    hard.main()
