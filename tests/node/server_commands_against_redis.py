"""Claim: what connections and operators ask is answered as redis-server 7 answers it, errors included.

Every line below goes to both, on connections of their own, in RESP2 and RESP3; the replies must be equal. Where they
cannot be (a time, an address, a list of what there is), a name stands for the shape that is compared."""

import re
import shutil
import subprocess
import tempfile
import time
import unittest

import holdfast
from holdfast import Client, Node, RespError

BINARY = None


def kind(reply):
    return type(reply).__name__


def flags_only(reply):
    return sorted(re.findall(rb"(?:^| )(id|addr|name|age|idle|flags|db|sub|psub|multi|cmd|user|resp)=", reply))


# (words, how to look at the reply); words in one list go over one connection, in order.
CASES = [
    ["PING"], ["PING", "hello"], ["PING", "a", "b"], ["ECHO"], ["ECHO", "x"],
    ["SELECT", "0"], ["SELECT", "-1"], ["SELECT", "x"],
    ["HELLO", "x"], ["HELLO", "4"], ["HELLO", "1"], ["HELLO", "2", "NOPE"], ["HELLO", "2", "AUTH", "a"],
    ["HELLO", "2", "AUTH", "nobody", "x"], ["HELLO", "2", "SETNAME", "a b"],
    ["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "nobody", "x"], ["AUTH", "a", "b", "c"], ["AUTH"],
    (["CLIENT", "ID"], kind), ["CLIENT", "ID", "x"], ["CLIENT", "GETNAME"], ["CLIENT", "SETNAME", "a b"],
    ["CLIENT", "SETNAME", "me"], ["CLIENT", "GETNAME"], ["CLIENT", "SETNAME", ""], ["CLIENT", "GETNAME"],
    ["CLIENT", "NOPE"], ["CLIENT"], (["CLIENT", "INFO"], flags_only), (["CLIENT", "LIST"], kind),
    ["CLIENT", "LIST", "TYPE", "nope"], ["CLIENT", "LIST", "TYPE", "replica"], ["CLIENT", "LIST", "ID", "x"],
    ["CLIENT", "LIST", "NOPE"], ["CLIENT", "LIST", "ID", "99999"],
    ["CLIENT", "KILL", "1.2.3.4:5"], ["CLIENT", "KILL", "ID", "x"], ["CLIENT", "KILL", "ID", "99999"],
    ["CLIENT", "KILL", "TYPE", "nope"], ["CLIENT", "KILL", "TYPE", "pubsub"], ["CLIENT", "KILL", "NOPE", "x"],
    ["CLIENT", "KILL", "USER", "nobody"], ["CLIENT", "KILL", "ADDR", "1.2.3.4:5"],
    ["CLIENT", "KILL", "ID", "99999", "SKIPME", "nope"], ["CLIENT", "KILL"],
    ["CLIENT", "NO-EVICT", "on"], ["CLIENT", "NO-EVICT", "off"], ["CLIENT", "NO-EVICT", "x"],
    ["CLIENT", "REPLY", "x"], ["CLIENT", "REPLY", "on"], ["CLIENT", "PAUSE", "x"], ["CLIENT", "PAUSE", "-1"],
    ["CLIENT", "PAUSE", "1", "nope"], ["CLIENT", "PAUSE", "0"], ["CLIENT", "UNPAUSE"],
    ["CLIENT", "UNBLOCK", "x"], ["CLIENT", "UNBLOCK", "99999"], ["CLIENT", "UNBLOCK", "1", "nope"],
    ["CLIENT", "GETREDIR"], ["CLIENT", "TRACKINGINFO"], ["CLIENT", "CACHING", "yes"],
    ["CLIENT", "TRACKING", "off"],
    ["COMMAND", "COUNT", "x"], ["COMMAND", "NOPE"],
    ["CONFIG"], ["CONFIG", "NOPE"], ["CONFIG", "GET"], ["CONFIG", "GET", "nothing-of-this-name"],
    ["CONFIG", "GET", "appendonly-x"], ["CONFIG", "GET", "databases-x*"], ["CONFIG", "SET", "timeout"],
    ["CONFIG", "SET", "nope", "1"], ["CONFIG", "SET", "timeout", "0"], ["CONFIG", "SET", "timeout", "x"],
    ["CONFIG", "SET", "slowlog-log-slower-than", "x"], ["CONFIG", "SET", "slowlog-log-slower-than", "10000"],
    ["CONFIG", "SET", "timeout", "0", "timeout", "1"], ["CONFIG", "GET", "timeout"],
    (["CONFIG", "GET", "slowlog-max-len", "timeout"], sorted), ["CONFIG", "RESETSTAT"], ["CONFIG", "RESETSTAT", "x"],
    ["CONFIG", "REWRITE"],
    (["TIME"], lambda reply: [len(reply), [kind(part) for part in reply]]), ["TIME", "x"],
    (["LASTSAVE"], kind), ["BGSAVE", "NOPE"], ["ROLE", "x"], (["ROLE"], kind),
    ["WAIT", "0", "0"], ["WAIT", "x", "0"], ["WAIT", "0", "x"], ["WAIT", "0", "-1"], ["WAIT", "0"],
    ["SLOWLOG"], ["SLOWLOG", "NOPE"], ["SLOWLOG", "RESET"], ["SLOWLOG", "GET", "x"], ["SLOWLOG", "GET", "-2"],
    ["SLOWLOG", "GET", "0"], ["SLOWLOG", "LEN"], ["SLOWLOG", "LEN", "x"],
    ["LATENCY"], ["LATENCY", "NOPE"], ["LATENCY", "LATEST"], ["LATENCY", "HISTORY", "command"],
    ["LATENCY", "HISTORY"], ["LATENCY", "GRAPH", "command"], ["LATENCY", "RESET"],
    ["LATENCY", "RESET", "command"], ["LATENCY", "HISTOGRAM", "nothing"], (["LATENCY", "DOCTOR"], kind),
    ["MEMORY"], ["MEMORY", "NOPE"], (["MEMORY", "DOCTOR"], kind), (["MEMORY", "STATS"], kind),
    ["MEMORY", "PURGE"], ["MEMORY", "USAGE"], ["MEMORY", "USAGE", "nothing"], ["MEMORY", "STATS", "x"],
    ["ACL"], ["ACL", "NOPE"], ["ACL", "WHOAMI"], ["ACL", "WHOAMI", "x"], ["ACL", "USERS"],
    ["ACL", "GETUSER", "nobody"], ["ACL", "CAT", "nope"], (["ACL", "CAT"], kind),
    ["ACL", "LOG", "RESET"], ["ACL", "LOG"], (["ACL", "GENPASS"], lambda reply: len(reply)),
    (["ACL", "GENPASS", "5"], lambda reply: len(reply)), ["ACL", "GENPASS", "0"], ["ACL", "GENPASS", "x"],
    ["ACL", "DRYRUN", "nobody", "get"], ["ACL", "DRYRUN", "default", "nope"], ["ACL", "DELUSER", "nobody"],
    ["ACL", "LOAD"], ["ACL", "SAVE"],
    ["FUNCTION", "LIST"], ["FUNCTION", "FLUSH"], ["FUNCTION", "FLUSH", "x"], ["FUNCTION", "KILL"],
    ["FUNCTION", "NOPE"], ["FUNCTION"],
    ["CLUSTER", "INFO"], ["CLUSTER"], ["READONLY"], ["READWRITE"],
    ["SHUTDOWN", "NOPE"], ["SHUTDOWN", "SAVE", "NOSAVE"], ["SHUTDOWN", "ABORT"],
    ["PUBLISH", "c", "m"], ["PUBLISH", "c"], ["PUBSUB"], ["PUBSUB", "NOPE"], ["PUBSUB", "CHANNELS"],
    ["PUBSUB", "NUMSUB"], ["PUBSUB", "NUMSUB", "a", "b"], ["PUBSUB", "NUMPAT"], ["PUBSUB", "NUMPAT", "x"],
    ["PUBSUB", "SHARDCHANNELS"], ["PUBSUB", "SHARDNUMSUB", "a"],
    ["SCAN", "x"], ["SCAN", "0", "COUNT", "0"], ["SCAN", "0", "COUNT", "x"], ["SCAN", "0", "NOPE", "1"],
    ["SCAN", "0", "MATCH"], ["SCAN", "0"], ["SCAN"], ["SCAN", "0", "TYPE", "nope"],
    (["INFO", "nothing"], kind), ["INFO", "modules"], ["INFO", "cluster"], ["INFO", "keyspace"],
    ["NOSUCHCOMMAND", "a", "b"], ["MONITOR", "x"], ["QUIT", "x"],
    ["MULTI"], ["PING"], ["ECHO", "x"], ["SELECT", "0"], ["SELECT", "1000"], ["EXEC"],
    ["SUBSCRIBE"], ["UNSUBSCRIBE"], ["PUNSUBSCRIBE"], ["UNSUBSCRIBE", "a"],
]

# Each list is one connection: all is sent at once, so the order of replies and of messages is compared as well.
TALKS = [
    [["SUBSCRIBE", "a", "b"], ["PING"], ["PING", "x"], ["GET", "k"], ["SUBSCRIBE", "a"], ["PSUBSCRIBE", "p*"],
     ["UNSUBSCRIBE", "a"], ["UNSUBSCRIBE", "nothing"], ["PUNSUBSCRIBE"], ["UNSUBSCRIBE"], ["GET", "k"], ["PING"]],
    [["SUBSCRIBE", "a"], ["RESET"], ["PING"], ["CLIENT", "GETNAME"]],
    [["CLIENT", "REPLY", "OFF"], ["SET", "k", "1"], ["CLIENT", "REPLY", "ON"], ["ECHO", "end"]],
    [["CLIENT", "REPLY", "SKIP"], ["ECHO", "not seen"], ["ECHO", "seen"]],
    [["MULTI"], ["SET", "k", "2"], ["RESET"], ["EXEC"], ["GET", "k"], ["DEL", "k"]],
    [["PING"], ["QUIT"]],
]


class Redis:
    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="hf-redis-")
        self.held = holdfast.reserve()
        self.port = self.held.getsockname()[1]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", self.home, "--save", "", "--appendonly", "no",
             "--enable-debug-command", "yes"], stdout=subprocess.DEVNULL)
        until = time.monotonic() + holdfast.LIMIT
        while True:
            try:
                with Client(self.port) as client:
                    client("PING")
                return self
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.02)  # until it listens

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.held.close()
        shutil.rmtree(self.home, ignore_errors=True)


def plain(value):
    if isinstance(value, RespError):
        return "error: " + str(value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def talk_goes_on(commands):
    return commands[-1][0] != "QUIT"


def raw_talk(port, proto, commands):
    with Client(port) as client:
        if proto == 3:
            client("HELLO", "3")
        client.send_raw(b"".join(holdfast.encode(*words) for words in commands))
        data = client.buffer
        end = b"the end of this talk\r\n"
        if talk_goes_on(commands):
            client.send_raw(holdfast.encode("PING", end[:-2]))
        while end not in data:
            more = client.socket.recv(1 << 16)
            if not more:
                break  # it was told to quit
            data += more
        return data


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not here")
class AgainstRedis(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BINARY)
        cls.redis = Redis()
        cls.redis.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.redis.__exit__()
        cls.node.__exit__(None)

    def test_replies(self):
        for proto in (2, 3):
            with Client(self.redis.port) as theirs, self.node.client() as ours:
                if proto == 3:
                    theirs("HELLO", "3")
                    ours("HELLO", "3")
                for case in CASES:
                    words, look = case if isinstance(case, tuple) else (case, lambda reply: reply)
                    got = []
                    for client in (theirs, ours):
                        client.send(*words)
                        reply = client.value()
                        got.append(plain(reply) if isinstance(reply, RespError) else look(plain(reply)))
                        if words[0] == "QUIT":
                            client.close()
                            port = self.redis.port if client is theirs else self.node.port
                            client.__init__(port)
                            if proto == 3:
                                client("HELLO", "3")
                    with self.subTest(proto=proto, words=words):
                        self.assertEqual(got[1], got[0])

    def test_talks(self):
        for proto in (2, 3):
            for talk in TALKS:
                with self.subTest(proto=proto, talk=talk):
                    theirs = raw_talk(self.redis.port, proto, talk)
                    ours = raw_talk(self.node.port, proto, talk)
                    self.assertEqual(ours, theirs)


if __name__ == "__main__":
    holdfast.main()
