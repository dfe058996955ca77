"""Claim: redis-cli works unchanged, in all of its ways."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
import unittest

import clients
from clients import LIMIT, encode, run

BINARY = None


class RedisCli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = clients.node_for_clients(BINARY)
        cls.cli = ["redis-cli", "-h", "127.0.0.1", "-p", str(cls.node.port)]

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def ask(self, *words, data=None):
        code, out = run(*self.cli, *words, data=data)
        self.assertEqual(code, 0, out)
        return out.decode()

    def for_a_while(self, pattern, *words):
        """Starts what runs for ever, until its output matches; answers the match."""
        process = subprocess.Popen([*self.cli, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        out = b""
        until = time.monotonic() + LIMIT
        try:
            while time.monotonic() < until:
                ready, _, _ = select.select([process.stdout], [], [], 1)
                if ready:
                    more = os.read(process.stdout.fileno(), 65536)
                    out += more
                    match = re.search(pattern, out)
                    if match:
                        return match
                    if not more:
                        break
            raise AssertionError(f"{words}: no {pattern!r} in {out!r}")
        finally:
            process.kill()
            process.communicate()

    def more(self, process):
        """What it says next; it is not to end."""
        said = os.read(process.stdout.fileno(), 1000)
        self.assertNotEqual(said, b"", "it ended by itself")
        return said

    def test_plain_and_resp3(self):
        for flags in ([], ["-3"]):
            with self.subTest(flags):
                self.assertEqual(self.ask(*flags, "PING"), "PONG\n")
                self.assertEqual(self.ask(*flags, "SET", "cli", "hello world"), "OK\n")
                self.assertEqual(self.ask(*flags, "GET", "cli"), "hello world\n")
                self.assertEqual(self.ask(*flags, "DEL", "cli"), "1\n")
                self.assertEqual(self.ask(*flags, "HSET", "cli", "a", "1", "b", "2"), "2\n")
                self.assertEqual(self.ask(*flags, "HGETALL", "cli").split(), ["a", "1", "b", "2"])
                self.assertEqual(self.ask(*flags, "HGET", "cli", "none"), "\n")
                self.assertEqual(self.ask(*flags, "DEL", "cli"), "1\n")
                self.assertIn("ERR unknown command 'NOSUCH'", self.ask(*flags, "NOSUCH"))
                self.assertEqual(self.ask(*flags, "MGET", "zz", "aa"), "\n\n")

    def test_script_on_standard_input(self):
        out = self.ask(data=b"MULTI\nSET a 1\nINCR z\nEXEC\nHF.ADD a 5 MAX 10\nHF.ADD a 5 MAX 10\nGET a\nDEL a z\n")
        self.assertIn("LIMIT", out)
        self.assertEqual([line for line in out.splitlines() if line and "LIMIT" not in line],
                         ["OK", "QUEUED", "QUEUED", "OK", "1", "OK", "6", "2"])
        self.assertEqual(self.ask("-x", "SET", "file", data=bytes(range(256))), "OK\n")
        self.assertEqual(self.ask("STRLEN", "file"), "256\n")
        self.assertEqual(self.ask("--csv", "MGET", "file2", "file3"), "NULL,NULL\n")
        self.assertIn("maxmemory", self.ask("CONFIG", "GET", "maxmemory"))
        self.assertEqual(self.ask("-n", "0", "EXISTS", "file"), "1\n")
        self.assertEqual(self.ask("-r", "3", "-i", "0.01", "INCR", "repeated"), "1\n2\n3\n")
        self.assertIn("redis_version", self.ask("INFO"))

    def test_stat(self):
        self.for_a_while(rb"keys +mem +clients +blocked +requests +connections[^\n]*\n\d+ +\d[^\n]*\n\d+",
                         "--stat", "-i", "0.1")

    def test_latency(self):
        out = self.latency("--latency")
        self.assertGreater(int(out[3]), 0)  # samples

    def latency(self, *words):
        """Without a terminal redis-cli measures for a second, and says: min max avg samples."""
        return self.ask(*words, "-i", "1").split()

    def test_bigkeys_and_memkeys(self):
        self.ask("SET", "big", "b" * 5000)
        self.ask("HSET", "record", *sum(([f"f{i}", "v"] for i in range(50)), []))
        out = self.ask("--bigkeys")
        self.assertRegex(out, r'Biggest string found (so far )?.*big.* (has|with) 5000 bytes')
        self.assertRegex(out, r'Biggest +hash found (so far )?.*record.* (has|with) 50 fields')
        self.assertRegex(self.ask("--memkeys"), r"Biggest string found .*big")
        self.ask("DEL", "big", "record")

    def test_scan(self):
        self.ask("MSET", *sum(([f"scan:{i}", str(i)] for i in range(200)), []))
        self.assertEqual(sorted(self.ask("--scan", "--pattern", "scan:*").split()), sorted(f"scan:{i}" for i in range(200)))
        self.ask("DEL", *(f"scan:{i}" for i in range(200)))

    def test_pipe(self):
        count = 20000
        data = b"".join(encode("SET", f"{i % 26 + 97:c}:pipe:{i}", f"value {i}") for i in range(count))
        out = self.ask("--pipe", data=data)
        self.assertIn(f"errors: 0, replies: {count}", out)
        self.assertEqual(self.ask("GET", "a:pipe:26"), "value 26\n")
        out = run(*self.cli, "--pipe", data=encode("NOSUCH") + encode("SET", "b", "1"))[1].decode()
        self.assertIn("errors: 1, replies: 2", out)
        self.assertEqual(self.ask("FLUSHALL"), "OK\n")

    def test_monitor_and_subscribe(self):
        process = subprocess.Popen([*self.cli, "SUBSCRIBE", "news"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        clients.until(lambda: self.ask("PUBLISH", "news", "hello") == "1\n", lambda: None)
        heard = b""
        while b"hello" not in heard:
            heard += self.more(process)
        process.terminate()
        process.communicate()
        process = subprocess.Popen([*self.cli, "MONITOR"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        heard = self.more(process)
        while b'"GET" "watched"' not in heard:
            self.ask("GET", "watched")
            heard += self.more(process)
        process.terminate()
        process.communicate()

    def test_interactive_hints(self):
        """At a terminal redis-cli asks COMMAND DOCS and shows arguments while one types: ours, too."""
        self.terminal(b"hf.txn ", b"THEN")
        self.terminal(b"hf.add acc ", b"delta")
        self.terminal(b"set mykey myvalue ", b"NX")
        self.terminal(b"ping\r", b"PONG")

    def terminal(self, typed, wanted):
        """Types; the terminal shows what is wanted."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        process = subprocess.Popen(self.cli, stdin=child, stdout=child, stderr=child, start_new_session=True,
                                   env=dict(os.environ, TERM="xterm", COLUMNS="200", HOME="/nonexistent"))
        os.close(child)
        shown = b""
        try:
            shown = self.read_until(parent, shown, b"> ")
            for place in range(len(typed)):
                os.write(parent, typed[place:place + 1])
            return self.read_until(parent, shown, wanted)
        finally:
            process.kill()
            process.wait()
            os.close(parent)

    def read_until(self, parent, shown, wanted):
        until = time.monotonic() + LIMIT
        while wanted not in shown:
            if time.monotonic() > until:
                raise TimeoutError(f"no {wanted!r} in {shown!r}")
            if select.select([parent], [], [], 1)[0]:
                shown += os.read(parent, 65536)
        return shown

    def test_eval_is_refused(self):
        self.assertIn("ERR unknown command", self.ask("EVAL", "return 1", "0"))

    def test_restart(self):
        """One that repeats a command finds the node again by itself."""
        process = subprocess.Popen([*self.cli, "-r", "-1", "-i", "0.02", "INCR", "again"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = b""
        while b"\n5\n" not in out:
            out += self.more(process)
        process.kill()
        process.communicate()
        clients.start_again(self.node)
        self.assertGreater(int(self.ask("INCR", "again")), 5)


if __name__ == "__main__":
    if not shutil.which("redis-cli"):
        clients.skip("redis-cli is not installed")
    clients.main()
