#!/usr/bin/env python3
"""Writes copies of the engine's files with every mutant of mutants.txt planted, each behind a switch.

usage: plant.py --root SOURCE --list mutants.txt --out DIR [--files]

  --files   only print the names of the files that are changed, one a line (for the build)

In DIR: the changed files at their paths, and mutants.inc, one X(name) a line. A place that is not found exactly once
stops the build: the mutant must be brought up to date.
exit: 0 done, 1 a place was not found, 2 wrong usage
"""

import argparse
import os
import re
import sys


def fail(text):
    print("plant.py: " + text, file=sys.stderr)
    sys.exit(1)


def read_list(path):
    mutants = []
    edit = None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("== "):
            words = line.split()
            mutants.append({"name": words[1], "seeds": int(words[2]), "args": words[3:], "edits": []})
            edit = None
        elif line.startswith("what: "):
            mutants[-1]["what"] = line[6:]
        elif line.startswith("file: "):
            edit = {"file": line[6:], "old": [], "new": []}
            mutants[-1]["edits"].append(edit)
        elif line.startswith("-") and edit is not None:
            edit["old"].append(line[1:].strip())
        elif line.startswith("+") and edit is not None:
            edit["new"].append(line[1:])
        elif line and not line.startswith("#"):
            fail("%s:%d: not understood: %s" % (path, number, line))
    names = [m["name"] for m in mutants]
    if len(names) != len(set(names)):
        fail(path + ": a name is there twice")
    return mutants


def place_of(text, old):
    """The one stretch of text that has these lines; blanks between and around lines do not count."""
    pattern = r"\s*".join(re.escape(line) for line in old)
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        return None, len(found)
    return found[0].span(), 1


def plant(root, mutants):
    changes = {}
    for number, mutant in enumerate(mutants, 1):
        for edit in mutant["edits"]:
            path = os.path.join(root, edit["file"])
            text = open(path, encoding="utf-8").read()
            span, count = place_of(text, edit["old"])
            if span is None:
                fail("mutant %s: its place is there %d times in %s: %s"
                     % (mutant["name"], count, edit["file"], edit["old"][0]))
            switch = "(hf_mutant_active == %d)" % number
            new = "\n".join(edit["new"]).replace("MUTANT", switch)
            changes.setdefault(edit["file"], []).append((span, new, mutant["name"]))
    planted = {}
    for name, edits in changes.items():
        text = open(os.path.join(root, name), encoding="utf-8").read()
        edits.sort(key=lambda e: e[0], reverse=True)
        end = len(text) + 1
        for (start, stop), new, mutant in edits:
            if stop > end:
                fail("mutant %s: its place in %s overlaps another mutant's" % (mutant, name))
            text = text[:start] + new + text[stop:]
            end = start
        planted[name] = "extern int hf_mutant_active;\n" + text
    return planted


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
    else:
        os.utime(path)


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--root")
    parser.add_argument("--list")
    parser.add_argument("--out")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--help", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        return 0
    if not args.list or (not args.files and not (args.root and args.out)):
        print(__doc__, file=sys.stderr)
        return 2
    mutants = read_list(args.list)
    if args.files:
        print("\n".join(sorted({e["file"] for m in mutants for e in m["edits"]})))
        return 0
    for name, text in plant(args.root, mutants).items():
        write(os.path.join(args.out, name), text)
    write(os.path.join(args.out, "mutants.inc"), "".join("X(%s)\n" % m["name"] for m in mutants))
    return 0


if __name__ == "__main__":
    sys.exit(main())
