#!/usr/bin/env python3
"""Checks what the shared libraries export: check_symbols.py LIBRARY...

Strong symbols must be public, that is in the inline version namespace `hearth::v0_*`. Weak ones may be
of headers that are compiled into both sides (std and Boost), never of a layer of hearth. Each library
must export something, or nobody could link it.
"""
import re
import subprocess
import sys

INTERNAL = re.compile(r"\bhearth::(?!v\d+_\d+::)")
PUBLIC = re.compile(r"\bhearth::v\d+_\d+::")
STRONG = set("TDBRGSN")


def exported_symbols(library):
    """(type letter, demangled name) of every symbol the library defines for others."""
    output = subprocess.run(["nm", "-D", "-C", "--defined-only", library], check=True,
                            capture_output=True, text=True).stdout
    for line in output.splitlines():
        parts = line.split(maxsplit=2)
        if len(parts) == 3 and parts[1] != "A":
            yield parts[1], parts[2]


def check(library):
    symbols = list(exported_symbols(library))
    strong = [name for letter, name in symbols if letter in STRONG]
    yield ("exports public symbols", "" if any(map(PUBLIC.search, strong)) else "there are none")
    foreign = [name for name in strong if not PUBLIC.search(name)]
    yield ("strong symbols are public", foreign[0] if foreign else "")
    internal = [name for _, name in symbols if INTERNAL.search(name)]
    yield ("no internal symbol is visible", internal[0] if internal else "")


def main(libraries):
    passed = failed = 0
    for library in libraries:
        for claim, problem in check(library):
            if problem:
                failed += 1
                print(f"{library}: not true: {claim}: {problem}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
