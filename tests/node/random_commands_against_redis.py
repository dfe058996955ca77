"""Claim: over several shards, pipelined or one by one, alone or in MULTI, RESP2 or RESP3, commands on keys answer as
redis-server 7 does, and leave the same keys.

The commands are those of tests/unit/command/against_redis.py, which asks our functions themselves; here a node of
three cores is asked, whose ranges are cut between the keys, so that most commands with two keys are over two cores.

    random_commands_against_redis.py HOLDFASTD [--seed N] [--rounds N]
"""

import argparse
import os
import shutil
import socket
import sys

import holdfast

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "command"))

# pylint: disable=wrong-import-position
import against_redis  # noqa: E402
from against_redis import Commands, Replies, alike, encode, show, state_of  # noqa: E402

CORES = 3
CUTS = ("b1", "b2", "h1", "h2", "k1", "k3", "k5", "k7")
ROUND = 60  # commands between two looks at the keys
SHOWN = 10
NOT_SENT = {b"SCAN"}  # a page ends with a core's keys


class Ours:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), holdfast.LIMIT)
        self.replies = Replies(lambda: self.socket.recv(65536))

    def send(self, data):
        self.socket.sendall(data)


def in_multi(commands):
    """WATCH at times, MULTI, some commands, EXEC or DISCARD."""
    words = [commands.next() for _ in range(commands.r.randint(0, 6))]
    words = [one for one in words if one[0].upper() not in NOT_SENT]
    before = []
    if commands.r.random() < 0.3:
        before.append([b"WATCH", commands.any_key(), commands.any_key()])
        if commands.r.random() < 0.5:
            before.append([b"SET", commands.any_key(), b"x"])
    end = commands.one_of(b"EXEC", b"EXEC", b"EXEC", b"DISCARD")
    return [*before, [b"MULTI"], *words, [end]]


def batch_of(commands):
    batch = []
    while len(batch) < ROUND:
        if commands.r.random() < 0.15:
            batch += in_multi(commands)
        else:
            one = commands.next()
            batch += [one] if one[0].upper() not in NOT_SENT else []
    return batch


def parts_of(raw):
    replies = Replies(lambda: b"")
    replies.data = raw
    return [replies.next() for _ in range(int(replies.line()[1:]))]


class Comparison:
    def __init__(self):
        self.differences = 0
        self.names = set()
        self.queued = None

    def differ(self, what, theirs, ours):
        self.differences += 1
        print(f"{what}\n  redis {theirs!r}\n  ours  {ours!r}"[:2000])

    def look(self, command, theirs, ours, proto):
        name = command[0].upper()
        if theirs[0][:1] != b"-":
            self.names.add(name)
        both = isinstance(theirs[1], list) and isinstance(ours[1], list) and len(theirs[1]) == len(ours[1])
        if theirs[0] == ours[0]:
            pass
        elif name == b"EXEC" and both:
            for one, a, b in zip(self.queued, parts_of(theirs[0]), parts_of(ours[0])):
                if a[0] != b[0] and not alike(one, a, b, proto):
                    self.differ(f"RESP{proto} in EXEC: {show(one)}", a[0], b[0])
        elif not alike(command, theirs, ours, proto):
            self.differ(f"RESP{proto} {show(command)}", theirs[0], ours[0])
        if name == b"MULTI":
            self.queued = []
        elif name in (b"EXEC", b"DISCARD"):
            self.queued = None
        elif self.queued is not None and theirs[1] == b"+QUEUED":
            self.queued.append(command)


def one_round(redis, ours, commands, comparison):
    proto = commands.one_of(2, 3)
    for side in (redis, ours):
        side.send(encode([b"HELLO", b"%d" % proto]))
        side.replies.next()
    batch = batch_of(commands)
    pipelined = commands.r.random() < 0.5
    if pipelined:
        data = b"".join(map(encode, batch))
        redis.send(data)
        ours.send(data)
    for command in batch:
        if not pipelined:
            redis.send(encode(command))
            ours.send(encode(command))
        comparison.look(command, redis.replies.next(), ours.replies.next(), proto)
    theirs, mine = state_of(redis, 0), state_of(ours, 0)
    if theirs != mine:
        comparison.differ("the keys", [x for x in theirs if x not in mine], [x for x in mine if x not in theirs])
        return False
    return comparison.differences < SHOWN


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("holdfastd")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: skipped")
        sys.exit(77)
    comparison = Comparison()
    rounds = 0
    with holdfast.Node(os.path.abspath(options.holdfastd), cores=CORES) as node:
        with node.client() as client:
            for place, key in enumerate(CUTS):
                assert holdfast.admin(client, "SPLIT", key) == "OK"
                assert holdfast.admin(client, "MOVE", key, (place + 1) % CORES) == "OK"
        redis = against_redis.Redis()
        try:
            ours = Ours(node.port)
            commands = Commands(options.seed)
            while rounds < options.rounds and one_round(redis, ours, commands, comparison):
                rounds += 1
        finally:
            redis.close()
        code = node.stop()
    print(f"seed {options.seed}: {rounds} rounds, {len(comparison.names)} names succeeded, "
          f"{comparison.differences} differences, the node ended with {code}")
    sys.exit(0 if code == 0 and comparison.differences == 0 and len(comparison.names) > 60 else 1)


if __name__ == "__main__":
    main()
