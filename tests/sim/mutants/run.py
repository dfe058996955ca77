#!/usr/bin/env python3
"""Runs the simulator over every mutant of mutants.txt: each must be caught within its number of seeds.

usage: run.py --program SIM --list mutants.txt [--jobs N] [--part K/N] [--only NAME] [--json]

  --program SIM   the simulator with the mutants planted
  --jobs N        so many at once (2)
  --part K/N      every N-th mutant only, from the K-th (1 to N) on
  --only NAME     this one

A seed on which the engine fails without the mutant too does not count: it shows a bug of the engine, and is told.
exit: 0 all were caught, 1 one was not, 2 wrong usage
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant import read_list  # noqa: E402

CODES = {1: "wrong", 3: "stuck", 4: "crashed"}


def simulate(program, mutant, name, seed):
    command = [program, name, "--seed", str(seed), "--no-small"] + mutant["args"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False)
    return done.returncode, done.stdout


def reason_of(text):
    lines = [line for line in text.splitlines() if line]
    for at, line in enumerate(lines):
        if line.startswith("FAILED") and at + 1 < len(lines):
            more = lines[at + 2].strip() if "judge" in lines[at + 1] and at + 2 < len(lines) else ""
            return (lines[at + 1].split(": invalid")[0] + (": " + more if more else ""))[:110]
    return lines[-1][:110] if lines else ""


def hunt(program, mutant):
    began = time.monotonic()
    result = {"mutant": mutant["name"], "what": mutant["what"], "caught": False, "seeds": mutant["seeds"], "sick": []}
    for seed in range(1, mutant["seeds"] + 1):
        code, text = simulate(program, mutant, mutant["name"], seed)
        if code == 2:
            result["why"] = text.splitlines()[0] if text else "wrong usage"
            break
        if code == 0:
            continue
        healthy, _ = simulate(program, mutant, "none", seed)
        if healthy != 0:
            result["sick"].append(seed)
            continue
        result.update(caught=True, seed=seed, how=CODES.get(code, str(code)), why=reason_of(text))
        break
    result["seconds"] = round(time.monotonic() - began, 2)
    return result


def tell(result, as_json):
    if as_json:
        print(json.dumps(result), flush=True)
        return
    sick = "; without it these fail too: %s" % result["sick"] if result["sick"] else ""
    if result["caught"]:
        print("caught  %-28s seed %2d of %2d, %5.1f s, %s: %s%s" % (
            result["mutant"], result["seed"], result["seeds"], result["seconds"], result["how"], result["why"], sick),
            flush=True)
    else:
        print("MISSED  %-28s %d seeds, %.1f s: %s%s" % (
            result["mutant"], result["seeds"], result["seconds"], result["what"], sick), flush=True)


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--program")
    parser.add_argument("--list")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--help", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        return 0
    if not args.program or not args.list:
        print(__doc__, file=sys.stderr)
        return 2
    part, parts = (int(n) for n in args.part.split("/"))
    mutants = read_list(args.list)[part - 1::parts]
    if args.only:
        mutants = [m for m in mutants if m["name"] == args.only]
    if not mutants:
        print("run.py: no such mutant", file=sys.stderr)
        return 2
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda m: hunt(args.program, m), mutants):
            missed += not result["caught"]
            tell(result, args.json)
    if not args.json:
        print("%d mutants, %d missed" % (len(mutants), missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
