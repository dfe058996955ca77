"""Claim: the command line is one table: help, completion, manual page and exit codes agree, and what goes
wrong has its code and its words."""

import json
import os
import re
import socket
import subprocess
import threading

import tool
from tool import ToolTest


class Server:
    """One connection at a time, to which it says what it is told to, whatever it is asked."""

    def __init__(self, *answers):
        self.answers = answers
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.at = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.thread.join(10)

    def serve(self):
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return
        with connection:
            for answer in self.answers:
                if not connection.recv(1 << 16):
                    return
                connection.sendall(answer)
            while self.answers[-1] == b"" and connection.recv(1 << 16):
                pass  # silent, and still there


HELLO = b"%1\r\n+server\r\n+holdfast\r\n"


class Exits(ToolTest):
    def test_wrong_usage(self):
        for words, arguments in (("a command is missing", []), ("there is no command", ["stauts"]),
                                 ("--frob", ["--frob", "status"]), ("HOST:PORT", ["--at", "nohost", "status"]),
                                 ("HOST:PORT", ["--at", "127.0.0.1:0", "status"]),
                                 ("HOST:PORT", ["status", "--at"]), ("a duration", ["--timeout", "5", "status"]),
                                 ("--wait", ["status", "now"]), ("no argument", ["txns", "all"]),
                                 ("no argument", ["checkpoint", "x"]), ("keys does not", ["keys", "--fast"]),
                                 ("keys does not", ["keys", "-c"]), ("--limit takes", ["keys", "--limit", "few"]),
                                 ("one too many", ["keys", "a*", "b*"]),
                                 ("takes a key", ["ranges", "split"]), ("takes a key", ["ranges", "move", "k"]),
                                 ("does not understand", ["ranges", "merge", "k"]), ("dump or verify", ["log"]),
                                 ("a data directory", ["log", "verify"]),
                                 ("'--from'", ["log", "verify", "--from", "1", "."]),
                                 ("takes files", ["check"]), ("bash", ["completion", "fish"]),
                                 ("not understood", ["sim", "--frob"])):
            self.refused(2, words, *arguments)

    def test_a_node_that_is_not_there(self):
        with tool.reserve() as nobody:
            at = f"127.0.0.1:{nobody.getsockname()[1]}"
            for command in ("status", "keys", "ranges", "txns", "locks", "stats", "checkpoint"):
                self.refused(3, at, "--json", "--at", at, command)

    def test_a_node_that_says_nothing(self):
        with Server(b"") as server:
            self.refused(3, "timed out", "--at", server.at, "--timeout", "300ms", "status")

    def test_a_node_that_goes_away(self):
        with Server(HELLO, b"$500\r\nhalf") as server:
            self.refused(3, "ended the connection", "--at", server.at, "status")

    def test_what_is_no_node(self):
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n\r\n", b"%-5\r\n", b"*99999999999\r\n"):
            with Server(answer) as server:
                self.refused(3, "not RESP", "--at", server.at, "status")

    def test_an_error_reply(self):
        with Server(HELLO, b"-LOADING it reads its log\r\n") as server:
            self.refused(4, "LOADING it reads", "--at", server.at, "txns")

    def test_a_node_that_is_not_well(self):
        info = b"loading:0\r\nholdfast_no_space:1\r\nused_memory:95\r\nmaxmemory:100\r\n"
        for json_flag in ([], ["--json"]):
            with Server(HELLO, b"=%d\r\ntxt:%s\r\n" % (len(info) + 4, info), b":7\r\n") as server:
                code, out, said = self.tool("--at", server.at, "status", *json_flag)
            self.assertEqual((code, said), (1, ""))
            if json_flag:
                self.assertFalse(json.loads(out)["good"])
                self.assertEqual(len(json.loads(out)["problems"]), 2)
            else:
                self.assertTrue(out.startswith("NOT GOOD"), out)
                self.assertIn("the disk is full", out)
                self.assertIn("memory is nearly full", out)

    def test_output_that_cannot_be_written(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([self.program("holdfast"), "help"], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 74)
        self.assertIn(b"standard output", done.stderr)

    def test_no_colour_into_a_pipe(self):
        self.assertNotIn("\033", self.good("help"))

    def page(self):
        with open(os.path.join(tool.SOURCE, "tools/holdfast/holdfast.1.scd"), encoding="utf-8") as file:
            return file.read()

    def test_the_manual_page_has_every_command_and_exit_code(self):
        told = re.findall(r"^```\n(holdfast .*)\n```$", self.page().split("# EXAMPLES")[0], re.M)
        self.assertEqual(told, self.good("help", "--synopsis").splitlines())
        codes = re.findall(r"^ +(\d+)  (.*)$", self.good("help").split("Exit codes:")[1], re.M)
        paged = re.findall(r"^\*(\d+)\*$", self.page().split("# EXIT STATUS")[1], re.M)
        self.assertEqual([code for code, _ in codes], paged)

    def test_the_manual_page_has_every_option(self):
        for option in re.findall(r"^  (--\w+)", self.good("help"), re.M):
            self.assertRegex(self.page(), rf"(?m)^\*{option}\*")

    def test_version(self):
        self.assertRegex(self.good("--version"), r"^holdfast \d+\.\d+\.\d+\n$")
        self.assertEqual(self.json("version")["version"], self.good("version").split()[1])

    def test_completion(self):
        def complete(*words):
            script = self.good("completion", "bash") + (
                f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; _holdfast\n"
                "printf '%s\\n' \"${COMPREPLY[@]}\"")
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
            return done.stdout.split()

        self.assertEqual(complete("holdfast", "ran"), ["ranges"])
        self.assertEqual(complete("holdfast", "--at", "x:1", "ranges", ""), ["split", "move"])
        self.assertEqual(complete("holdfast", "keys", "--c"), ["--count"])
        self.assertEqual(complete("holdfast", "log", "ve"), ["verify"])
        self.assertIn("--json", complete("holdfast", "--"))


if __name__ == "__main__":
    tool.main()
