#!/usr/bin/env python3
"""Writes copies of the engine's files with every mutant of mutants.txt planted, each behind a switch.

usage: plant.py --root SOURCE --list mutants.txt (--out DIR | --files | --check)

  --out DIR   the changed files at their paths, and mutants.inc, one X(name) a line
  --files     only print the names of the files that are changed, one a line (for the build)
  --check     only say which mutants do not fit any more

A mutant fits when each of its places is there exactly once. One that does not is told and left out: the build goes
on, and the test mutants_fit (label check) and the hunt (label mutant) fail.
exit: 0 done, 1 --check: one does not fit; or the list is not understood, 2 wrong usage
"""

import argparse
import os
import re
import sys


WAYS = ["wrong", "stuck", "assertion", "gave_up"]


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
            mutants.append({"name": words[1], "seeds": int(words[2]), "args": words[3:], "line": number, "what": "",
                            "by": [], "hits": "", "edits": []})
            edit = None
        elif line.split(":")[0] in ("what", "by", "hits") and edit is None and mutants:
            key, text = line.split(": ", 1)
            mutants[-1][key] = text.split() if key == "by" else text
        elif line.startswith("file: "):
            edit = {"file": line[6:], "line": number, "old": [], "new": []}
            mutants[-1]["edits"].append(edit)
        elif line.startswith("-") and edit is not None:
            edit["old"].append(line[1:])
        elif line.startswith("+") and edit is not None:
            edit["new"].append(line[1:])
        elif line and not line.startswith("#"):
            fail("%s:%d: not understood: %s" % (path, number, line))
    names = [m["name"] for m in mutants]
    for mutant in mutants:
        mutant["by"] = mutant["by"] or WAYS
        if names.count(mutant["name"]) > 1 or not mutant["what"] or not mutant["edits"] or set(mutant["by"]) - set(WAYS):
            fail("%s:%d: %s: there twice, or without what: or an edit, or with an unknown way in by:"
                 % (path, mutant["line"], mutant["name"]))
    return mutants


def places_of(text, old):
    """Where these lines stand; blanks and line ends do not count."""
    pattern = r"\s*".join(re.escape(word) for line in old for word in line.split())
    return [found.span() for found in re.finditer(pattern, text)] if pattern else []


def misfit(edit, count):
    old = "\n".join("    " + line for line in edit["old"])
    return "line %d: in %s these lines stand %d times, not once:\n%s" % (edit["line"], edit["file"], count, old)


def fit(root, mutants):
    """What each mutant changes where, and what is wrong with those that do not fit."""
    texts = {}
    taken = {}
    fitting, wrong = {}, {}
    for mutant in mutants:
        spans = []
        for edit in mutant["edits"]:
            name = edit["file"]
            if name not in texts:
                path = os.path.join(root, name)
                texts[name] = open(path, encoding="utf-8").read() if os.path.exists(path) else ""
            found = places_of(texts[name], edit["old"])
            if len(found) != 1:
                wrong[mutant["name"]] = misfit(edit, len(found))
                break
            other = [m for (start, end), m in taken.get(name, []) if start < found[0][1] and found[0][0] < end]
            if other:
                wrong[mutant["name"]] = "line %d: in %s its place overlaps that of %s" % (
                    edit["line"], name, other[0])
                break
            spans.append((name, found[0], edit["new"]))
        else:
            fitting[mutant["name"]] = spans
            for name, span, _ in spans:
                taken.setdefault(name, []).append((span, mutant["name"]))
    return texts, fitting, wrong


def plant(root, mutants):
    texts, fitting, wrong = fit(root, mutants)
    names = [m["name"] for m in mutants if m["name"] in fitting]
    changes = {edit["file"]: [] for mutant in mutants for edit in mutant["edits"]}
    for number, name in enumerate(names, 1):
        for path, span, new in fitting[name]:
            changes[path].append((span, "\n".join(new).replace("MUTANT", "(hf_mutant_active == %d)" % number)))
    planted = {}
    for path, edits in changes.items():
        text = texts[path]
        for (start, stop), new in sorted(edits, reverse=True):
            text = text[:start] + new + text[stop:]
        planted[path] = "extern int hf_mutant_active;\n" + text
    planted["mutants.inc"] = "".join("X(%s)\n" % name for name in names)
    return planted, wrong


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
    else:
        os.utime(path)


def tell(list_path, wrong):
    for name, text in wrong.items():
        print("%s: mutant %s does not fit the engine any more, bring it up to date.\n%s"
              % (os.path.relpath(list_path), name, text), file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--root")
    parser.add_argument("--list")
    parser.add_argument("--out")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--help", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        return 0
    if not args.list or not (args.files or (args.root and (args.out or args.check))):
        print(__doc__, file=sys.stderr)
        return 2
    mutants = read_list(args.list)
    if args.files:
        print("\n".join(sorted({e["file"] for m in mutants for e in m["edits"]})))
        return 0
    planted, wrong = plant(args.root, mutants)
    tell(args.list, wrong)
    if args.check:
        print("%d mutants, %d do not fit" % (len(mutants), len(wrong)))
        return 1 if wrong else 0
    for name, text in planted.items():
        write(os.path.join(args.out, name), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
