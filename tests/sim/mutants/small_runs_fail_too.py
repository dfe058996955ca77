#!/usr/bin/env python3
"""What `holdfast sim` prints of a failure: seed, commit, the command of that run, and that of a smaller one. Both
commands fail again, in the same way.

usage: small_runs_fail_too.py --program SIM --list mutants.txt

Failures come from mutants: one of each way to fail.
exit: 0 as it should be, 1 not
"""

import argparse
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant import read_list  # noqa: E402

# A judge, an assertion, no progress; and one whose length is given in minutes.
MUTANTS = (("conditions_of_values_ignored", []), ("prepared_can_be_wounded", []), ("vote_taken_for_record", []),
           ("finalize_not_replayed", ["--minutes", "0.1"]))
SECONDS = "20"


def simulate(program, mutant, words):
    done = subprocess.run([program, mutant] + words, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def first_failure(program, mutant, more):
    for seed in range(1, mutant["seeds"] + 1):
        words = ["--seed", str(seed)] + mutant["args"] + more
        code, _ = simulate(program, mutant["name"], words + ["--no-small"])
        if code:
            return code, seed, words
    sys.exit("%s: no seed of %d fails" % (mutant["name"], mutant["seeds"]))


def events_of(text):
    return int(re.search(r"; (\d+) events in ", text).group(1))


def check(program, mutant, more):
    name = mutant["name"]
    code, seed, words = first_failure(program, mutant, more)
    again, text = simulate(program, name, words + ["--small-seconds", SECONDS])
    told = re.search(r"^FAILED seed %d, commit [0-9a-f]+(-dirty)?, scenario \w+, exit code %d$" % (seed, code), text, re.M)
    same = re.search(r"^again: holdfast sim (.*)$", text, re.M)
    small = re.search(r"^smallest in [1-9]\d* tries: holdfast sim (.*)$", text, re.M)
    if again != code or not told or not same or not small:
        sys.exit("%s, seed %d: this does not tell what it must:\n%s" % (name, seed, text))
    for command in (same.group(1), small.group(1)):
        result, shown = simulate(program, name, command.split() + ["--no-small"])
        if result != code:
            sys.exit("%s: not again with: %s\n%s" % (name, command, shown))
    if not more and events_of(shown) > events_of(text):  # in minutes, fewer clients may take more events
        sys.exit("%s: the smaller run is larger: %s" % (name, small.group(1)))
    print("%s: seed %d, %d events; again with %d: %s" % (name, seed, events_of(text), events_of(shown), small.group(1)))


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--program")
    parser.add_argument("--list")
    parser.add_argument("--help", action="store_true")
    args = parser.parse_args()
    if args.help or not args.program or not args.list:
        print(__doc__)
        return 0 if args.help else 2
    mutants = {mutant["name"]: mutant for mutant in read_list(args.list)}
    for name, more in MUTANTS:
        check(args.program, mutants[name], more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
