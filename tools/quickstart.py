#!/usr/bin/env python3
"""What tools/quickstart shows: transfers, a SIGKILL in mid-flight, and nothing lost.

usage: tools/quickstart.py --bin DIR [--seconds N] [--keep] [--help]

  --bin DIR     where holdfastd and holdfast are
  --seconds N   how long transfers run before the SIGKILL (8)
  --keep        at the end leave the node running, and its data and the clients' records in place

Needs redis-cli, redis-benchmark and the Redis client for Python. exit: 0 PASS; 1 not; 2 wrong usage

A client writes into a file of its own, before it asks, what it asks for, and after each reply what it
was told. What the node holds after a kill is judged by these files alone:

    ask ID FROM TO AMOUNT     the transfer is about to be sent
    yes ID                    it was acknowledged: it must be there
    no ID WHY                 it was refused, as with LIMIT (not enough money): it must not be there
    (neither)                 the node died first: it may be there or not, but never half
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ACCOUNTS = 100_000
START_MONEY = 1000
CLIENTS = 4
DEPTH = 16  # transfers of one client under way at a time
START_SECONDS = 60
STOP_SECONDS = 40
CHUNK = 1000
SHOP = 7  # an account that everybody pays into


class Wrong(Exception):
    """What the demonstration found not to be as it must be."""


def account(number):
    # Twelve digits, as redis-benchmark writes its random numbers.
    return f"account:{number:012d}"


class Report:
    def __init__(self):
        self.start = time.monotonic()

    def say(self, text):
        print(f"== {time.monotonic() - self.start:5.1f} s  {text}", flush=True)


def connect(port):
    import redis

    return redis.Redis(host="127.0.0.1", port=port, socket_timeout=60, socket_connect_timeout=60)


# ---- The node ---------------------------------------------------------------------------------------


class Node:
    """holdfastd on a data directory: started, killed, stopped; never more than one at a time."""

    def __init__(self, bin_dir, folder):
        self.program = os.path.join(bin_dir, "holdfastd")
        self.tool = os.path.join(bin_dir, "holdfast")
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.log = os.path.join(folder, "holdfastd.log")
        self.process = None
        self.port = 0

    def run(self):
        """Starts it and waits until it serves; answers the seconds that took."""
        place = os.path.join(self.folder, "ready")
        before = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, open(self.log, "ab") as log:
            notified.bind(place)
            notified.settimeout(0.1)
            begin = time.monotonic()
            self.process = subprocess.Popen(
                [self.program, "--data", self.data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ, NOTIFY_SOCKET=place))
            try:
                self.wait_ready(notified, begin + START_SECONDS)
            finally:
                os.unlink(place)
        with open(self.log, encoding="utf-8") as log:
            log.seek(before)
            found = re.search(r"\bmsg=listening .*?\bport=(\d+)", log.read())
        if not found:
            raise Wrong(f"the node does not say where it listens: {self.log}")
        self.port = int(found.group(1))
        connect(self.port).ping()
        return time.monotonic() - begin

    def wait_ready(self, notified, until):
        while True:
            try:
                if b"READY=1" in notified.recv(4096):
                    return
            except socket.timeout:
                pass
            if self.process.poll() is not None:
                raise Wrong(f"the node ended with code {self.process.returncode}\n{self.last_words()}")
            if time.monotonic() > until:
                raise Wrong(f"the node was not ready in {START_SECONDS} s\n{self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-10:])

    def check_alive(self):
        if self.process.poll() is not None:
            raise Wrong(f"the node ended by itself, code {self.process.returncode}\n{self.last_words()}")

    def stand_still(self):
        """Where it is: clients are left waiting."""
        self.check_alive()
        self.process.send_signal(signal.SIGSTOP)

    def kill(self):
        self.check_alive()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.check_alive()
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"the node did not stop in {STOP_SECONDS} s after SIGTERM\n{self.last_words()}") from None
        if code != 0:
            raise Wrong(f"the node stopped with code {code} after SIGTERM\n{self.last_words()}")
        return time.monotonic() - begin

    def end(self):
        """Whatever happened: it does not outlive us."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ask(self, *words):
        """The reply to one command of the tool, as JSON."""
        done = subprocess.run([self.tool, "--at", f"127.0.0.1:{self.port}", "--json", *words], timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Wrong(f"holdfast {' '.join(words)}: code {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)


# ---- Setting up -------------------------------------------------------------------------------------


def spread(node):
    """Accounts and ledger lie on all cores, in equal parts; answers how many parts there are."""
    shards = int(connect(node.port).info("server")["holdfast_cores"])
    parts = max(shards, 2)  # with one core a transfer still goes from range to range
    for part in range(1, parts):
        place(node, account(ACCOUNTS * part // parts), part % shards)
    for number in range(2 * CLIENTS):
        place(node, f"ledger:{number}:", number % shards)
    return shards, parts


def place(node, key, shard):
    node.ask("ranges", "split", key)
    node.ask("ranges", "move", key, str(shard))


def load(node):
    money = b"%d" % START_MONEY
    commands = bytearray()
    for number in range(ACCOUNTS):
        key = account(number).encode()
        commands += b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(money), money)
    begin = time.monotonic()
    done = subprocess.run(["redis-cli", "-p", str(node.port), "--pipe"], input=bytes(commands), timeout=600,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if f"errors: 0, replies: {ACCOUNTS}" not in done.stdout.decode():
        raise Wrong(f"redis-cli --pipe: {done.stdout.decode().strip()}")
    return ACCOUNTS / (time.monotonic() - begin)


# ---- The clients ------------------------------------------------------------------------------------


class Client:
    """One process: a Redis connection that moves money until it is told to end or the node is gone."""

    def __init__(self, number, port, parts, folder, until):
        self.number = number
        self.random = random.Random(number)
        self.parts = parts
        self.until = until
        self.redis = connect(port)
        self.record = open(os.path.join(folder, f"client-{number}"), "w", encoding="ascii")
        self.figures = os.path.join(folder, f"client-{number}.json")
        self.sent = 0
        self.latencies = []
        self.counts = {"yes": 0, "no": 0, "cut": 0}

    def choose(self):
        size = ACCOUNTS // self.parts
        here, there = self.random.sample(range(self.parts), 2)
        from_account = here * size + self.random.randrange(size)
        to_account = there * size + self.random.randrange(size)
        if self.random.randrange(10) == 0:
            to_account = SHOP
        # Now and then more than most accounts hold: refused as a whole, or the bound is none.
        amount = self.random.randint(1, 50) if self.random.randrange(20) else self.random.randint(900, 1500)
        transfer = (f"{self.number}:{self.sent:08d}", from_account, to_account, amount)
        self.sent += 1
        return transfer

    def run(self):
        import redis

        begin = time.monotonic()
        try:
            while not self.until.is_set():
                self.batch([self.choose() for _ in range(DEPTH)])
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
            pass  # the node is gone: what has no answer has none
        self.record.close()
        seconds = time.monotonic() - begin
        with open(self.figures, "w", encoding="ascii") as out:
            json.dump({"seconds": seconds, "latencies": self.latencies, **self.counts}, out)

    def batch(self, transfers):
        pipe = self.redis.pipeline(transaction=False)
        for name, from_account, to_account, amount in transfers:
            self.record.write(f"ask {name} {from_account} {to_account} {amount}\n")
            pipe.execute_command("MULTI")
            pipe.execute_command("HF.ADD", account(from_account), -amount, "MIN", 0)
            pipe.execute_command("HF.ADD", account(to_account), amount)
            pipe.set(f"ledger:{name}", f"{from_account} {to_account} {amount}")
            pipe.execute_command("EXEC")
        self.record.flush()
        begin = time.monotonic()
        replies = pipe.execute(raise_on_error=False)
        self.latencies.append(time.monotonic() - begin)
        for (name, *_), reply in zip(transfers, replies[4::5]):
            if isinstance(reply, list) and len(reply) == 3 and not any(isinstance(r, Exception) for r in reply):
                self.record.write(f"yes {name}\n")
                self.counts["yes"] += 1
            elif isinstance(reply, Exception) and str(reply).startswith("INDOUBT"):
                self.counts["cut"] += 1
            elif isinstance(reply, Exception):
                self.record.write(f"no {name} {reply}\n")
                self.counts["no"] += 1
            else:
                raise Wrong(f"EXEC answered {reply!r}")
        self.record.flush()


def run_client(*args):
    # The demonstration ends its clients itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Client(*args).run()


def has_answer(path):
    if not os.path.exists(path):
        return False
    with open(path, encoding="ascii") as file:
        return any(line.startswith("yes") for line in file)


def waits(path):
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - 1000, 0))
        lines = file.read().splitlines()
    return bool(lines) and lines[-1].startswith(b"ask")


class Clients:
    """All client processes of one round."""

    def __init__(self, node, parts, first):
        self.until = multiprocessing.Event()
        self.numbers = range(first, first + CLIENTS)
        self.folder = node.folder
        self.processes = [
            multiprocessing.Process(target=run_client, args=(n, node.port, parts, node.folder, self.until))
            for n in self.numbers]
        for process in self.processes:
            process.start()

    def wait_for(self, what, words):
        """Until this holds for what each has written so far."""
        until = time.monotonic() + START_SECONDS
        while not all(what(os.path.join(self.folder, f"client-{number}")) for number in self.numbers):
            if time.monotonic() > until:
                raise Wrong(f"within {START_SECONDS} s {words}")
            time.sleep(0.01)  # tidy: sleep polls for what other processes write

    def end(self):
        for process in self.processes:
            process.kill()
            process.join()

    def join(self):
        for process in self.processes:
            process.join(60)
            if process.exitcode != 0:
                raise Wrong(f"a client ended with code {process.exitcode}")

    def figures(self):
        latencies = []
        rate = 0
        for number in self.numbers:
            with open(os.path.join(self.folder, f"client-{number}.json"), encoding="ascii") as file:
                one = json.load(file)
            latencies += one["latencies"]
            rate += one["yes"] / one["seconds"]
        latencies.sort()
        if rate == 0 or not latencies:
            raise Wrong("no transfer was acknowledged at all")
        p50, p99 = (latencies[min(int(len(latencies) * q), len(latencies) - 1)] * 1000 for q in (0.5, 0.99))
        return rate, p50, p99


# ---- The proof --------------------------------------------------------------------------------------


def records(folder):
    asked, yes, no = {}, set(), {}
    for name in sorted(os.listdir(folder)):
        if not re.fullmatch(r"client-\d+", name):
            continue
        with open(os.path.join(folder, name), encoding="ascii") as file:
            for line in file:
                word = line.split()
                if word[0] == "ask":
                    asked[word[1]] = tuple(int(w) for w in word[2:])
                elif word[0] == "yes":
                    yes.add(word[1])
                else:
                    no[word[1]] = word[2]
    return asked, yes, no


def read_many(client, keys):
    values = []
    for at in range(0, len(keys), CHUNK):
        values += client.mget(keys[at:at + CHUNK])
    return values


def some(names):
    names = sorted(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def read_ledger(client):
    keys = sorted(set(client.scan_iter(match="ledger:*", count=CHUNK)))
    ledger = {}
    for key, value in zip(keys, read_many(client, keys)):
        ledger[key.decode()[len("ledger:"):]] = tuple(int(word) for word in value.split())
    return ledger


def prove(node, others):
    """Raises Wrong, or answers what was found. `others`: money moved without a ledger."""
    client = connect(node.port)
    asked, yes, no = records(node.folder)
    ledger = read_ledger(client)
    there = set(ledger)
    for names, what in ((yes - there, "acknowledged, but not there"), (set(no) & there, "refused, but there"),
                        (there - set(asked), "there, but nobody asked for it")):
        if names:
            raise Wrong(f"transfers {what}: {some(names)} ({len(names)} in all)")
    for name, moved in ledger.items():
        if moved != asked[name]:
            raise Wrong(f"transfer {name}: asked for {asked[name]}, the ledger says {moved}")
    balances = read_many(client, [account(number) for number in range(ACCOUNTS)])
    if None in balances:
        raise Wrong(f"{balances.count(None)} accounts are missing")
    balances = [int(balance) for balance in balances]
    if sum(balances) != ACCOUNTS * START_MONEY:
        raise Wrong(f"the money is {sum(balances)}, it was {ACCOUNTS * START_MONEY}")
    if min(balances) < 0:
        raise Wrong(f"{account(balances.index(min(balances)))} has {min(balances)}")
    expected = list(others)
    for from_account, to_account, amount in ledger.values():
        expected[from_account] -= amount
        expected[to_account] += amount
    for number, balance in enumerate(balances):
        if balance != expected[number]:
            raise Wrong(f"{account(number)} has {balance}, its transfers make {expected[number]}")
    cut = set(asked) - yes - set(no)
    why = {word: sum(1 for w in no.values() if w == word) for word in sorted(set(no.values()))}
    return {"yes": len(yes), "no": len(no), "why": why, "cut": len(cut), "cut_there": len(cut & there), "least": min(balances)}


def say_proof(report, proof):
    report.say(f"{proof['yes']:,} acknowledged transfers: every one is in the ledger, with its amount")
    why = ", ".join(f"{word} {count:,}" for word, count in proof["why"].items())
    report.say(f"{proof['no']:,} refused transfers ({why}): not one is there")
    report.say(f"{proof['cut']:,} cut off without an answer: {proof['cut_there']:,} are there whole, the others not at all")
    report.say(f"the money is all there: {ACCOUNTS:,} accounts, {ACCOUNTS * START_MONEY:,} in sum; "
               f"every balance is what its transfers make; the lowest is {proof['least']:,}")


# ---- Throughput -------------------------------------------------------------------------------------


def benchmark(node):
    """Transfers of one command each, from redis-benchmark: what the node does, not what Python does."""
    transfer = ["HF.TXN", "THEN", "2", "5", "HF.ADD", "account:__rand_int__", "-1", "MIN", "0",
                "3", "HF.ADD", "account:__rand_int__", "1"]

    def run(count):
        done = subprocess.run(
            ["redis-benchmark", "-p", str(node.port), "-c", "50", "-P", str(DEPTH), "-n", str(count), "-r",
             str(ACCOUNTS), "--csv", *transfer],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
        rows = [row for row in csv.reader(done.stdout.splitlines()) if len(row) == 8 and row[0] != "test"]
        if done.returncode != 0 or not rows:
            raise Wrong(f"redis-benchmark: code {done.returncode}: {done.stdout} {done.stderr}")
        return float(rows[-1][1]), float(rows[-1][4]), float(rows[-1][6])

    rate, _, _ = run(10_000)
    return run(int(min(max(rate * 3, 10_000), 1_000_000)))


# ---- All of it --------------------------------------------------------------------------------------


def show(node, report, seconds, cleanup):
    report.say(f"a node, started on an empty data directory in {node.run():.2f} s")
    shards, parts = spread(node)
    report.say(f"{shards} cores; accounts and ledger lie in {len(node.ask('ranges'))} ranges on all of them")
    report.say(f"{ACCOUNTS:,} accounts of {START_MONEY} loaded by redis-cli --pipe: {load(node):,.0f}/s")
    burst = benchmark(node)
    report.say(f"redis-benchmark, 50 connections, {DEPTH} in a pipeline: {burst[0]:,.0f} transfers/s, "
               f"p50 {burst[1]:.1f} ms, p99 {burst[2]:.1f} ms")
    # redis-benchmark keeps no ledger: what it moved is the starting point of the proof.
    others = [int(v) for v in read_many(connect(node.port), [account(n) for n in range(ACCOUNTS)])]

    clients = Clients(node, parts, 0)
    cleanup.append(clients.end)
    report.say(f"{CLIENTS} clients (redis-py), {DEPTH} transfers in a pipeline each: MULTI, two HF.ADD, SET, EXEC")
    try:
        node.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    clients.wait_for(has_answer, "not every client had an answer")
    node.stand_still()  # so that there is no client but has transfers under way
    clients.wait_for(waits, "not every client asked for a transfer")
    node.kill()
    report.say("SIGKILL")
    clients.join()
    rate, p50, p99 = clients.figures()
    recovery = node.run()
    report.say(f"started again on the same data: the first answer came after {recovery:.2f} s")
    proof = prove(node, others)
    if proof["cut"] == 0:
        raise Wrong("no transfer was under way at the SIGKILL: nothing is proved")
    say_proof(report, proof)

    clients = Clients(node, parts, CLIENTS)
    cleanup.append(clients.end)
    try:
        node.process.wait(max(seconds // 4, 1))
    except subprocess.TimeoutExpired:
        pass
    clients.wait_for(has_answer, "not every client had an answer")
    stopped = node.stop()
    report.say(f"more transfers, then SIGTERM under load: drained and ended with code 0 in {stopped:.2f} s")
    clients.join()
    again = node.run()
    report.say(f"started again in {again:.2f} s")
    say_proof(report, prove(node, others))
    print(f"""
transfers       {rate:,.0f}/s with redis-py, {burst[0]:,.0f}/s with redis-benchmark; each on disk before its answer
latency         p50 {p50:.1f} ms, p99 {p99:.1f} ms (redis-py); p50 {burst[1]:.1f} ms, p99 {burst[2]:.1f} ms (redis-benchmark); \
a pipeline of {DEPTH}
recovery        {recovery:.2f} s after SIGKILL, {again:.2f} s after SIGTERM""", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--keep", action="store_true")
    if "--help" in sys.argv[1:]:
        print(__doc__.strip())
        return 0
    options = parser.parse_args()
    report = Report()
    folder = tempfile.mkdtemp(prefix="holdfast-quickstart-")
    node = Node(os.path.abspath(options.bin), folder)
    cleanup = []
    kept = False

    def ended(number, _frame):
        raise Wrong(f"ended by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    signal.signal(signal.SIGHUP, ended)
    try:
        show(node, report, options.seconds, cleanup)
        kept = options.keep
        if kept:
            print(f"kept            redis-cli -p {node.port}; the node's process is {node.process.pid}; {folder}")
        print("PASS: nothing that was acknowledged is missing")
        return 0
    except Exception as problem:  # whatever it is, it is not a PASS
        kept = options.keep
        print(f"FAIL: {problem if isinstance(problem, Wrong) else repr(problem)}", file=sys.stderr)
        if kept:
            print(f"kept: {folder}", file=sys.stderr)
        return 1
    finally:
        for end in cleanup:
            end()
        if not kept:
            node.end()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
