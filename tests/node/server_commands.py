"""Claim: the commands about connections and the node reach over all of its cores, and common clients work with them."""

import json
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

import holdfast
from holdfast import Node, RespError

try:
    import redis
except ImportError:
    redis = None

BINARY = None
CORES = 2


def until(condition, what):
    """Waits for a condition that another thread or the node makes true."""
    end = time.monotonic() + holdfast.LIMIT
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def core_of(client):
    return int(re.search(rb"core=(\d+)", client("CLIENT", "INFO"))[1])


def clients_on_all_cores(node):
    """A connection on each core."""
    found = {}
    spare = []
    while len(found) < CORES:
        client = node.client()
        core = core_of(client)
        if core in found:
            spare.append(client)
        found.setdefault(core, client)
    for client in spare:
        client.close()
    return [found[core] for core in sorted(found)]


def move_range(client, to):
    return holdfast.admin(client, "MOVE", "m", to)


def fields(reply):
    return dict(zip(reply[::2], reply[1::2]))


def scan_all(clients, *options):
    """Every page over another connection."""
    keys, cursor, turn = [], b"0", 0
    while True:
        cursor, page = clients[turn % len(clients)]("SCAN", cursor, *options)
        keys += page
        turn += 1
        if cursor == b"0":
            return keys


class Tests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, cores=CORES)
        with cls.node.client() as client:  # user keys on both cores
            holdfast.admin(client, "SPLIT", "m")
            move_range(client, 1)

    @classmethod
    def tearDownClass(cls):
        cls.node.__exit__(None)

    def setUp(self):
        self.clients = clients_on_all_cores(self.node)
        self.client = self.clients[0]
        self.client("FLUSHALL")

    def tearDown(self):
        for client in self.clients:
            client.close()

    # ---- SCAN ----

    def test_scan_goes_over_all_cores_and_connections(self):
        keys = {b"%c%03d" % (97 + i % 26, i) for i in range(500)}
        self.client.pipeline(("SET", key, 1) for key in keys)
        for count in (1, 7, 1000):
            self.assertEqual(sorted(scan_all(self.clients, "COUNT", count)), sorted(keys))
        matching = scan_all(self.clients, "MATCH", "c*", "COUNT", "20")
        self.assertEqual(sorted(matching), sorted(key for key in keys if key[:1] == b"c"))
        self.client("HSET", "a-hash", "f", "v")
        self.assertEqual(scan_all(self.clients, "TYPE", "hash"), [b"a-hash"])

    def test_scan_returns_what_stays_while_ranges_move_and_others_come_and_go(self):
        stays = {b"%c-stays-%d" % (97 + i % 26, i) for i in range(400)}
        self.client.pipeline(("SET", key, 1) for key in stays)
        stop = threading.Event()

        def disturb():
            with self.node.client() as client:
                turn = 0
                while not stop.is_set():
                    turn += 1
                    client.pipeline([("SET", f"{c}-comes-{turn}", 1) for c in "agmsz"]
                                    + [("DEL", f"{c}-comes-{turn - 1}") for c in "agmsz"])
                    move_range(client, turn % 2)
                move_range(client, 1)

        other = threading.Thread(target=disturb)
        other.start()
        try:
            for _ in range(20):
                found = [key for key in scan_all(self.clients, "COUNT", "9") if b"-stays-" in key]
                self.assertEqual(len(found), len(set(found)))
                self.assertEqual(set(found), stays)
        finally:
            stop.set()
            other.join()

    def test_scan_refuses_cursors_it_does_not_know(self):
        self.client.pipeline(("SET", f"k{i}", 1) for i in range(30))
        cursor, _ = self.client("SCAN", "0")
        self.assertNotEqual(cursor, b"0")
        for wrong in (int(cursor) + (1 << 40), int(cursor) ^ 1, 1, 2 ** 64 - 1):
            with self.assertRaises(RespError) as caught:
                self.client("SCAN", wrong)
            self.assertIn("invalid cursor", str(caught.exception))
        self.assertEqual(len(self.client("SCAN", cursor)[1]), 10)

    # ---- Publish and subscribe ----

    def test_messages_reach_all_cores_in_order(self):
        listeners = clients_on_all_cores(self.node)
        for listener in listeners:
            listener("SUBSCRIBE", "news")
        with self.node.client() as by_pattern:
            by_pattern("HELLO", "3")
            self.assertEqual(by_pattern("PSUBSCRIBE", "n*"), [b"psubscribe", b"n*", 1])
            for i in range(200):
                self.assertEqual(self.clients[1]("PUBLISH", "news", i), CORES + 1)
            for i in range(200):
                message = str(i).encode()
                for listener in listeners:
                    self.assertEqual(listener.value(), [b"message", b"news", message])
                self.assertEqual(by_pattern.value(), [b"pmessage", b"n*", b"news", message])
            self.assertEqual(self.client("PUBSUB", "NUMSUB", "news", "none"), [b"news", CORES, b"none", 0])
            self.assertEqual(self.client("PUBSUB", "CHANNELS"), [b"news"])
            self.assertEqual(self.client("PUBSUB", "CHANNELS", "x*"), [])
            self.assertEqual(self.client("PUBSUB", "NUMPAT"), 1)
        for listener in listeners:
            listener.close()
        until(lambda: self.client("PUBSUB", "NUMSUB", "news") == [b"news", 0], "subscriptions end")
        until(lambda: self.client("PUBSUB", "NUMPAT") == 0, "patterns end")

    def test_a_subscriber_that_does_not_read_is_cut_off(self):
        with self.node.client() as lazy, self.node.client() as eager:
            lazy("SUBSCRIBE", "big")
            eager("SUBSCRIBE", "big")
            payload = b"x" * (1 << 20)
            sent = 0
            while self.client("PUBLISH", "big", payload) == 2:
                self.assertEqual(eager.value()[2], payload)
                sent += 1
                self.assertLess(sent, 200)
            self.assertEqual(eager.value()[2], payload)

    def test_many_subscriptions_of_one_connection(self):
        with self.node.client() as listener:
            names = [f"channel-{i}" for i in range(2000)]
            listener.send("SUBSCRIBE", *names)
            self.assertEqual([listener.value() for _ in names][-1], [b"subscribe", b"channel-1999", 2000])
            listener.send("UNSUBSCRIBE")
            self.assertEqual([listener.value() for _ in names][-1][2], 0)
            self.assertEqual(self.client("PUBSUB", "CHANNELS"), [])

    # ---- CLIENT ----

    def test_client_list_and_kill_see_every_core(self):
        with self.node.client() as victim:
            victim("CLIENT", "SETNAME", "victim")
            for client in self.clients:
                lines = [line for line in client("CLIENT", "LIST").split(b"\n") if b"name=victim " in line]
                self.assertEqual(len(lines), 1)
            number = int(re.match(rb"id=(\d+)", lines[0])[1])
            self.assertEqual(victim("CLIENT", "ID"), number)
            line = self.client("CLIENT", "LIST", "ID", number)
            self.assertEqual(line.split(b" age=")[0], lines[0].split(b" age=")[0])
            self.assertEqual(line.count(b"\n"), 1)
            killer = [c for c in self.clients if core_of(c) != core_of(victim)][0]
            self.assertEqual(killer("CLIENT", "KILL", "ID", number), 1)
            with self.assertRaises(ConnectionError):
                victim("PING")
        with self.node.client() as suicide:
            address = re.search(rb"addr=(\S+)", suicide("CLIENT", "INFO"))[1]
            self.assertEqual(suicide("CLIENT", "KILL", address), "OK")
            with self.assertRaises(ConnectionError):
                suicide("PING")

    def test_pause_holds_writes_back_on_every_core(self):
        self.assertEqual(self.client("CLIENT", "PAUSE", "3600000", "WRITE"), "OK")
        for i, client in enumerate(self.clients):
            self.assertIsNone(client("GET", "paused"))
            client.send("SET", f"paused-{i}", "1")
        with self.node.client() as other:
            self.assertEqual(other("EXISTS", "paused-0", "paused-1"), 0)
            self.assertEqual(other("CLIENT", "UNPAUSE"), "OK")
        for client in self.clients:
            self.assertEqual(client.value(), "OK")

    def test_idle_clients_are_closed(self):
        with self.node.client() as idle, self.node.client() as listener:
            listener("HELLO", "3")  # so that it may ask for other things, too
            listener("SUBSCRIBE", "c")
            listener("CONFIG", "SET", "timeout", "1")
            try:
                self.assertEqual(idle.socket.recv(1), b"")
            finally:
                listener("CONFIG", "SET", "timeout", "0")
            with self.node.client() as other:
                self.assertEqual(other("PUBLISH", "c", "still"), 1)

    # ---- What the node tells of itself ----

    def test_a_client_cannot_learn_what_seeds_the_hashes(self):
        number = self.node.wait_said("starting")["node"]
        info = self.client("INFO", "everything").decode()
        self.assertRegex(info, r"\r\nrun_id:[0-9a-f]{40}\r\n")
        self.assertRegex(info, r"\r\nmaster_replid:[0-9a-f]{40}\r\n")
        self.assertNotIn(number, info)

    def test_info_adds_up_all_cores(self):
        self.client.pipeline(("SET", f"{c}{i}", 1) for c in "az" for i in range(50))
        info = self.clients[1]("INFO").decode()
        values = dict(line.split(":", 1) for line in info.split("\r\n") if ":" in line)
        self.assertEqual(values["db0"].split(",")[0], "keys=100")
        self.assertEqual(values["loading"], "0")
        self.assertEqual(values["redis_mode"], "standalone")
        self.assertEqual(values["role"], "master")
        self.assertEqual(values["cluster_enabled"], "0")
        self.assertEqual(int(values["holdfast_cores"]), CORES)
        self.assertGreaterEqual(int(values["connected_clients"]), CORES)
        everything = self.client("INFO", "all").decode()
        self.assertIn("cmdstat_set:calls=", everything)
        # What is told is counted, not made up.
        for invented in ("rss", "total_system_memory", "fragmentation_ratio", "changes_since_last_save", "avg_ttl"):
            self.assertNotIn(invented, everything)
        self.assertIn("latency_percentiles_usec_set:p50=", everything)
        with self.assertRaises(RespError):
            self.client("GET")
        self.assertRegex(self.client("INFO", "commandstats").decode(), r"cmdstat_get:.*,rejected_calls=[1-9]")
        expired = int(values["expired_keys"])
        self.client.pipeline([("SET", "a-short", 1, "PX", 1), ("SET", "z-short", 1, "PX", 1)])
        until(lambda: f"expired_keys:{expired + 2}\r\n" in self.client("INFO", "stats").decode(), "they are removed")
        self.assertRegex(self.client("INFO", "errorstats").decode(), r"errorstat_ERR:count=\d+")

    def test_settings_hold_on_every_core(self):
        self.clients[1]("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "1000")
        try:
            for client in self.clients:
                self.assertEqual(client("CONFIG", "GET", "slowlog-log-slower-than"),
                                 [b"slowlog-log-slower-than", b"0"])
            self.client("SLOWLOG", "RESET")
            for i, client in enumerate(self.clients):
                client("SET", f"slow-{i}", "x" * 1000, "EX", "100")
            entries = self.client("SLOWLOG", "GET", "-1")
            shown = [entry[3] for entry in entries if entry[3][0] == b"SET"]
            self.assertEqual({words[1] for words in shown}, {b"slow-0", b"slow-1"})
            self.assertTrue(all(words[-1] == b"..." for words in shown))
            self.assertGreaterEqual(self.client("SLOWLOG", "LEN"), 2)
            self.assertEqual(len({entry[0] for entry in entries}), len(entries))
            self.assertEqual(len(self.client("SLOWLOG", "GET", "1")), 1)
        finally:
            self.client("CONFIG", "SET", "slowlog-log-slower-than", "10000", "slowlog-max-len", "128")
        self.client("SLOWLOG", "RESET")
        self.assertEqual(self.clients[1]("SLOWLOG", "GET"), [])

    def test_monitor_sees_every_core(self):
        with self.node.client() as monitor:
            self.assertEqual(monitor("MONITOR"), "OK")
            for i, client in enumerate(self.clients):
                client("SET", f'say "{i}"', b"\x00\n")
                client("AUTH", "default", "secret")
            lines = []
            while len([line for line in lines if '"AUTH"' in line]) < CORES:
                lines.append(monitor.value())
            for i in range(CORES):
                wanted = '"SET" "say \\"%d\\"" "\\x00\\n"' % i
                self.assertTrue(any(line.endswith(wanted) for line in lines), lines)
            self.assertTrue(all(re.match(r"\d+\.\d{6} \[0 [0-9.]+:\d+\] \"", line) for line in lines), lines)
            self.assertFalse(any("secret" in line for line in lines))

    def wait_for_a_lock(self, seconds):
        """About so long."""
        with self.node.client() as holder, self.node.client() as waiter:
            holder("HF.BEGIN")
            holder("SET", "a-slow", 1)
            waiter.send("SET", "a-slow", 2)
            time.sleep(seconds)
            holder("HF.COMMIT")
            return waiter.reply() == "OK"

    def test_latency_events(self):
        self.client("CONFIG", "SET", "latency-monitor-threshold", "1")
        try:
            until(lambda: self.wait_for_a_lock(0.01) and self.client("LATENCY", "LATEST") != [], "something takes long")
            for client in self.clients:
                self.assertEqual(client("LATENCY", "LATEST")[0][0], b"command")
                self.assertEqual(len(client("LATENCY", "HISTORY", "command")[0]), 2)
                self.assertIn(b"command - high", client("LATENCY", "GRAPH", "command"))
            self.assertIn(b"SLOWLOG", self.client("LATENCY", "DOCTOR"))
            histogram = fields(self.client("LATENCY", "HISTOGRAM", "set"))
            self.assertGreater(fields(histogram[b"set"])[b"calls"], 0)
        finally:
            self.client("CONFIG", "SET", "latency-monitor-threshold", "0")
        self.assertGreaterEqual(self.client("LATENCY", "RESET"), 1)
        self.assertEqual(self.client("LATENCY", "LATEST"), [])

    def test_save_is_a_checkpoint_of_every_core(self):
        before = [fields(shard)[b"checkpoints"] for shard in self.client("HF.ADMIN", "SHARDS")]
        self.client("SET", "a", 1)
        self.assertEqual(self.client("SAVE"), "OK")
        after = [fields(shard)[b"checkpoints"] for shard in self.client("HF.ADMIN", "SHARDS")]
        self.assertTrue(all(b > a for a, b in zip(before, after)), (before, after))
        self.assertGreater(self.client("LASTSAVE"), time.time() - 600)
        self.assertIn("Background saving", self.client("BGSAVE"))
        self.assertEqual(self.client("SAVE"), "OK")

    # ---- HF ----

    def test_admin_shows_ranges_locks_and_transactions(self):
        ranges = [fields(entry) for entry in self.client("HF.ADMIN", "RANGES")]
        user = [entry for entry in ranges if entry[b"space"] == b"user"]
        starts = [entry[b"start"] for entry in user]  # the node may have cut more, if it had much to do
        self.assertEqual(starts[0], b"")
        self.assertIn(b"m", starts)
        self.assertEqual([entry[b"end"] for entry in user], [*starts[1:], b""])
        self.assertEqual({entry[b"shard"] for entry in user}, {0, 1})
        with self.node.client() as other:
            other("HF.BEGIN")
            other("SET", "a-locked", 1)
            other("SET", "z-locked", 1)
            locks = [fields(entry) for entry in self.client("HF.ADMIN", "LOCKS")]
            self.assertEqual({entry[b"key"] for entry in locks if entry[b"mode"] == b"exclusive"},
                             {b"a-locked", b"z-locked"})
            kinds = {fields(entry)[b"kind"] for entry in self.client("HF.ADMIN", "TXNS")}
            self.assertEqual(kinds, {b"part", b"gateway"})
            other("HF.COMMIT")
        until(lambda: self.client("HF.ADMIN", "TXNS") == [], "nothing is under way")
        self.assertEqual(self.client("HF.ADMIN", "LOCKS"), [])
        self.client("HELLO", "3")
        stats = self.client("HF.ADMIN", "STATS")
        self.assertEqual(stats[b"keys"], 2)
        self.assertEqual(len(self.client("HF.ADMIN", "SHARDS")), CORES)

    def test_a_bounded_read_is_answered_where_history_begins_anew(self):
        """What a shard held before it started, or before it was given a range, is at no older timestamp; fresher will do."""
        for key in ("a", "z"):
            self.client("SET", key, "old")
        move_range(self.client, 0)
        move_range(self.client, 1)
        for client in self.clients:
            for words in (("GET", "z"), ("MGET", "a", "z"), ("KEYS", "*"), ("HF.RANGE", "", ""), ("EXISTS", "a", "z")):
                self.assertEqual(client("HF.READ", "BOUNDED", "1000", *words), client(*words))
            client("HF.LEVEL", "BOUNDED", "1000")
            self.assertEqual(client("MGET", "z", "a"), [b"old", b"old"])
            client("HF.LEVEL", "STRICT")
        stamp = self.client("HF.TOKEN")
        move_range(self.client, 0)
        move_range(self.client, 1)
        with self.assertRaisesRegex(RespError, "^EXPIRED"):  # this one was named
            self.client("HF.READ", "SNAPSHOT", stamp, "GET", "z")

    def test_keys_are_counted_at_a_timestamp(self):
        self.client("MSET", "a1", 1, "z1", 1)
        stamp = self.client("HF.TOKEN")
        time.sleep(0.005)  # a tick, by which timestamps of snapshots go
        stamp = max(stamp, self.client("HF.TOKEN"))
        time.sleep(0.005)
        self.client("MSET", "a2", 1, "z2", 1)
        self.client("DEL", "z1")
        for client in self.clients:
            self.assertEqual(client("HF.READ", "SNAPSHOT", stamp, "DBSIZE"), 2)
            self.assertEqual(sorted(client("HF.READ", "SNAPSHOT", stamp, "KEYS", "*")), [b"a1", b"z1"])
            self.assertEqual(client("DBSIZE"), 3)

    def test_leases_have_growing_tokens(self):
        first = self.clients[0]("HF.LOCK", "job", "me", "TTL", "3600000")
        self.assertIsNone(self.clients[1]("HF.LOCK", "job", "you", "TTL", "3600000"))
        self.assertEqual(self.clients[1]("HF.LOCK", "job", "me", "TTL", "3600000"), first)
        self.assertEqual(self.client("HF.UNLOCK", "job", "me"), 1)
        self.assertGreater(self.clients[1]("HF.LOCK", "job", "you", "TTL", "3600000"), first)

    def test_a_batch_of_transfers(self):
        def record(debit, credit, amount, least=0, flags=1, name=b"\0" * 16):
            return struct.pack("<16s32s32sqqI28x", name, debit, credit, amount, least, flags)

        def uuid7():
            return (int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & ((1 << 62) - 1)
                    ).to_bytes(16, "big")

        def codes(blob):
            reply = self.client("HF.APPLY", "transfer/1", blob)
            return list(struct.unpack(f"<{len(reply) // 4}I", reply))

        self.client.pipeline([("SET", "a1", 100), ("SET", "z1", 0), ("HSET", "hash", "f", "v")])
        name = uuid7()
        blob = (record(b"a1", b"z1", 30) + record(b"a1", b"z1", 1000) + record(b"a1", b"", 1)
                + record(b"a1", b"a1", 1) + record(b"a1", b"z1", 0) + record(b"a1", b"z1", 1, flags=8)
                + record(b"a1", b"hash", 1) + record(b"a1", b"z1", 7, name=name))
        self.assertEqual(codes(blob), [0, 1, 2, 2, 2, 2, 3, 0])
        self.assertEqual(self.client("MGET", "a1", "z1"), [b"63", b"37"])
        self.assertEqual(codes(record(b"a1", b"z1", 7, name=name)), [0])  # happened already
        self.assertEqual(codes(record(b"a1", b"z1", 8, name=name)), [6])
        self.assertEqual(self.client("MGET", "a1", "z1"), [b"63", b"37"])
        self.assertEqual(self.client("HF.OUTCOME", str(uuid.UUID(bytes=name)))[0], "COMMITTED")
        many = b"".join(record(b"z1" if i % 2 else b"a1", b"a1" if i % 2 else b"z1", 1, flags=0)
                        for i in range(3000))
        self.assertEqual(codes(many), [0] * 3000)
        self.assertEqual(self.client("MGET", "a1", "z1"), [b"63", b"37"])
        after = self.client.pipeline([("HF.APPLY", "transfer/1", record(b"a1", b"z1", 3)), ("GET", "a1")])
        self.assertEqual(after[1], b"60")
        for wrong in (("transfer/2", b"x" * 128), ("transfer/1", b"x" * 127), ("transfer/1", b"")):
            with self.assertRaises(RespError):
                self.client("HF.APPLY", *wrong)

    # ---- The change feed ----

    def read_changes(self, client, token, prefix=b"", count=1000):
        return client("HF.CHANGES", prefix, "FROM", token, "COUNT", count, "BLOCK", "200")

    def test_changes_come_whole_in_order_and_once(self):
        """Pairs of keys on two cores are written in one transaction each, while a range moves to and fro."""
        writers, rounds = 3, 150
        token = self.client("HF.CHANGES", "", "FROM", "NOW")[0]
        stop = threading.Event()

        def write(name):
            with self.node.client() as client:
                for i in range(rounds):
                    replies = client.pipeline([("MULTI",), ("SET", f"a-{name}-{i}", i), ("SET", f"z-{name}-{i}", i),
                                               ("EXEC",), ("SET", f"m-{name}-{i}", i), ("DEL", f"m-{name}-{i}")])
                    assert replies[3:] == [["OK", "OK"], "OK", 1], replies

        def move():
            with self.node.client() as client:
                turn = 0
                while not stop.is_set():
                    move_range(client, turn % 2)
                    turn += 1
                move_range(client, 1)

        threads = [threading.Thread(target=write, args=(name,)) for name in range(writers)]
        threads.append(threading.Thread(target=move))
        for thread in threads:
            thread.start()
        seen, last, turn = {}, 0, 0
        try:
            while len(seen) < writers * rounds * 4:
                token, page = self.read_changes(self.clients[turn % CORES], token, count=7)
                turn += 1
                here = {}
                for ts, kind, key in page:
                    self.assertGreaterEqual(ts, last)
                    self.assertNotIn((kind, key), seen)
                    last = ts
                    seen[kind, key] = here[kind, key] = ts
                for kind, key in here:  # the other half of a transaction is in the same page
                    if key[:1] in b"az":
                        other = (b"z" if key[:1] == b"a" else b"a") + key[1:]
                        self.assertEqual(here.get((b"put", other)), here[kind, key], (key, page))
                    elif kind == b"delete":
                        self.assertLess(seen[b"put", key], seen[kind, key])
                self.assertLess(last, int(token[1:], 16) + 1)
                last = int(token[1:], 16)
        finally:
            for thread in threads[:-1]:
                thread.join()
            stop.set()
            threads[-1].join()
        self.assertEqual(self.client("HF.CHANGES", "", "FROM", token)[1], [])

    def test_changes_have_kinds_prefixes_and_wait(self):
        token = self.client("HF.CHANGES", "", "FROM", "NOW")[0]
        with self.node.client() as waiting:
            waiting.send("HF.CHANGES", "my-", "FROM", token, "BLOCK", "60000")
            self.client.pipeline([("SET", "other", 1), ("HSET", "my-hash", "f", "v"), ("HSET", "my-hash", "g", "w"),
                                  ("HF.ADD", "my-sum", "5"), ("HF.ADD", "my-sum", "6"), ("EXPIRE", "my-sum", "100"),
                                  ("DEL", "my-hash")])
            token, page = waiting.reply()
            wanted = [b"put", b"fields", b"put", b"add", b"expire", b"delete"]
            while len(page) < len(wanted):
                token, more = self.read_changes(waiting, token, b"my-")
                page += more
            self.assertTrue(all(key.startswith(b"my-") for _, _, key in page))
            self.assertEqual([kind for _, kind, key in page if key == b"my-hash"][-1], b"delete")
            self.assertEqual([kind for _, kind, key in page if key == b"my-sum"][-1], b"expire")
            started = time.monotonic()
            self.assertEqual(waiting("HF.CHANGES", "my-", "FROM", token, "BLOCK", "1000")[1], [])
            self.assertGreaterEqual(time.monotonic() - started, 0.5)  # a core may have read its clock before it came
        gone = self.node.client()
        gone.send("HF.CHANGES", "", "FROM", token, "BLOCK", "3600000")
        gone.close()
        for wrong in (("", "FROM", "x"), ("", "FROM", "c" + "0" * 15), ("", "FROM", "cffffffffffffffff"),
                      ("", "UNTIL", token), ("", "FROM", token, "COUNT", "0"), ("", "FROM", token, "BLOCK")):
            with self.assertRaises(RespError):
                self.client("HF.CHANGES", *wrong)

    def test_a_token_that_is_too_old_is_told(self):
        token = self.client("HF.CHANGES", "", "FROM", "NOW")[0]
        big = "k" * 4000  # behind a letter: half of them on each core, so that no range is moved
        for i in range(60):
            self.client.pipeline(("SET", f"{'kz'[k % 2]}{big}{i}-{k}", 1) for k in range(30))
        with self.assertRaises(RespError) as caught:
            while True:
                token = self.client("HF.CHANGES", "nothing", "FROM", token, "COUNT", "1")[0]
                self.client.pipeline(("SET", f"{'kz'[k % 2]}{big}{k}", 1) for k in range(2400))
        self.assertEqual(caught.exception.code, "EXPIRED")
        with self.assertRaises(RespError):
            self.client("HF.CHANGES", "", "FROM", "c" + "0" * 16)

    # ---- HTTP ----

    def get(self, path, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.node.http_port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=holdfast.LIMIT) as response:
            return response.read().decode(), response.headers

    def test_http_pages(self):
        self.assertEqual(self.get("/livez")[0], "ok\n")
        self.assertEqual(self.get("/readyz?verbose")[0], "ready\n")
        status = json.loads(self.get("/api/status")[0])
        self.assertTrue(status["ready"])
        self.assertEqual(len(status["shards"]), CORES)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.get("/nope")
        self.assertEqual(caught.exception.code, 404)

    def test_metrics_are_well_formed(self):
        with self.assertRaises(RespError):
            self.client("GET")
        text, headers = self.get("/metrics")
        self.assertIn("version=0.0.4", headers["Content-Type"])
        check_metrics(self, text, False)
        text, headers = self.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
        self.assertIn("openmetrics", headers["Content-Type"])
        check_metrics(self, text, True)

    def test_http_connections_are_kept_and_bounded(self):
        with socket.create_connection(("127.0.0.1", self.node.http_port), holdfast.LIMIT) as s:
            file = s.makefile("rb")

            def answer():
                status = int(file.readline().split()[1])
                headers = {}
                while (line := file.readline()) not in (b"\r\n", b""):
                    name, value = line.decode().split(":", 1)
                    headers[name.lower()] = value.strip()
                return status, headers, file.read(int(headers["content-length"]))

            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            for _ in range(20):
                self.assertTrue(answer()[2].startswith(b"# HELP"))
                self.assertEqual(answer()[2], b"ok\n")
            s.sendall(b"PUT /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers, _ = answer()
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))
            s.sendall(b"GET /livez HTTP/1.1\r\nX: " + b"y" * 9000)
            self.assertEqual(answer()[0], 431)
            self.assertEqual(file.read(), b"")

    # ---- Clients that are in use ----

    @unittest.skipUnless(redis, "redis-py is not here")
    def test_redis_py(self):
        r = redis.Redis(host="127.0.0.1", port=self.node.port, socket_timeout=holdfast.LIMIT, client_name="py")
        self.assertTrue(r.ping())
        r.mset({"a": 1, "z": 2})
        self.assertEqual(sorted(r.scan_iter(count=1)), [b"a", b"z"])
        self.assertEqual(r.info()["db0"]["keys"], 2)
        self.assertEqual(r.info("server")["redis_mode"], "standalone")
        self.assertEqual(r.config_get("appendonly"), {"appendonly": "yes"})
        self.assertEqual(r.client_getname(), "py")
        self.assertTrue(any(c["name"] == "py" for c in r.client_list()))
        self.assertIsInstance(r.slowlog_get(), list)
        self.assertEqual(len(r.time()), 2)
        self.assertEqual(r.role()[0], b"master")
        self.assertIn("get", r.command())
        self.assertIsNotNone(r.lastsave())
        with r.pipeline() as pipe:
            pipe.set("b", 1).ping().echo("x").incr("b")
            self.assertEqual(pipe.execute()[-1], 2)
        p = r.pubsub(ignore_subscribe_messages=True)
        p.subscribe("ch")
        self.assertIsNone(p.get_message(timeout=holdfast.LIMIT))
        r.publish("ch", "hello")
        self.assertEqual(p.get_message(timeout=holdfast.LIMIT)["data"], b"hello")
        p.close()
        with r.monitor() as m:
            r.get("a")
            self.assertEqual(m.next_command()["command"], "GET a")
        r.close()

    @unittest.skipUnless(shutil.which("redis-cli"), "redis-cli is not here")
    def test_redis_cli(self):
        def run(*args, send=None):
            done = subprocess.run(["redis-cli", "-p", str(self.node.port), *args], input=send,
                                  capture_output=True, timeout=holdfast.LIMIT, check=False)
            self.assertEqual(done.returncode, 0, done)
            return done.stdout.decode()

        pipe = b"".join(holdfast.encode("SET", f"{c}{i}", "v" * i) for c in "az" for i in range(300))
        self.assertIn("errors: 0, replies: 600", run("--pipe", send=pipe))
        self.assertIn("600 keys", run("--bigkeys"))
        self.assertIn("600", run("--memkeys"))
        self.assertEqual(len(run("--scan", "--pattern", "a1*").split()), 111)
        stat = subprocess.Popen(["redis-cli", "-p", str(self.node.port), "--stat", "-i", "0.01"],
                                stdout=subprocess.PIPE)
        self.assertIn(b"data", stat.stdout.readline())
        self.assertIn(b"keys", stat.stdout.readline())
        self.assertRegex(stat.stdout.readline(), rb"^600 ")
        stat.kill()
        stat.wait()
        stat.stdout.close()
        docs = run("--json", "-3", "COMMAND", "DOCS", "hf.add")
        self.assertEqual(json.loads(docs)["hf.add"]["group"], "holdfast")


def check_metrics(test, text, openmetrics):
    """What promtool looks at: every sample belongs to the family described before it, names and labels are
    legal, no sample comes twice, histograms are cumulative and end in +Inf, OpenMetrics ends in EOF."""
    name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
    sample = re.compile(rf'^({name})(?:\{{({name}="(?:[^"\\\n]|\\["\\n])*"(?:,{name}="(?:[^"\\\n]|\\["\\n])*")*)\}})? '
                        r"([0-9.e+-]+|\+Inf|NaN)$")
    families, seen, family, kind, buckets = set(), set(), None, None, {}
    test.assertTrue(text.endswith("\n"))
    lines = text[:-1].split("\n")
    if openmetrics:
        test.assertEqual(lines.pop(), "# EOF")
    helped = None
    for line in lines:
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            test.assertGreater(len(line.split(" ", 3)[3]), 3)
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            test.assertEqual(family, helped)
            test.assertNotIn(family, families)
            test.assertIn(kind, ("counter", "gauge", "histogram", "info"))
            test.assertEqual(kind == "counter" and not openmetrics, family.endswith("_total"), line)
            families.add(family)
            continue
        match = sample.match(line)
        test.assertIsNotNone(match, line)
        full, labels, value = match.groups()
        test.assertNotIn((full, labels), seen)
        seen.add((full, labels))
        allowed = {"counter": [family + "_total" if openmetrics else family], "gauge": [family],
                   "info": [family + "_info"],
                   "histogram": [family + end for end in ("_bucket", "_sum", "_count")]}[kind]
        test.assertIn(full, allowed)
        if full.endswith("_bucket"):
            key, le = re.match(r'(.*),le="(.*)"$', labels).groups()
            bound = float(le)
            last_bound, last_count = buckets.get(key, (-1.0, -1))
            test.assertLess(last_bound, bound)
            test.assertLessEqual(last_count, int(value))
            buckets[key] = (bound, int(value))
        if full.endswith("_count") and kind == "histogram":
            test.assertEqual(buckets[labels], (float("inf"), int(value)))
    test.assertGreater(len(families), 30)
    test.assertIn("holdfast_errors" + ("" if openmetrics else "_total"), families)


class Shutdown(unittest.TestCase):
    def test_shutdown_stops_the_node_from_any_core(self):
        with Node(BINARY, cores=CORES) as node:
            for _ in range(2):
                clients = clients_on_all_cores(node)
                clients[1]("SET", "k", "v")
                clients[1].send("SHUTDOWN")
                self.assertEqual(clients[1].socket.recv(1), b"")
                for client in clients:
                    client.close()
                self.assertEqual(node.wait(), 0)
                node.start()
            with node.client() as client:
                self.assertEqual(client("GET", "k"), b"v")


if __name__ == "__main__":
    holdfast.main()
