#!/usr/bin/env python3
"""Writes names.inc from the rows of table.c: a hash over the command names that has no collisions."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SLOTS = 1024


def slot_of(name, seed):
    h = seed
    for c in name.encode():
        h = ((h ^ c) * 16777619) & 0xFFFFFFFF
    return (h ^ (h >> 15)) & (SLOTS - 1)


def main():
    with open(os.path.join(HERE, "table.c"), encoding="ascii") as source:
        names = re.findall(r'^    ROW\("([^"]+)"', source.read(), re.M)
    assert len(names) == len(set(names)) < 255
    seed = 2166136261
    while len({slot_of(name, seed) for name in names}) != len(names):
        seed = (seed + 2) & 0xFFFFFFFF
    slots = ["255"] * SLOTS
    for index, name in enumerate(names):
        slots[slot_of(name, seed)] = str(index)

    def lines(values):
        return "".join("    " + ", ".join(values[i:i + 16]) + ",\n" for i in range(0, len(values), 16))

    text = ("/* Made by names.py from table.c; do not edit. */\n/* clang-format off */\n"
            f"enum {{ NAMES_SLOTS = {SLOTS}, NAMES_EMPTY = 255, NAMES_COUNT = {len(names)},"
            f" NAMES_LONGEST = {max(map(len, names))} }};\n"
            f"#define NAMES_SEED {seed}u\n"
            "#ifdef NAMES_TABLES /* find.c alone */\n"
            "static const uint8_t names_slot[NAMES_SLOTS] = {\n" + lines(slots) + "};\n"
            "static const uint8_t names_size[NAMES_COUNT] = {\n" + lines([str(len(n)) for n in names]) + "};\n"
            "#endif\n/* clang-format on */\n")
    path = os.path.join(HERE, "names.inc")
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="ascii") as old:
            sys.exit(0 if old.read() == text else "names.inc is stale: run engine/command/names.py")
    with open(path, "w", encoding="ascii") as out:
        out.write(text)


main()
