"""Load that knows what it was told: transfers between accounts of both shards, and counters. Processes of
their own, each with a file of what it asked for and what was acknowledged.

    traffic = Traffic(node); traffic.start(); ...; traffic.join(); traffic.check(client)

An account holds money and the list of transfers is also written, in the same transaction: a transfer
whose record is there moved its money, at both ends, or not at all.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

import hard
from hard import Client, RespError

ACCOUNTS = 40
START = 1000
CUTS = ("account:10", "account:20", "account:30", "record:w1", "record:w3", "seen:w2")


def account(number):
    return f"account:{number:02d}"


def prepare(node):
    hard.spread(node, *CUTS)
    with node.client() as client:
        client("MSET", *sum(([account(i), START] for i in range(ACCOUNTS)), []))


class Traffic:
    def __init__(self, node, workers=4, first=0):
        self.node = node
        self.names = [f"w{first + i}" for i in range(workers)]
        self.folder = tempfile.TemporaryDirectory(prefix="hf-traffic-")
        self.processes = []

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self):
        self.processes = [
            subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), str(self.node.port), name,
                              self.path(name)], stdin=subprocess.DEVNULL)
            for name in self.names]
        hard.until(lambda: all(self.count(name) >= 3 for name in self.names), lambda: time.sleep(0.01))

    def count(self, name):
        try:
            with open(self.path(name), encoding="ascii") as file:
                return sum(line.startswith("yes") for line in file)
        except FileNotFoundError:
            return 0

    def join(self):
        """They end by themselves when the node is gone."""
        for process in self.processes:
            code = process.wait(hard.LIMIT)
            if code != 0:
                raise AssertionError(f"a worker ended with {code}")

    def said(self, name):
        """What it asked for, by number, and how that went: yes, no, or nothing."""
        asked, said = {}, {}
        with open(self.path(name), encoding="ascii") as file:
            for line in file:
                words = line.split()
                if not line.endswith("\n"):
                    break  # cut off while it was written
                if words[0] == "ask":
                    asked[int(words[1])] = tuple(map(int, words[2:]))
                else:
                    said[int(words[1])] = words[0]
        return asked, said

    def check(self, client):
        """Everything acknowledged is there, nothing refused is, and no money came or went."""
        acknowledged = in_doubt = 0
        there = {}
        for name in self.names:
            asked, said = self.said(name)
            records = dict(zip(asked, client("MGET", *(f"record:{name}:{i}" for i in asked)))) if asked else {}
            for number, record in records.items():
                how = said.get(number)
                if how == "yes":
                    acknowledged += 1
                    assert record is not None, f"{name}: transfer {number} was acknowledged and is lost"
                elif how == "no":
                    assert record is None, f"{name}: transfer {number} was refused and is there"
                else:
                    in_doubt += 1
                if record is not None:
                    assert tuple(json.loads(record)) == asked[number], (name, number, record)
                    there[name, number] = asked[number]
            seen = client("GET", f"seen:{name}")
            last = max((i for i, how in said.items() if how == "yes"), default=0)
            assert seen is None and last == 0 or int(seen) >= last, (name, seen, last)
        return acknowledged, in_doubt, there


def check_money(client, transfers):
    """Balances are exactly what the transfers that are there make them."""
    balances = [START] * ACCOUNTS
    for source, target, amount in transfers:
        balances[source] -= amount
        balances[target] += amount
    got = [int(one) for one in client("MGET", *(account(i) for i in range(ACCOUNTS)))]
    assert sum(got) == ACCOUNTS * START, f"the money is {sum(got)} instead of {ACCOUNTS * START}"
    assert got == balances, [(i, a, b) for i, (a, b) in enumerate(zip(got, balances)) if a != b]


def work(port, name, path):
    draw = random.Random(name)
    number = 0
    with open(path, "w", encoding="ascii", buffering=1) as file:
        try:
            with Client(port, timeout=3 * hard.LIMIT) as client:  # the node may stand still for a minute
                while True:
                    number += 1
                    source, target = draw.sample(range(ACCOUNTS), 2)
                    amount = draw.randrange(1, 30)
                    print("ask", number, source, target, amount, file=file)
                    try:
                        how = transfer(client, name, number, source, target, amount)
                    except RespError as error:
                        if error.code == "INDOUBT":
                            continue
                        if error.code not in ("LIMIT", "BUSY", "TXNCONFLICT", "TRYAGAIN", "SHUTDOWN", "DEADLINE",
                                              "OOM", "MISCONF"):
                            raise
                        how = "no"
                    print(how, number, file=file)
        except (ConnectionError, OSError):
            return


def transfer(client, name, number, source, target, amount):
    """One of three ways that a client has."""
    record = json.dumps([source, target, amount])
    seen, place = f"seen:{name}", f"record:{name}:{number}"
    if number % 3 == 0:
        client("HF.TXN", "THEN", 4, 5, "HF.ADD", account(source), -amount, "MIN", 0,
               3, "HF.ADD", account(target), amount, 3, "SET", place, record, 3, "SET", seen, number)
        return "yes"
    if number % 3 == 1:
        client("WATCH", account(source), account(target))
        have, other = (int(one) for one in client("MGET", account(source), account(target)))
        if have < amount:
            client("UNWATCH")
            return "no"
        got = client.pipeline([("MULTI",), ("SET", account(source), have - amount),
                               ("SET", account(target), other + amount), ("SET", place, record),
                               ("SET", seen, number), ("EXEC",)])[-1]
        if isinstance(got, RespError):
            raise got
        return "no" if got is None else "yes"
    client("HF.BEGIN")
    try:
        have, other = (int(one) for one in client("MGET", account(source), account(target)))
        if have < amount:
            client("HF.ROLLBACK")
            return "no"
        client("MSET", account(source), have - amount, account(target), other + amount, place, record, seen, number)
        client("HF.COMMIT")
    except RespError:
        client.pipeline([("HF.ROLLBACK",)])
        raise
    return "yes"


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2], sys.argv[3])
