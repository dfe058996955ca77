"""Claim: the Python client redis works unchanged: commands, pipelines, transactions, locks, pub/sub."""

import threading
import unittest

import clients

try:
    import redis
except ImportError:
    redis = None

BINARY = None


class RedisPy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = clients.node_for_clients(BINARY)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.node.__exit__(None)
        assert code == 0, f"{code}\n{cls.node.log_text()}"

    def setUp(self):
        self.client = redis.Redis(host="127.0.0.1", port=self.node.port, socket_timeout=clients.LIMIT, client_name="tests")
        self.addCleanup(self.client.close)
        self.client.flushall()

    def test_commands(self):
        r = self.client
        self.assertTrue(r.ping())
        self.assertTrue(r.set("k", "v", ex=100))
        self.assertEqual(r.get("k"), b"v")
        self.assertLessEqual(r.ttl("k"), 100)
        self.assertIsNone(r.set("k", "w", nx=True))
        self.assertEqual(r.set("k", "w", get=True), b"v")
        self.assertEqual(r.incrby("n", 5), 5)
        self.assertEqual(r.incrbyfloat("x", 1.5), 1.5)
        self.assertTrue(r.mset({"a": 1, "z": 2}))
        self.assertEqual(r.mget("a", "none", "z"), [b"1", None, b"2"])
        self.assertEqual(r.hset("h", mapping={"f": 1, "g": "two"}), 2)
        self.assertEqual(r.hgetall("h"), {b"f": b"1", b"g": b"two"})
        self.assertEqual(r.hincrby("h", "f", 4), 5)
        self.assertEqual(sorted(r.scan_iter("*")), [b"a", b"h", b"k", b"n", b"x", b"z"])
        self.assertEqual(dict(r.hscan_iter("h")), {b"f": b"5", b"g": b"two"})
        self.assertEqual(sorted(r.keys("[az]")), [b"a", b"z"])
        self.assertEqual(r.setbit("bits", 7, 1), 0)
        self.assertEqual(r.bitcount("bits"), 1)
        self.assertEqual(r.type("h"), b"hash")
        self.assertTrue(r.rename("a", "y"))
        self.assertEqual(r.exists("a", "y", "z"), 2)
        self.assertEqual(r.delete("y", "z", "none"), 2)
        self.assertEqual(r.dbsize(), 5)
        self.assertIn("redis_version", r.info())
        self.assertEqual(r.config_get("appendonly"), {"appendonly": "yes"})
        self.assertEqual(r.client_getname(), "tests")
        self.assertGreater(len(r.command()), 100)
        self.assertEqual(r.execute_command("HF.ADD", "n", 1, "MAX", 6), b"OK")
        with self.assertRaisesRegex(redis.ResponseError, "LIMIT"):
            r.execute_command("HF.ADD", "n", 1, "MAX", 6)
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            r.get("h")
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            r.lpush("list", 1)
        text = redis.Redis(host="127.0.0.1", port=self.node.port, decode_responses=True)
        self.assertEqual(text.get("k"), "w")

    def test_pipelines(self):
        with self.client.pipeline(transaction=False) as p:
            for i in range(5000):
                p.set(f"{chr(97 + i % 26)}:{i}", i)
            self.assertEqual(p.execute(), [True] * 5000)
        with self.client.pipeline() as p:
            p.set("a", 1).incr("z").hset("a", "f", 1).get("a")
            got = p.execute(raise_on_error=False)
            self.assertEqual((got[0], got[1], got[3]), (True, 1, b"1"))
            self.assertIsInstance(got[2], redis.ResponseError)

    def test_watch(self):
        with self.client.pipeline() as p:
            p.watch("a", "z")
            self.client.set("z", "changed")
            p.multi()
            p.set("a", 1)
            with self.assertRaises(redis.WatchError):
                p.execute()
        self.assertIsNone(self.client.get("a"))
        self.client.mset({"a": 0, "z": 0})

        def count():
            def one(pipe):
                low, high = int(pipe.get("a")), int(pipe.get("z"))
                pipe.multi()
                pipe.set("a", low + 1)
                pipe.set("z", high + 1)
            own = redis.Redis(host="127.0.0.1", port=self.node.port)
            for _ in range(25):
                own.transaction(one, "a", "z")

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client.mget("a", "z"), [b"100", b"100"])

    def test_publish_and_subscribe(self):
        with self.client.pubsub() as sub:
            sub.subscribe("news")
            sub.psubscribe("n*")
            kinds = [sub.get_message(timeout=clients.LIMIT)["type"] for _ in range(2)]
            self.assertEqual(kinds, ["subscribe", "psubscribe"])
            self.assertEqual(self.client.publish("news", "hello"), 2)
            got = [sub.get_message(timeout=clients.LIMIT) for _ in range(2)]
            self.assertEqual(sorted(m["type"] for m in got), ["message", "pmessage"])
            self.assertEqual({m["data"] for m in got}, {b"hello"})
            sub.ping()
            self.assertEqual(sub.get_message(timeout=clients.LIMIT)["type"], "pong")
            sub.unsubscribe()
            sub.punsubscribe()

    def test_found_again_after_a_restart(self):
        patient = redis.Redis(host="127.0.0.1", port=self.node.port, retry_on_error=[redis.ConnectionError],
                              retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100))
        self.assertTrue(patient.set("kept", 1))
        clients.start_again(self.node)
        self.assertEqual(patient.get("kept"), b"1")
        clients.start_again(self.node, kill=True)
        self.assertEqual(patient.get("kept"), b"1")


if __name__ == "__main__":
    if redis is None:
        clients.skip("python3-redis is not installed")
    import redis.backoff
    import redis.retry
    clients.main()
