"""Claim: MULTI, EXEC, WATCH and what may stand between them behave as with redis-server 7, whoever else writes meanwhile,
and whatever kind of command is queued: those on keys of several cores, and those of the connection and the node."""

import re
import shutil
import time
import unittest

import holdfast
from holdfast import Client, Node
from server_commands_against_redis import Redis, plain

BINARY = None
SHORT = 0.02  # seconds that a key lives


def multi(*commands):
    return [("MULTI",), *commands, ("EXEC",)]


def watched(*between, first=(), second=("PING",)):
    """k1 is watched, somebody else does something, then EXEC."""
    def scene(me, other):
        me.pipeline(first)
        me("WATCH", "k1")
        other.pipeline(between)
        return me.pipeline(multi(second))
    return scene


def alone(*commands):
    return lambda me, other: me.pipeline(commands)


def expired(*between):
    """k1 is gone by its time, but nobody has looked at it, when it is watched."""
    def scene(me, other):
        me("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        me("SET", "k1", "x", "PX", "1")
        time.sleep(SHORT)
        me("WATCH", "k1")
        other.pipeline(between)
        got = me.pipeline(multi(("GET", "k1")))
        me("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        return got
    return scene


def expires_while_watched(me, _):
    lives = 0.02
    while me.pipeline([("SET", "k1", "x", "PX", int(lives * 1000)), ("WATCH", "k1"), ("PTTL", "k1")])[-1] <= 0:
        me("UNWATCH")  # it was over before it was watched
        lives *= 2
    time.sleep(lives + SHORT)  # its time to live
    return me.pipeline(multi(("PING",)))


def ends_with_its_connection(me, other):
    me.send("MULTI")
    me.send("SET", "k1", "lost")
    me.send("QUIT")
    said = [me.value() for _ in range(3)]
    try:
        said.append(me.value())
    except ConnectionError:
        said.append("closed")
    return said + [other("GET", "k1")]


def publishes(me, other):
    news = f"news:{me.proto}"  # nobody of another scene, who may not be gone yet, hears of it
    other("SUBSCRIBE", news)
    got = me.pipeline([*multi(("SET", "k1", "1"), ("PUBLISH", news, "one"), ("GET", "k1"), ("PUBLISH", "nobody", "x"),
                              ("SET", "z", "1"), ("PUBLISH", news, "two")), ("PUBLISH", news, "three")])
    return got, [other.value() for _ in range(3)]


def publishes_nothing_when_watch_fails(me, other):
    news = f"late:{me.proto}"
    other("SUBSCRIBE", news)
    me("SET", "k1", "0")
    me("WATCH", "k1")
    me("SET", "k1", "1")
    got = me.pipeline([*multi(("PUBLISH", news, "never"), ("SET", "k1", "2")), ("PUBLISH", news, "after")])
    return got, other.value()


STRING = [("SET", "k1", "1")]
SCENES = {
    "a watched key is set": watched(("SET", "k1", "2"), first=STRING),
    "a watched key is set to what it was": watched(("SET", "k1", "1"), first=STRING),
    "a watched key is deleted and comes back": watched(("DEL", "k1"), ("SET", "k1", "1"), first=STRING),
    "a watched key comes and goes": watched(("SET", "k1", "1"), ("DEL", "k1")),
    "nothing added": watched(("INCRBY", "k1", "0"), first=STRING),
    "nothing appended": watched(("APPEND", "k1", ""), first=STRING),
    "nothing overwritten": watched(("SETRANGE", "k1", "0", ""), first=STRING),
    "a bit stays": watched(("SETBIT", "k1", "0", "0"), first=STRING),
    "SETNX of a key that is there": watched(("SETNX", "k1", "2"), first=STRING),
    "PERSIST of what persists": watched(("PERSIST", "k1"), ("GETEX", "k1", "PERSIST"), first=STRING),
    "a time to live": watched(("EXPIRE", "k1", "100"), first=STRING),
    "a time to live that is over": watched(("PEXPIREAT", "k1", "1"), first=STRING),
    "a field gets its own value": watched(("HSET", "k1", "f", "1"), first=[("HSET", "k1", "f", "1")]),
    "a field that is not there is deleted": watched(("HDEL", "k1", "g"), first=[("HSET", "k1", "f", "1")]),
    "renamed onto itself": watched(("RENAME", "k1", "k1"), first=STRING),
    "renamed to": watched(("RENAME", "z", "k1"), first=[("SET", "z", "1")]),
    "copied to": watched(("COPY", "z", "k1"), first=[("SET", "z", "1")]),
    "all keys deleted, this one among them": watched(("FLUSHALL",), first=STRING),
    "all keys deleted, this one not among them": watched(("FLUSHALL",), first=[("SET", "z", "1")]),
    "expires while watched": expires_while_watched,
    "expired before": expired(),
    "expired before, then set": expired(("SET", "k1", "y")),
    "expired before, then deleted": expired(("DEL", "k1")),
    "own write": alone(("WATCH", "k1"), ("SET", "k1", "2"), *multi(("PING",))),
    "UNWATCH": alone(("WATCH", "k1"), ("SET", "k1", "2"), ("UNWATCH",), *multi(("PING",))),
    "DISCARD forgets": alone(("WATCH", "k1"), ("SET", "k1", "2"), ("MULTI",), ("DISCARD",), *multi(("PING",))),
    "EXEC forgets": alone(("WATCH", "k1"), ("SET", "k1", "2"), *multi(("PING",)), *multi(("PING",))),
    "a broken EXEC forgets": alone(("WATCH", "k1"), ("SET", "k1", "2"), *multi(("NOPE",)), *multi(("PING",))),
    "WATCH inside": alone(*multi(("WATCH", "k1"), ("SET", "k1", "2")), ("GET", "k1")),
    "MULTI inside": alone(*multi(("MULTI",), ("SET", "k1", "2")), ("GET", "k1")),
    "without MULTI": alone(("EXEC",), ("DISCARD",)),
    "arguments too many": alone(("MULTI", "x"), ("EXEC",), ("MULTI",), ("DISCARD", "x"), ("DISCARD",)),
    "RESET inside": alone(("MULTI",), ("SET", "k1", "9"), ("RESET",), ("EXEC",), ("GET", "k1")),
    "QUIT inside": ends_with_its_connection,
    "an error does not undo": alone(*multi(("SET", "k1", "x"), ("INCR", "k1"), ("HGET", "k1", "f"), ("SET", "z", "y")),
                                    ("MGET", "k1", "z")),
    "a list of pairs with one left over": alone(*multi(("MSET", "k1", "a", "z", "b", "b1"), ("SET", "z", "c")),
                                                ("MGET", "k1", "z", "b1"), ("MSET", "k1", "a", "z", "b", "b1"),
                                                ("MSETNX", "k1", "a", "z", "b", "b1")),
    "times to live inside": alone(*multi(("SET", "k1", "x", "EX", "100"), ("TTL", "k1"), ("PERSIST", "k1"), ("TTL", "k1"),
                                         ("EXPIRE", "k1", "-1"), ("GET", "k1"))),
    "messages": publishes,
    "messages of what fails": publishes_nothing_when_watch_fails,
    "only commands of the connection": alone(*multi(("CLIENT", "SETNAME", "me"), ("CLIENT", "GETNAME")),
                                             ("CLIENT", "GETNAME")),
    "nothing": alone(("MULTI",), ("EXEC",)),
    "all keys, some of them made here": alone(*multi(
        ("SET", "k1", "1"), ("MSET", "k2", "2", "z", "z"), ("DBSIZE",), ("KEYS", "k1"), ("KEYS", "z*"), ("FLUSHALL",),
        ("DBSIZE",), ("SET", "z", "2"), ("RANDOMKEY",), ("KEYS", "*")), ("KEYS", "*")),
    "all keys, some of them carried to another core": alone(*multi(
        ("SET", "k1", "1"), ("RENAME", "k1", "z"), ("KEYS", "*"), ("DBSIZE",), ("COPY", "z", "a"), ("DBSIZE",),
        ("FLUSHALL",), ("RENAME", "z", "k1"), ("KEYS", "*"), ("MSETNX", "a", "1", "z", "2"), ("DEL", "a"), ("RANDOMKEY",),
        ("DBSIZE",)), ("KEYS", "*")),
    "behind others": alone(("SET", "k1", "1"), ("MGET", "k1", "z"), *multi(("SET", "z", "2"), ("WAIT", "0", "0"), ("GET", "z")),
                           ("MGET", "k1", "z"), ("ECHO", "end")),
}

# Queued between two writes on different cores; how to look at the reply.
KIND = type
QUEUED = [
    (("INFO", "server"), KIND), (("INFO", "nothing"), KIND), (("CONFIG", "GET", "appendonly-x"), None),
    (("CONFIG", "SET", "timeout", "0"), None), (("CONFIG", "SET", "nope", "1"), None), (("CONFIG", "NOPE"), None),
    (("CONFIG", "GET"), None), (("CLIENT", "ID"), KIND), (("CLIENT", "ID", "x"), None), (("CLIENT", "GETNAME"), None),
    (("CLIENT", "SETNAME", "a b"), None), (("CLIENT", "INFO"), KIND), (("CLIENT", "LIST"), KIND),
    (("CLIENT", "NOPE"), None), (("CLIENT", "NO-EVICT", "on"), None), (("CLIENT", "KILL", "ID", "99999"), None),
    (("CLIENT", "UNBLOCK", "1", "nope"), None), (("COMMAND", "COUNT"), KIND), (("COMMAND", "NOPE"), None),
    (("COMMAND", "GETKEYS", "GET", "a"), None), (("COMMAND", "GETKEYS"), None), (("LASTSAVE",), KIND),
    (("ROLE",), KIND), (("WAIT", "0", "0"), None), (("WAIT", "x", "0"), None), (("TIME",), len),
    (("SLOWLOG", "LEN"), KIND), (("SLOWLOG", "NOPE"), None), (("SLOWLOG", "LEN", "x"), None),
    (("LATENCY", "LATEST"), None), (("LATENCY", "NOPE"), None), (("MEMORY", "USAGE", "k1"), KIND),
    (("MEMORY", "USAGE", "nothing"), None), (("MEMORY", "DOCTOR"), KIND), (("MEMORY", "NOPE"), None),
    (("MEMORY", "USAGE"), None), (("OBJECT", "NOPE", "k1"), None), (("OBJECT", "ENCODING", "k1"), None),
    (("OBJECT", "ENCODING"), None), (("OBJECT", "HELP"), KIND), (("ACL", "WHOAMI"), None), (("ACL", "NOPE"), None),
    (("ACL", "WHOAMI", "x"), None), (("ACL", "GETUSER", "nobody"), None), (("FUNCTION", "FLUSH"), None),
    (("FUNCTION", "NOPE"), None), (("FUNCTION", "LIST"), None), (("PUBSUB", "CHANNELS"), None),
    (("PUBSUB", "NUMSUB", "a"), None), (("PUBSUB", "NOPE"), None), (("PUBLISH", "a", "b"), None),
    (("PUBLISH", "a"), None), (("UNWATCH",), None), (("UNWATCH", "x"), None), (("CLUSTER", "INFO"), None),
    (("READONLY",), None), (("AUTH", "x"), None), (("AUTH", "nobody", "x"), None), (("SELECT", "0"), None),
    (("SELECT", "1000"), None), (("PING",), None), (("PING", "a", "b"), None), (("ECHO", "x"), None),
    (("DBSIZE",), None), (("KEYS", "k*"), None), (("SCAN", "0", "COUNT", "0"), None), (("SCAN", "x"), None),
    (("SCAN", "0"), len), (("RANDOMKEY",), KIND), (("FLUSHALL", "x"), None), (("SAVE",), None),
    (("SHUTDOWN", "NOPE"), KIND), (("DEBUG", "SET-ACTIVE-EXPIRE", "1"), None), (("NOPE",), None), (("GET",), None),
]


class Spoken(Client):
    def __init__(self, port, proto):
        super().__init__(port)
        self.proto = proto
        if proto == 3:
            self("HELLO", "3")


class Transactions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY, cores=2)
        with cls.node.client() as client:
            for place, key in enumerate(("h", "k1", "l")):
                holdfast.admin(client, "SPLIT", key)
                holdfast.admin(client, "MOVE", key, place % 2)
        cls.redis = Redis()
        cls.redis.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.redis.__exit__()
        assert cls.node.stop() == 0
        cls.node.__exit__(None)

    def both(self, proto, scene):
        said = []
        for port in (self.redis.port, self.node.port):
            with Spoken(port, proto) as me, Spoken(port, proto) as other:
                me("FLUSHALL")
                said.append(scene(me, other))
        return said

    def test_scenes(self):
        for proto in (2, 3):
            for name, scene in SCENES.items():
                with self.subTest(proto=proto, scene=name):
                    theirs, ours = self.both(proto, scene)
                    self.assertEqual(repr(ours), repr(theirs))

    def test_what_may_be_queued(self):
        for proto in (2, 3):
            for words, look in QUEUED:
                with self.subTest(proto=proto, words=words):
                    theirs, ours = self.both(proto, lambda me, _, words=words: me.pipeline(
                        [("SET", "k1", "0"), *multi(("SET", "k1", "1"), words, ("SET", "z", "2"), words, ("GET", "k1")),
                         ("MGET", "k1", "z")]))
                    for got in (theirs, ours):
                        if look is not None and isinstance(got[-2], list):
                            got[-2][1], got[-2][3] = (one if isinstance(one, holdfast.RespError) else look(one)
                                                      for one in (got[-2][1], got[-2][3]))
                    self.assertEqual(plain(ours), plain(theirs))

    def test_what_may_not_is_told(self):
        """What would change how replies look, or has a transaction of its own."""
        for words in (("SUBSCRIBE", "a"), ("PUNSUBSCRIBE",), ("HELLO", "3"), ("MONITOR",), ("CLIENT", "REPLY", "OFF"),
                      ("HF.BEGIN",), ("HF.TXN", "THEN", "0"), ("HF.LEVEL", "STRICT"), ("HF.TOKEN",)):
            with self.subTest(words=words), self.node.client() as client:
                got = client.pipeline([*multi(("SET", "k1", "never"), words), ("PING",)])
                self.assertRegex(str(got[2]), "^ERR Command not allowed inside a transaction")
                self.assertEqual(got[3].code, "EXECABORT")
                self.assertEqual(got[4], "PONG")

    def test_messages_come_between_replies(self):
        """Never inside of one, as with redis-server 7.0, which puts them into the array."""
        with Spoken(self.node.port, 3) as client:
            client("SUBSCRIBE", "news")
            client.send_raw(b"".join(holdfast.encode(*words) for words in multi(
                ("SET", "k1", "1"), ("PUBLISH", "news", "one"), ("SET", "z", "1"), ("ECHO", "x"))))
            said = [client.value() for _ in range(7)]
            self.assertIn([b"message", b"news", b"one"], said)
            self.assertIn(["OK", 1, "OK", b"x"], said)

    def test_many(self):
        """As many as fit, ours and those on keys in turn, and the next request right behind."""
        with self.node.client() as client, self.node.client() as listener:
            listener("SUBSCRIBE", "count")
            words = [("INCR", "k1"), ("PUBLISH", "count", "x"), ("INCR", "z")] * 1000
            client("DEL", "k1", "z")
            got = client.pipeline([*multi(*words), ("MGET", "k1", "z")])
            self.assertEqual(got[-2], [n for i in range(1000) for n in (i + 1, 1, i + 1)])
            self.assertEqual(got[-1], [b"1000", b"1000"])
            self.assertEqual([listener.value()[2] for _ in range(1000)], [b"x"] * 1000)

    def test_a_client_that_is_gone(self):
        """Nobody waits for the reply; nothing is left behind."""
        for turn in range(50):
            client = self.node.client()
            client.send_raw(b"".join(holdfast.encode(*one) for one in multi(
                ("SET", "k1:gone", turn), ("INFO",), ("CLIENT", "LIST"), ("SET", "z:gone", turn),
                ("CLIENT", "KILL", "SKIPME", "no", "ID", "0"))))
            client.close()
        with self.node.client() as client:
            holdfast.until(lambda: int(re.search(rb"connected_clients:(\d+)", client("INFO"))[1]) == 1, lambda: client("PING"))


if __name__ == "__main__":
    holdfast.main()
