"""Claim: ten thousand connections that do nothing, a thousand that send a byte now and then, and clients
that come and go disturb nobody."""

import select
import socket
import time
import unittest

import hard
from hard import Neighbour, Node, encode

BINARY = None
IDLE = 10000
SLOW = 1000
FILES = 1000  # that a narrow node may open
PAUSE = 0.1  # seconds between two bytes of a slow client


def connect_all(port, count):
    """Connected sockets, the handshakes side by side."""
    done = []
    while len(done) < count:
        batch = []
        for _ in range(min(500, count - len(done))):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            batch.append(one)
        for one in batch:
            one.settimeout(hard.LIMIT)
            select.select([], [one], [], hard.LIMIT) if one.fileno() < 1024 else wait_writable(one)
            error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
        done += batch
    return done


def wait_writable(one):
    poll = select.poll()
    poll.register(one, select.POLLOUT)
    if not poll.poll(hard.LIMIT * 1000):
        raise TimeoutError("connect")


class Narrow(Node):
    """A node that may open few files."""

    def command(self, *more):
        return ["prlimit", f"--nofile={FILES}:{FILES}", *super().command(*more)]


class Connections(unittest.TestCase):
    def test_idle(self):
        files = hard.many_files(2 * IDLE + 500)
        count = min(IDLE, files - 300)
        if count < IDLE:
            print(f"{count} connections instead of {IDLE}: the limit of descriptors is {files}")
        with Node(BINARY, memory="512MiB") as node:
            hard.spread(node, hard.MIDDLE)
            with node.client() as client, Neighbour(node, least=100) as neighbour:
                before = hard.stats(client)["memory_used"]
                idle = connect_all(node.port, count)
                hard.until(lambda: hard.stats(client)["clients"] >= count, lambda: time.sleep(0.01))
                used = (hard.stats(client)["memory_used"] - before) / count
                self.assertLess(used, 4096, "bytes that an idle connection takes")
                asked = time.monotonic()
                for _ in range(100):
                    self.assertEqual(client("PING"), "PONG")
                self.assertLess((time.monotonic() - asked) / 100, hard.USUAL)
                for one in idle[::100]:  # they were served all the while
                    one.sendall(encode("ECHO", "there"))
                for one in idle[::100]:
                    self.assertEqual(one.recv(100), b"$5\r\nthere\r\n")
                for one in idle:
                    one.close()
                hard.until(lambda: hard.stats(client)["clients"] < 10, lambda: time.sleep(0.01))
            print(f"{count} idle connections: {used:.0f} B each; {neighbour.said}")
            self.assertEqual(node.stop(), 0)

    def test_slow(self):
        """A byte every 100 ms from each of a thousand clients; every request is answered at its end."""
        hard.many_files(SLOW + 200)
        data = encode("INCR", "slow")
        with Node(BINARY, memory="320MiB") as node:
            hard.spread(node, hard.MIDDLE)
            with Neighbour(node, least=100) as neighbour:
                slow = connect_all(node.port, SLOW)
                begun = time.monotonic()
                for place in range(len(data)):
                    for number, one in enumerate(slow):
                        due = begun + PAUSE * (place + number / SLOW)
                        if number % 50 == 0 and time.monotonic() < due:
                            time.sleep(max(0.0, due - time.monotonic()))
                        one.sendall(data[place:place + 1])
                answers = {int(one.recv(100)[1:-2]) for one in slow}
                self.assertEqual(answers, set(range(1, SLOW + 1)))
                for one in slow:
                    one.close()
            print(f"{SLOW} slow connections: {neighbour.said}")
            self.assertEqual(node.stop(), 0)

    def test_coming_and_going(self):
        with Node(BINARY, memory="320MiB") as node:
            hard.spread(node, hard.MIDDLE)
            with Neighbour(node):
                for turn in range(1500):
                    client = node.client()
                    if turn % 3 == 0:
                        self.assertEqual(client("INCR", "turns"), turn // 3 + 1)
                    elif turn % 3 == 1:
                        client.send("GET", "turns")
                    client.close()
            with node.client() as client:
                hard.until(lambda: hard.stats(client)["clients"] == 1, lambda: time.sleep(0.01))
                self.assertEqual(client("GET", "turns"), b"500")
            self.assertEqual(node.stop(), 0)

    def test_more_than_may_be(self):
        """Above the limit a client is told so, as by Redis; those who are in stay, and places come free."""
        with Narrow(BINARY, memory="320MiB") as node:
            with node.client() as client, Neighbour(node):
                limit = int(client("CONFIG", "GET", "maxclients")[1])
                self.assertLess(limit, FILES)
                inside = connect_all(node.port, limit - 2)
                hard.until(lambda: hard.stats(client)["clients"] == limit, lambda: time.sleep(0.01))
                refused = connect_all(node.port, 50)
                for one in refused:
                    self.assertEqual(hard.all_of(one), b"-ERR max number of clients reached\r\n")
                inside[-1].sendall(encode("PING"))
                self.assertEqual(inside[-1].recv(100), b"+PONG\r\n")
                for one in inside:
                    one.close()
                hard.until(lambda: hard.stats(client)["clients"] == 2, lambda: time.sleep(0.01))
                with node.client() as other:
                    self.assertEqual(other("PING"), "PONG")
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    hard.main()
