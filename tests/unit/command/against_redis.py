#!/usr/bin/env python3
"""Gives the same random commands to redis-server and to our commands, and compares the replies byte for byte.

    against_redis.py DRIVER [--seed N] [--commands N]

DRIVER is the program of driver.c. redis-server is started here, on a free port of the loopback device, without
persistence, and stopped at the end. Without redis-server: exit 77. What cannot be equal is compared by what it
means: the order of hashes and scans, random picks, and times to live that run on.
"""
import argparse
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class Replies:
    """Reads RESP replies from a function that gives more bytes."""

    def __init__(self, more):
        self.more = more
        self.data = b""

    def line(self):
        while b"\r\n" not in self.data:
            self.fill()
        line, self.data = self.data.split(b"\r\n", 1)
        return line

    def fill(self):
        got = self.more()
        if not got:
            raise EOFError("the other side has gone")
        self.data += got

    def take(self, size):
        while len(self.data) < size:
            self.fill()
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def next(self):
        """(bytes, meaning)"""
        head = self.line()
        raw = head + b"\r\n"
        kind, rest = head[:1], head[1:]
        if kind in b"$=" and rest != b"-1":
            body = self.take(int(rest) + 2)
            return raw + body, body[:-2]
        if kind in b"*~>%" and rest != b"-1":
            parts = [self.next() for _ in range(int(rest) * (2 if kind == b"%" else 1))]
            return raw + b"".join(p[0] for p in parts), [p[1] for p in parts]
        if kind == b":":
            return raw, int(rest)
        return raw, head


def encode(command):
    out = [b"*%d\r\n" % len(command)]
    for word in command:
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Redis:
    def __init__(self):
        program = shutil.which("redis-server")
        if program is None:
            print("redis-server is not installed: skipped")
            sys.exit(77)
        # Bound while the server runs: nobody else takes the port, and the server may listen there.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", self.folder.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 60)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    sys.exit("redis-server did not start")
                time.sleep(0.05)  # tidy: sleep polls for a port to open
        self.replies = Replies(lambda: self.socket.recv(65536))

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.process.kill()  # it may be busy with a command that it cannot leave
        self.process.wait()
        self.held.close()
        self.folder.cleanup()


class Ours:
    def __init__(self, driver):
        self.process = subprocess.Popen([driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.replies = Replies(lambda: self.process.stdout.read(65536))

    def send(self, data):
        self.process.stdin.write(data)

    def end(self):
        """The driver ends by itself when its input does; it checks then that no memory was forgotten."""
        self.process.stdin.close()
        if self.process.wait(timeout=60) != 0:
            sys.exit("the driver ended badly")

    def close(self):
        self.process.kill()
        self.process.wait()


class Commands:
    """Random commands, mostly sensible, over few keys so that they meet."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.now = int(time.time())

    def one_of(self, *choices):
        return self.r.choice(choices)

    def some(self, make, least=1, most=4):
        return [make() for _ in range(self.r.randint(least, most))]

    def key(self):
        return b"k%d" % self.r.randrange(8) if self.r.random() < 0.9 else self.one_of(b"", b"\x00\xff", b"h[1]*")

    def hkey(self):
        return b"h%d" % self.r.randrange(4) if self.r.random() < 0.9 else self.key()

    def bkey(self):
        return b"b%d" % self.r.randrange(4) if self.r.random() < 0.9 else self.one_of(self.key(), self.hkey())

    def any_key(self):
        return self.one_of(self.key, self.hkey, self.bkey)()

    def integer(self):
        return self.one_of(
            lambda: b"%d" % self.r.randint(-20, 20), lambda: b"%d" % self.r.randint(-2**40, 2**40),
            lambda: self.one_of(b"9223372036854775807", b"-9223372036854775808", b"9223372036854775806",
                                b"-9223372036854775807"),
            lambda: self.one_of(b"9223372036854775808", b"-9223372036854775809", b"01", b"+1", b" 1", b"1 ", b"",
                                b"-", b"-0", b"0", b"1.5", b"abc", b"0x10"))()

    def small(self):
        return b"%d" % self.r.randint(-6, 12) if self.r.random() < 0.85 else self.integer()

    def floating(self):
        return self.one_of(
            lambda: b"%d" % self.r.randint(-100, 100), lambda: b"%.*f" % (self.r.randint(0, 8), self.r.uniform(-50, 50)),
            lambda: b"%g" % self.r.uniform(-1e20, 1e20),
            lambda: self.one_of(b"1e3", b"-1.5e-7", b".5", b"5.", b"0x1p3", b"3.0e3", b"1e400", b"1e4000", b"1e5000",
                                b"inf", b"-inf", b"nan", b"", b" 1", b"1 ", b"abc", b"-0", b"0.1", b"17179869184.1"))()

    def value(self):
        return self.one_of(
            self.integer, self.floating, lambda: b"", lambda: bytes(self.r.choices(b"abcab", k=self.r.randint(0, 12))),
            lambda: self.r.randbytes(self.r.randint(0, 40)), lambda: b"\xff" * self.r.randint(1, 4),
            lambda: b"x" * self.r.randint(40, 50))()

    def field(self):
        return self.one_of(b"a", b"b", b"c", b"d", b"", b"long-field-name", b"\x00")

    def case(self, word):
        return self.one_of(word, word.lower(), word.title())

    def later(self, seconds):
        """An absolute time: past, or far away."""
        t = self.one_of(self.now - 100, self.now + 100000, self.now + self.r.randint(10000, 900000))
        return b"%d" % (t if seconds else t * 1000 + self.r.randint(0, 999))

    def span(self, least):
        """An integer that is no short time: those would end while we compare."""
        word = self.integer()
        try:
            return b"%d" % (least + 5000) if 0 < int(word) < least else word
        except ValueError:
            return word

    def not_least(self):
        """BITFIELD SET with SAT of a number near -2^63 ends at the wrong limit in redis-server (it overflows)."""
        word = self.integer()
        return b"-5" if word.startswith(b"-9223372036854775") else word

    def ttl(self):
        return self.one_of(b"%d" % self.r.randint(5000, 100000), b"%d" % self.r.randint(5000, 100000), b"0", b"-1",
                           self.span(5000))

    def draws(self):
        """A count for HRANDFIELD: redis-server would make a reply of any size."""
        return b"%d" % self.r.randint(-9, 9) if self.r.random() < 0.9 else self.one_of(b"x", b"", b"-9223372036854775809")

    def expiry(self, extra):
        return self.one_of(
            lambda: [self.case(b"EX"), self.ttl()], lambda: [b"PX", self.one_of(b"90000000", b"50000000", self.span(5000000))],
            lambda: [b"EXAT", self.later(True)], lambda: [b"PXAT", self.later(False)], lambda: [extra],
            lambda: [b"EX"])()

    def set_options(self):
        words = []
        for _ in range(self.one_of(0, 0, 1, 1, 2, 3)):
            words += self.one_of(lambda: [self.case(b"NX")], lambda: [b"XX"], lambda: [b"GET"],
                                 lambda: self.expiry(b"KEEPTTL"), lambda: [b"bogus"])()
        return words

    def pattern(self):
        return b"".join(self.some(lambda: self.one_of(
            b"*", b"?", b"k", b"h", b"b", b"1", b"2", b"[0-3]", b"[^1]", b"[", b"]", b"\\", b"\\*", b"[3-0]", b"[a-",
            b"[]", b"[^]", b"[\\]]", b"-", b"\x00"), 1, 4))

    def encoding(self):
        return self.one_of(b"u", b"i") + b"%d" % self.one_of(1, 2, 7, 8, 13, 31, 32, 62, 63, 63, 64, 65, 0) \
            if self.r.random() < 0.95 else self.one_of(b"x8", b"u", b"i08", b"U8", b"")

    def offset(self):
        return self.one_of(b"%d" % self.r.randint(0, 90), b"#%d" % self.r.randint(0, 5), b"%d" % self.r.randint(0, 20),
                           b"%d" % self.r.randint(0, 20), self.one_of(b"-1", b"#-1", b"4294967296", b"99999999999", b"#", b"a", b"1 "))

    def bitfield_step(self, only_get):
        kinds = [lambda: [self.case(b"GET"), self.encoding(), self.offset()]]
        if not only_get or self.r.random() < 0.1:
            kinds += [lambda: [b"SET", self.encoding(), self.offset(), self.not_least()],
                      lambda: [b"INCRBY", self.encoding(), self.offset(), self.integer()],
                      lambda: [b"OVERFLOW", self.one_of(b"WRAP", b"SAT", b"FAIL", b"sat", b"NO")], lambda: [b"GET"],
                      lambda: [b"INCRBY", self.encoding(), self.offset(), b"%d" % self.r.randint(-300, 300)]]
        return self.r.choice(kinds)()

    def bitfield(self, only_get):
        return sum((self.bitfield_step(only_get) for _ in range(self.r.randint(0, 4))), [])

    def bit_range(self):
        words = [self.one_of(b"%d" % self.r.randint(-5, 5), self.small())]
        if self.r.random() < 0.8:
            words.append(self.one_of(b"%d" % self.r.randint(-5, 9), self.small()))
            if self.r.random() < 0.5:
                words.append(self.one_of(b"BYTE", b"BIT", b"bit", b"bytes"))
        return words

    def lcs_options(self):
        return sum(self.some(lambda: self.one_of([b"LEN"], [b"IDX"], [b"idx"], [b"WITHMATCHLEN"], [b"MINMATCHLEN", self.small()],
                                                 [b"MINMATCHLEN"], [b"NO"]), 0, 2), [])

    def expire_flags(self):
        return self.some(lambda: self.one_of(b"NX", b"XX", b"GT", b"LT", b"gt", b"NO"), 0, 2) if self.r.random() < 0.5 else []

    def next(self):
        pairs = lambda key: sum(self.some(lambda: [key(), self.value()], 1, 3), [])
        odd = lambda words: words[:-1] if self.r.random() < 0.05 and len(words) > 1 else words
        k, h, b, a = self.key, self.hkey, self.bkey, self.any_key
        rows = {
            b"SET": lambda: [k(), self.value()] + self.set_options(),
            b"SETNX": lambda: [k(), self.value()],
            b"SETEX": lambda: [k(), self.ttl(), self.value()],
            b"PSETEX": lambda: [k(), self.one_of(b"90000000", b"0", self.span(5000000)), self.value()],
            b"GET": lambda: [a()],
            b"GETEX": lambda: [a()] + self.one_of([], self.expiry(b"PERSIST"), self.expiry(b"PERSIST") + self.expiry(b"PERSIST")),
            b"GETDEL": lambda: [a()],
            b"GETSET": lambda: [a(), self.value()],
            b"MGET": lambda: self.some(a),
            b"MSET": lambda: odd(pairs(k)),
            b"MSETNX": lambda: odd(pairs(a)),
            b"APPEND": lambda: [a(), self.value()],
            b"STRLEN": lambda: [a()],
            b"GETRANGE": lambda: [a(), self.small(), self.small()],
            b"SUBSTR": lambda: [a(), self.small(), self.small()],
            b"SETRANGE": lambda: [a(), self.one_of(self.small(), b"3000000000"), self.value()],
            b"INCR": lambda: [a()],
            b"DECR": lambda: [a()],
            b"INCRBY": lambda: [a(), self.integer()],
            b"DECRBY": lambda: [a(), self.integer()],
            b"INCRBYFLOAT": lambda: [a(), self.floating()],
            b"DEL": lambda: self.some(a),
            b"UNLINK": lambda: self.some(a, 1, 2),
            b"EXISTS": lambda: self.some(a),
            b"TOUCH": lambda: self.some(a),
            b"TYPE": lambda: [a()],
            b"EXPIRE": lambda: [a(), self.ttl()] + self.expire_flags(),
            b"PEXPIRE": lambda: [a(), self.one_of(b"90000000", b"-5", self.span(5000000))] + self.expire_flags(),
            b"EXPIREAT": lambda: [a(), self.one_of(self.later(True), self.integer())] + self.expire_flags(),
            b"PEXPIREAT": lambda: [a(), self.one_of(self.later(False), self.integer())] + self.expire_flags(),
            b"TTL": lambda: [a()],
            b"PTTL": lambda: [a()],
            b"EXPIRETIME": lambda: [a()],
            b"PEXPIRETIME": lambda: [a()],
            b"PERSIST": lambda: [a()],
            b"RENAME": lambda: [a(), a()],
            b"RENAMENX": lambda: [a(), a()],
            b"COPY": lambda: [a(), a()] + self.one_of([], [b"REPLACE"], [b"DB", b"0"], [b"DB", b"99"], [b"DB", b"x"], [b"NO"], [b"DB"]),
            b"RANDOMKEY": lambda: [],
            b"KEYS": lambda: [self.pattern()],
            b"SCAN": lambda: [b"0", b"COUNT", b"1000"] + self.one_of(
                [], [b"MATCH", self.pattern()], [b"TYPE", self.one_of(b"string", b"hash", b"list", b"Hash")],
                [b"COUNT", self.one_of(b"0", b"-1", b"x")], [b"NO"]),
            b"OBJECT": lambda: self.one_of(
                [b"FREQ", a()], [b"HELP"], [b"NO", a()], [b"ENCODING"], [b"IDLETIME", a()], [b"encoding", h()], []),
            b"DBSIZE": lambda: [],
            b"FLUSHALL": lambda: self.one_of([], [b"ASYNC"], [b"SYNC"], [b"NO"]),
            b"FLUSHDB": lambda: self.one_of([], [b"NO"], [b"NO"]),
            b"HSET": lambda: [h()] + odd(pairs(self.field)),
            b"HMSET": lambda: [h()] + odd(pairs(self.field)),
            b"HSETNX": lambda: [h(), self.field(), self.value()],
            b"HGET": lambda: [h(), self.field()],
            b"HMGET": lambda: [h()] + self.some(self.field),
            b"HGETALL": lambda: [h()],
            b"HKEYS": lambda: [h()],
            b"HVALS": lambda: [h()],
            b"HDEL": lambda: [h()] + self.some(self.field),
            b"HEXISTS": lambda: [h(), self.field()],
            b"HLEN": lambda: [h()],
            b"HSTRLEN": lambda: [h(), self.field()],
            b"HINCRBY": lambda: [h(), self.field(), self.integer()],
            b"HINCRBYFLOAT": lambda: [h(), self.field(), self.floating()],
            b"HSCAN": lambda: [h(), b"0"] + self.one_of(
                [], [b"MATCH", self.pattern()], [b"COUNT", self.small()], [b"TYPE", b"hash"], [b"NO"]),
            b"HRANDFIELD": lambda: [h()] + self.one_of(
                [], [self.draws()], [b"100"], [b"100", b"WITHVALUES"], [self.draws(), b"WITHVALUES"],
                [b"2", b"NO"], [b"9223372036854775807", b"WITHVALUES"], [b"-9223372036854775808"],
                [b"-9223372036854775807", b"WITHVALUES"]),
            b"GETBIT": lambda: [b(), self.offset()],
            b"SETBIT": lambda: [b(), self.offset(), self.one_of(b"0", b"1", b"1", b"2", self.integer())],
            b"BITCOUNT": lambda: [b()] + self.one_of([], self.bit_range()),
            b"BITPOS": lambda: [b(), self.one_of(b"0", b"1", b"1", b"2", b"x")] + self.one_of([], self.bit_range()),
            b"BITFIELD": lambda: [b()] + self.bitfield(False),
            b"BITFIELD_RO": lambda: [b()] + self.bitfield(True),
            b"LCS": lambda: [a(), a()] + self.lcs_options(),
        }
        rare = {b"FLUSHALL": 0.1, b"FLUSHDB": 0.1}
        while True:
            name = self.r.choice(list(rows))
            if self.r.random() < rare.get(name, 1):
                break
        if self.r.random() < 0.01:
            return [self.one_of(b"NOPE", b"get get", b"\xc3\xa9\r\n", b"x" * 200)] + self.some(self.value, 0, 4)
        words = rows[name]()
        if name != b"HRANDFIELD" and self.r.random() < 0.02:  # see draws()
            words = words + self.some(self.value, 1, 2)
        if name != b"HRANDFIELD" and self.r.random() < 0.02:
            words = words[:-1]
        return [self.case(name)] + words


def pairs_sorted(flat):
    return sorted(zip(flat[::2], flat[1::2]))


def alike(command, theirs, ours, proto):
    """Whether two different replies mean the same."""
    name = command[0].lower()
    a, b = theirs[1], ours[1]
    if theirs[0][:1] != ours[0][:1]:
        return False
    if name in {b"hkeys", b"hvals"}:
        return isinstance(a, list) and sorted(a) == sorted(b)
    if name == b"keys":  # in Redis '**' does not match an empty key, though '*' does
        return isinstance(a, list) and sorted(filter(None, a)) == sorted(filter(None, b))
    if name == b"hgetall":
        return isinstance(a, list) and pairs_sorted(a) == pairs_sorted(b)
    if name == b"scan":
        return isinstance(a, list) and a[0] == b[0] and sorted(filter(None, a[1])) == sorted(filter(None, b[1]))
    if name == b"hscan":
        return isinstance(a, list) and a[0] == b[0] and \
            [p for p in pairs_sorted(a[1]) if p[0]] == [p for p in pairs_sorted(b[1]) if p[0]]
    if name == b"dbsize":  # redis-server also counts what has expired and was not touched since
        return a >= b
    if name == b"object" and isinstance(a, int):  # seconds since it was used: not noted here
        return a >= b == 0
    if name == b"object":  # an encoding tells how the value came about, not what it is
        return command[1].lower() == b"encoding" and theirs[0][:3] != b"$-1" and ours[0][:3] != b"$-1"
    if name in {b"ttl", b"expiretime"}:
        return isinstance(a, int) and a > 0 and abs(a - b) <= 2
    if name in {b"pttl", b"pexpiretime"}:
        return isinstance(a, int) and a > 0 and abs(a - b) <= 5000
    if name in {b"randomkey", b"hrandfield"}:
        if isinstance(a, list):
            return len(a) == len(b)
        return theirs[0][:1] == b"$" and theirs[0][:3] != b"$-1" and ours[0][:3] != b"$-1"
    return False


def state_of(side, ms):
    """All keys with type and content, in order."""
    side.send(encode([b"KEYS", b"*"]))
    keys = sorted(side.replies.next()[1])
    found = []
    for key in keys:
        side.send(encode([b"TYPE", key]))
        kind = side.replies.next()[1]
        side.send(encode([b"HGETALL" if kind == b"+hash" else b"GET", key]) + encode([b"PEXPIRETIME", key]))
        content = side.replies.next()[1]
        expiry = side.replies.next()[1]
        found.append((key, kind, pairs_sorted(content) if isinstance(content, list) else content,
                      expiry if expiry < 0 else (expiry + 2500) // 5000 * 0 + 1))
    return found


def show(words):
    return " ".join(repr(w)[1:] for w in words)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=int, default=30000)
    parser.add_argument("--show", type=int, default=10, help="differences to show before it gives up")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    ours = Ours(options.driver)
    redis = Redis()
    commands = Commands(options.seed)
    differences = 0
    batch_size = 100
    used = set()
    try:
        for start in range(0, options.commands, batch_size):
            proto = commands.one_of(2, 3)
            now = b"%d" % int(time.time() * 1000)
            redis.send(encode([b"HELLO", b"%d" % proto]))
            redis.replies.next()
            ours.send(encode([b"HELLO", b"%d" % proto]) + encode([b"@ms", now]))
            ours.replies.next()
            ours.replies.next()
            batch = [commands.next() for _ in range(batch_size)]
            data = b"".join(map(encode, batch))
            redis.send(data)
            ours.send(data)
            for command in batch:
                theirs, mine = redis.replies.next(), ours.replies.next()
                if theirs[0][:1] != b"-":
                    used.add(command[0].upper())
                if theirs[0] != mine[0] and not alike(command, theirs, mine, proto):
                    differences += 1
                    print(f"RESP{proto} {show(command)}\n  redis {theirs[0]!r}\n  ours  {mine[0]!r}")
            a, b = state_of(redis, now), state_of(ours, now)
            if a != b:
                differences += 1
                print(f"after command {start + batch_size} the keys differ:")
                print("  only redis", [x for x in a if x not in b], "\n  only ours ", [x for x in b if x not in a])
            if differences >= options.show or a != b:
                break
        ours.end()
    finally:
        ours.close()
        redis.close()
    print(f"seed {options.seed}: {options.commands} commands, {len(used)} names succeeded, {differences} differences")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
