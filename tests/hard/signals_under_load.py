"""Claim: SIGTERM, SIGKILL and SIGSTOP in the middle of transfers over shards lose nothing that was
acknowledged and no money; SIGTERM ends with code 0; behind SIGSTOP everybody goes on."""

import os
import signal
import time
import unittest

import hard
import traffic
from hard import Neighbour, Node
from traffic import Traffic

BINARY = None
KILLS = 5
STOPPED = 60.0 if os.environ.get("HF_HARD_LONG") else 2.0  # seconds; stopped_for_a_minute sets it


class Signals(unittest.TestCase):
    def run_and(self, node, end, turns):
        """Turns of load that `end` ends, each judged by all that was said so far."""
        loads = []
        seen = {}
        for turn in range(turns):
            load = Traffic(node, first=turn * 10)
            loads.append(load)
            load.start()
            end(node)
            load.join()
            node.start()
            with node.client() as client:
                acknowledged = in_doubt = 0
                for load in loads:
                    done, doubt, there = load.check(client)
                    acknowledged += done
                    in_doubt += doubt
                    for transfer in set(seen) & set(there):
                        assert there[transfer] == seen[transfer]
                    seen.update(there)
                traffic.check_money(client, seen.values())
        print(f"{turns} times: {acknowledged} transfers acknowledged, {len(seen)} there, {in_doubt} in doubt")

    def test_term(self):
        def term(node):
            time.sleep(0.5)
            self.assertEqual(node.stop(), 0)
            self.assertEqual(node.said[-1]["msg"], "stopped")

        with Node(BINARY, memory="320MiB") as node:
            traffic.prepare(node)
            self.run_and(node, term, 2)
            self.assertEqual(node.stop(), 0)

    def test_kill(self):
        def kill(node):
            time.sleep(0.3)
            self.assertEqual(node.kill(), -9)

        with Node(BINARY, memory="320MiB") as node:
            traffic.prepare(node)
            self.run_and(node, kill, KILLS)
            self.assertEqual(node.stop(), 0)

    def test_kill_while_it_starts_again(self):
        """Killed in the midst of recovery, several times over."""
        with Node(BINARY, memory="320MiB") as node:
            traffic.prepare(node)
            load = Traffic(node)
            load.start()
            node.kill()
            load.join()
            for pause in (0.02, 0.05, 0.1, 0.2):
                node.start(wait=False)
                time.sleep(pause)
                node.kill()
            node.start()
            with node.client() as client:
                _, _, there = load.check(client)
                traffic.check_money(client, there.values())
            self.assertEqual(node.stop(), 0)

    def test_kill_while_ranges_move(self):
        def move_and_kill(node):
            with node.client() as client:
                for turn in range(20):
                    hard.admin(client, "MOVE", "account:10", turn % 2)
                    hard.admin(client, "SPLIT", f"account:{turn + 11}")
                client.send("HF.ADMIN", "MOVE", "account:20", 1)
                client.send("HF.ADMIN", "MOVE", "record:w1", 0)
                node.kill()

        with Node(BINARY, memory="320MiB") as node:
            traffic.prepare(node)
            self.run_and(node, move_and_kill, 2)
            self.assertEqual(node.stop(), 0)

    def test_stop_and_go_on(self):
        """A node that stood still answers what it was asked meanwhile, and nobody is cut off."""
        with Node(BINARY, memory="320MiB") as node:
            traffic.prepare(node)
            load = Traffic(node)
            load.start()
            with node.client() as before, node.client() as inside:
                self.assertEqual(inside("HF.BEGIN"), "OK")
                self.assertEqual(inside("SET", "inside", 1), "OK")
                node.signal(signal.SIGSTOP)
                before.send("SET", "asked", "while stopped")
                with node.client() as late:  # the kernel takes the connection
                    late.send("GET", "asked")
                    time.sleep(STOPPED)
                    node.signal(signal.SIGCONT)
                    self.assertEqual(before.reply(), "OK")
                    self.assertIn(late.reply(), (None, b"while stopped"))
                got = inside.pipeline([("HF.COMMIT",)])[0]  # done, or lost to its own timeout: never half
                self.assertTrue(got == "OK" or got.code in ("TXNCONFLICT", "DEADLINE", "ERR"), got)
                self.assertEqual(before("GET", "inside"), b"1" if got == "OK" else None)
            counts = [load.count(name) for name in load.names]
            hard.until(lambda: all(load.count(n) > c for n, c in zip(load.names, counts)), lambda: time.sleep(0.01))
            with Neighbour(node):
                pass
            node.kill()
            load.join()
            node.start()
            with node.client() as client:
                _, _, there = load.check(client)
                traffic.check_money(client, there.values())
            self.assertEqual(node.stop(), 0)

    def test_term_while_stopped(self):
        with Node(BINARY, memory="320MiB") as node:
            with node.client() as client:
                self.assertEqual(client("SET", "k", "v"), "OK")
                node.signal(signal.SIGSTOP)
                node.signal(signal.SIGTERM)
                client.send("SET", "late", "v")
                node.signal(signal.SIGCONT)
                self.assertEqual(node.wait(), 0)
            node.start()
            with node.client() as client:
                self.assertEqual(client("GET", "k"), b"v")
            self.assertEqual(node.stop(), 0)



if __name__ == "__main__":
    hard.main()
