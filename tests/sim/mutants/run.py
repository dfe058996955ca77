#!/usr/bin/env python3
"""Runs the simulator over every mutant of mutants.txt: each must be caught within its number of seeds.

usage: run.py --program SIM --list mutants.txt [--jobs N] [--part K/N] [--only NAME,...] [--json]
       run.py --program SIM --list mutants.txt --measure HITS [--most SEEDS] [--update] [--only NAME,...]
       run.py --list mutants.txt --table

  --program SIM   the simulator with the mutants planted
  --jobs N        so many at once (2)
  --part K/N      every N-th mutant only, from the K-th (1 to N) on
  --only NAME,... these
  --measure HITS  how often it is caught: seeds until HITS of them do it, or --most (60) are through
  --update        writes what was measured into the list: `hits`, and the seeds that follow from it
  --table         the list as a table

A seed counts when the run fails in a way that `by` names, and is good without the mutant. Others are told: "another
way", or "sick": the engine fails by itself there, which is a bug of the engine.
exit: 0 all were caught, 1 one was not, 2 wrong usage
"""

import argparse
import concurrent.futures
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant import read_list  # noqa: E402

# A change of the engine makes other runs of the same seeds. The seeds are so many that this makes a mutant be missed
# once in ten thousand times, if the rate is the one that was measured; and as many again three times, since that is known
# from a few hits only. They cost nothing while it is caught: a hunt ends with the first one.
MISS = 1e-4
UNSURE = 4
SEEDS_LEAST = 6


def simulate(program, mutant, name, seed):
    """The run's result; None: this mutant is not in the program."""
    command = [program, name, "--seed", str(seed), "--no-small", "--json"] + mutant["args"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False)
    if done.returncode == 2:
        return None
    return json.loads(done.stdout.splitlines()[0])


def way_of(run):
    text = run["text"]
    if run["result"] != "crashed":
        return run["result"]
    if text.startswith("assertion failed"):
        return "assertion"
    return "gave_up" if text.startswith("the node stopped itself") else "signal"


def reason_of(run):
    lines = [line.strip() for line in run["text"].splitlines() if line.strip()]
    text = lines[0] if lines else ""
    if "judge" in text and len(lines) > 1:
        text = text.split(": invalid")[0] + ": " + lines[1]
    return " ".join(text.split())[:100]


def try_seed(program, mutant, seed, result):
    """True: caught. False: not by this seed. None: it cannot be tried."""
    run = simulate(program, mutant, mutant["name"], seed)
    if run is None:
        result["why"] = "is not in the program: see what plant.py says of it"
        return None
    result["cpu"] += run["seconds"]
    result["runs"] += 1
    way = way_of(run)
    if way == "ok":
        return False
    if way not in mutant["by"]:
        result["other"].append((seed, way + ": " + reason_of(run)))
        return False
    healthy = simulate(program, mutant, "none", seed)
    result["cpu"] += healthy["seconds"]
    if way_of(healthy) != "ok":
        result["sick"].append((seed, reason_of(healthy)))
        return False
    if result["seed"] == 0:
        result.update(seed=seed, why=way + ": " + reason_of(run))
    return True


def hunt(program, mutant, hits, most):
    result = {"mutant": mutant["name"], "what": mutant["what"], "hits": 0, "runs": 0, "seed": 0, "seeds": most,
              "cpu": 0.0, "why": "", "sick": [], "other": []}
    for seed in range(1, most + 1):
        caught = try_seed(program, mutant, seed, result)
        if caught is None:
            break
        result["hits"] += caught
        if result["hits"] == hits:
            break
    result["cpu"] = round(result["cpu"], 2)
    return result


def seeds_for(result):
    rate = result["hits"] / (result["runs"] + 1)
    return UNSURE * max(SEEDS_LEAST, math.ceil(math.log(MISS) / math.log(1 - rate))) if result["hits"] else 0


def tell(result, measured, as_json):
    if as_json:
        print(json.dumps(result), flush=True)
        return
    seeds = "%d of %d" % (result["hits"], result["runs"]) if measured else "seed %d of %d" % (
        result["seed"], result["seeds"])
    if measured and result["hits"]:
        seeds += ", first %d, needs %d" % (result["seed"], seeds_for(result))
    print("%s  %-28s %s, %.1f s cpu, %s" % ("caught" if result["hits"] else "MISSED", result["mutant"], seeds,
                                           result["cpu"], result["why"] or result["what"]))
    for seed, why in result["other"][:3]:
        print("        another way, seed %d: %s" % (seed, why))
    for seed, why in result["sick"][:3]:
        print("        SICK without it too, seed %d: %s" % (seed, why))
    sys.stdout.flush()


def update(path, results):
    lines = []
    result = None
    for line in open(path, encoding="utf-8"):
        if line.startswith("== "):
            words = line.split()
            result = results.get(words[1])
            if result:
                words[2] = str(seeds_for(result))
                line = " ".join(words) + "\n"
        elif line.startswith("hits: ") and result:
            continue
        lines.append(line)
        if line.startswith("by: ") and result:
            lines.append("hits: %d of %d\n" % (result["hits"], result["runs"]))
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(lines)


def table(mutants):
    print("| mutant | what is broken | caught by | seeds | caught when measured |\n| --- | --- | --- | --- | --- |")
    for m in mutants:
        print("| %s | %s | %s | %d | %s |" % (m["name"], m["what"], ", ".join(m["by"]), m["seeds"], m["hits"]))
    return 0


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--program")
    parser.add_argument("--list")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only")
    parser.add_argument("--measure", type=int)
    parser.add_argument("--most", type=int, default=60)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--help", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        return 0
    if not args.list or not (args.program or args.table):
        print(__doc__, file=sys.stderr)
        return 2
    part, parts = (int(n) for n in args.part.split("/"))
    mutants = read_list(args.list)[part - 1::parts]
    if args.only:
        mutants = [m for m in mutants if m["name"] in args.only.split(",")]
    if not mutants:
        print("run.py: no such mutant", file=sys.stderr)
        return 2
    if args.table:
        return table(mutants)
    results = {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda m: hunt(args.program, m, args.measure or 1, args.most if args.measure
                                              else m["seeds"]), mutants):
            results[result["mutant"]] = result
            tell(result, args.measure, args.json)
    missed = sum(result["hits"] == 0 for result in results.values())
    if not args.json:
        print("%d mutants, %d missed, %.0f s cpu" % (len(mutants), missed, sum(r["cpu"] for r in results.values())))
    if args.update:
        update(args.list, {name: r for name, r in results.items() if r["hits"]})
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
