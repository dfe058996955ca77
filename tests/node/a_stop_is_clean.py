"""Claim: SIGTERM and SIGINT let what runs end, and then the node ends with code 0."""

import os
import signal
import socket
import tempfile
import threading
import time
import unittest

import holdfast
from holdfast import Node

BINARY = None


class Manager:
    """A service manager's socket."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.folder.cleanup()

    def env(self, watchdog_usec):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": watchdog_usec}

    def hear(self, word, times=1):
        deadline = time.monotonic() + holdfast.LIMIT
        while times > 0:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            times -= self.socket.recv(1000).decode().split("\n").count(word)

    def fall_behind(self):
        """Until the kernel takes no more for it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            try:
                while True:
                    other.sendto(b"STATUS=filler", self.path)
            except BlockingIOError:
                pass


class Stop(unittest.TestCase):
    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Node(BINARY) as node:
                node.signal(number)
                self.assertEqual(node.wait(), 0)
                self.assertEqual(node.said[-1]["msg"], "stopped")

    def test_with_connections_that_do_nothing(self):
        with Node(BINARY) as node, node.client() as idle, node.client() as half:
            half.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk")
            self.assertEqual(idle("PING"), "PONG")
            self.assertEqual(node.stop(), 0)

    def test_under_load_nothing_acknowledged_is_lost(self):
        acknowledged = {}

        def write(port, name):
            number = 0
            try:
                with holdfast.Client(port) as client:
                    while True:
                        number += 1
                        if client("SET", name, number) != "OK":
                            return
                        acknowledged[name] = number
            except (ConnectionError, OSError, holdfast.RespError):
                pass

        with Node(BINARY) as node:
            threads = [threading.Thread(target=write, args=(node.port, f"w{i}")) for i in range(6)]
            for thread in threads:
                thread.start()
            with node.client() as client:
                holdfast.until(lambda: len(acknowledged) == 6, lambda: client("PING"))
            self.assertEqual(node.stop(), 0)
            for thread in threads:
                thread.join()
            node.start()
            with node.client() as client:
                for name, number in acknowledged.items():
                    self.assertIn(int(client("GET", name)), (number, number + 1))
            self.assertEqual(node.stop(), 0)

    def test_by_command(self):
        with Node(BINARY) as node:
            with node.client() as client:
                self.assertEqual(client("SET", "k", "v"), "OK")
                client.send("SHUTDOWN")
                with self.assertRaises(ConnectionError):
                    client.reply()
            self.assertEqual(node.wait(), 0)
            self.assertEqual(node.wait_said("stopping: letting what runs end; a second signal "
                                            "stops at once")["by"], "SHUTDOWN")
            node.start()
            with node.client() as client:
                self.assertEqual(client("GET", "k"), b"v")

    def test_hangup_is_ignored(self):
        with Node(BINARY) as node:
            node.signal(signal.SIGHUP)
            node.wait_said("SIGHUP: there is nothing to open again")
            with node.client() as client:
                self.assertEqual(client("PING"), "PONG")
            self.assertEqual(node.stop(), 0)

    def test_the_service_manager_is_told(self):
        with Manager() as manager, Node(BINARY, env=manager.env("200000")) as node:
            manager.hear("READY=1")
            manager.hear("WATCHDOG=1")
            manager.hear("WATCHDOG=1", times=3)  # cores that sleep are alive, too
            node.signal(signal.SIGTERM)
            manager.hear("STOPPING=1")
            self.assertEqual(node.wait(), 0)

    def test_a_service_manager_that_lags_is_told(self):
        with Manager() as manager, Node(BINARY, env=manager.env("2000")) as node:
            manager.fall_behind()  # its queue is full of WATCHDOG=1
            node.signal(signal.SIGTERM)
            node.wait_said("stopping: letting what runs end; a second signal stops at once")
            manager.hear("STOPPING=1")
            self.assertEqual(node.wait(), 0)


if __name__ == "__main__":
    holdfast.main()
