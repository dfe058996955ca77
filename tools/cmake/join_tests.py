#!/usr/bin/env python3
"""Writes one CTestTestfile.cmake that holds the tests of several builds.

usage: join_tests.py OUTPUT_FOLDER [NAME=BUILD_FOLDER[:CTEST_ARGUMENT...]]...

So one ctest runs them all, side by side, and ends with one summary. The tests of a build are named
NAME.<test> and get the label NAME; with an empty NAME they keep their names. The arguments select, as
for ctest: asan=build/asan:-LE:check
"""

import json
import os
import subprocess
import sys

# Properties that name other tests, or fixtures: they must stay within their build.
NAMES = ("DEPENDS", "FIXTURES_REQUIRED", "FIXTURES_SETUP", "FIXTURES_CLEANUP")


def quoted(text):
    return "[====[" + text + "]====]"


def value_of(name, value, prefix):
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, list):
        if name in NAMES:
            value = [prefix + item for item in value]
        return ";".join(str(item).replace(";", "\\;") for item in value)
    return str(value)


def tests_of(folder, arguments):
    command = ["ctest", "--test-dir", folder, "--show-only=json-v1", *arguments]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(listed.stdout)["tests"]


def lines_of(name, folder, arguments):
    prefix = name + "." if name else ""
    for test in tests_of(folder, arguments):
        case = quoted(prefix + test["name"])
        if "command" not in test:
            raise SystemExit(f"join_tests: {test['name']} of {folder} is not built")
        yield f"add_test({case} {' '.join(quoted(word) for word in test['command'])})"
        properties = {item["name"]: item["value"] for item in test.get("properties", [])}
        if name:
            properties["LABELS"] = [*properties.get("LABELS", []), name]
        pairs = [f"{key} {quoted(value_of(key, value, prefix))}" for key, value in properties.items()]
        if pairs:
            yield f"set_tests_properties({case} PROPERTIES {' '.join(pairs)})"


def main(args):
    if args == ["--help"]:
        print(__doc__.strip())
        return 0
    if len(args) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    output = args[0]
    os.makedirs(output, exist_ok=True)
    lines = []
    for part in args[1:]:
        name, _, rest = part.partition("=")
        folder, *arguments = rest.split(":")
        before = len(lines)
        lines += lines_of(name, folder, arguments)
        print(f"{name or folder}: {sum(line.startswith('add_test') for line in lines[before:])} tests")
    with open(os.path.join(output, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
