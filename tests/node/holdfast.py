"""A real holdfastd for a test: started in a directory of its own, spoken to over a raw socket.

    with Node(binary) as node:           # a fresh directory, free ports, 2 cores
        with node.client() as client:
            client("SET", "k", "v")      # "OK"
            node.kill()                  # SIGKILL, reaped
        node.start()                     # the same directory
        node.stop()                      # SIGTERM; answers the exit code

Waiting is for words of the node's log (JSON), never for time; every wait has a limit, and its end
shows the log. Python's standard library only.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

LIMIT = 60.0  # seconds that anything may take on a busy machine


class RespError(Exception):
    """An error reply: str() is its whole text, code its first word."""

    def __init__(self, text):
        super().__init__(text)
        self.code = text.split(" ", 1)[0]


class Client:
    """A connection. Replies: str for simple strings, bytes for bulk, int, float, bool, None, list,
    set, dict; RespError is raised, or stands as a value inside an array."""

    def __init__(self, port, host="127.0.0.1", timeout=LIMIT):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __call__(self, *words):
        """One command, one reply."""
        self.send(*words)
        return self.reply()

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def send_raw(self, data):
        self.socket.sendall(data)

    def pipeline(self, commands):
        """All commands at once, then all replies; errors are values."""
        commands = list(commands)
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        return [self.value() for _ in commands]

    def reply(self):
        value = self.value()
        if isinstance(value, RespError):
            raise value
        return value

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the node closed the connection")
        self.buffer += data

    def exactly(self, size):
        while len(self.buffer) < size + 2:
            self.more()
        data, end, self.buffer = self.buffer[:size], self.buffer[size:size + 2], self.buffer[size + 2:]
        if end != b"\r\n":
            raise ValueError("a reply without its end")
        return data

    def value(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode("utf-8", "replace"))
        if kind in b":(":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.exactly(int(rest))
        if kind == b"*" or kind == b">":
            return None if rest == b"-1" else [self.value() for _ in range(int(rest))]
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"!":
            return RespError(self.exactly(int(rest)).decode("utf-8", "replace"))
        if kind == b"=":
            return self.exactly(int(rest))[4:]
        if kind == b"%":
            return {hashable(self.value()): self.value() for _ in range(int(rest))}
        if kind == b"~":
            return {hashable(self.value()) for _ in range(int(rest))}
        raise ValueError(f"not a reply: {line!r}")


def hashable(value):
    return tuple(value) if isinstance(value, list) else value


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class NodeEnded(Exception):
    """The node ended where it should have run; code is its exit code."""

    def __init__(self, code, log):
        super().__init__(f"holdfastd ended with code {code}:\n{log}")
        self.code = code


class Node:
    """A node and its directory, which goes when the node is closed (and is kept when a test failed
    and HF_KEEP is set)."""

    def __init__(self, binary, data=None, cores=2, memory="512MiB", args=(), start=True, env=None,
                 user=None):
        self.binary = binary
        self.home = None if data else tempfile.mkdtemp(prefix="hf-node-")
        self.data = data or os.path.join(self.home, "data")
        self.cores = cores
        self.memory = memory
        self.args = list(args)
        self.env = env
        self.user = user
        self.process = None
        self.port = self.http_port = None
        self.said = []  # lines of the log of this run, parsed; what is no JSON as {"raw": line}
        self.changed = threading.Condition()
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind is not None:
            print(self.log_text(), file=sys.stderr)
        if self.home and not (kind is not None and os.environ.get("HF_KEEP")):
            shutil.rmtree(self.home, ignore_errors=True)

    def command(self, *more):
        """Given arguments go before the ones that a test seldom cares about."""
        given = self.args + list(more)
        names = {word.split("=", 1)[0] for word in given}
        words = [self.binary]
        for name, value in (("--data", self.data), ("--listen", "127.0.0.1:0"),
                            ("--http", "127.0.0.1:0"), ("--cores", self.cores),
                            ("--memory", self.memory), ("--log-format", "json")):
            if name not in names and value is not None:
                words += [name, str(value)]
        if "--pin" not in names and "--no-pin" not in names:
            words.append("--no-pin")  # nodes of several tests may run side by side
        return words + given

    def start(self, *more, wait=True):
        """Answers itself, ready to serve; NodeEnded if it ends before that."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        env = dict(os.environ, **(self.env or {}))
        self.said = []
        self.port = self.http_port = None
        self.process = subprocess.Popen(self.command(*more), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env,
                                        user=self.user, group=self.user,
                                        extra_groups=None if self.user is None else [])
        self.reader = threading.Thread(target=self.read_log, args=(self.process.stderr,),
                                       daemon=True)
        self.reader.start()
        if wait:
            self.wait_ready()
        return self

    def read_log(self, pipe):
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                parsed = json.loads(line)
            except ValueError:
                parsed = {"raw": line}
            with self.changed:
                self.said.append(parsed)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()
        pipe.close()

    def log_text(self):
        return "\n".join(json.dumps(line) for line in list(self.said))

    def wait_said(self, message, limit=LIMIT):
        """The first line with this message, or with it in `error`."""
        until = time.monotonic() + limit
        with self.changed:
            while True:
                for line in self.said:
                    if line.get("msg") == message or message in line.get("error", ""):
                        return line
                if self.process.poll() is not None and not self.reader.is_alive():
                    raise NodeEnded(self.process.returncode, self.log_text())
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no {message!r} within {limit} s:\n{self.log_text()}")
                self.changed.wait(min(left, 0.1))

    def wait_ready(self):
        where = self.wait_said("listening")
        self.port, self.http_port = where["port"], where["http_port"]
        ready = self.wait_said("ready")
        with self.client() as client:
            assert client("PING") == "PONG"
        return ready

    def client(self, timeout=LIMIT):
        return Client(self.port, timeout=timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, limit=LIMIT):
        """The exit code; -N: died of signal N. The log is complete then."""
        code = self.process.wait(limit)
        self.reader.join(limit)
        return code

    def stop(self, limit=LIMIT):
        self.signal(signal.SIGTERM)
        return self.wait(limit)

    def kill(self):
        """SIGKILL; answers when the process is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()


def reserve():
    """A bound socket whose port is nobody else's while it is open: a server with SO_REUSEADDR may listen
    there again and again, and nothing takes it in between. Until one does, connecting is refused."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def admin(client, *words):
    """HF.ADMIN SPLIT or MOVE; tried again while the node moves a range of its own accord."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            return client("HF.ADMIN", *words)
        except RespError as error:
            if error.code != "TRYAGAIN" or time.monotonic() > end:
                raise


def until(condition, between, limit=LIMIT):
    """Does `between`, which takes a moment, until the condition holds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit} s")
        between()


def run(binary, *args, user=None, limit=LIMIT):
    """To its end: exit code, standard output, standard error."""
    done = subprocess.run([binary, *map(str, args)], stdin=subprocess.DEVNULL, user=user,
                          group=user, extra_groups=None if user is None else [],
                          capture_output=True, timeout=limit, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")


def main():
    """unittest.main for a script that is called with the path of holdfastd first."""
    import unittest
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} HOLDFASTD [test...]", file=sys.stderr)
        sys.exit(2)
    sys.modules["__main__"].BINARY = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
