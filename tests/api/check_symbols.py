#!/usr/bin/env python3
"""Checks what the shared libraries export: check_symbols.py LIBRARY...

Strong symbols must be public, that is in the inline version namespace `hearth::v0_*`. Weak ones may be
of headers that are compiled into both sides (std and Boost, also where they are instantiated with types
of ours), but nothing in a layer's own namespace is exported. Each library must export something, or
nobody could link it.
"""
import re
import subprocess
import sys

# Mangled names: functions and objects, virtual tables and type information.
OURS = re.compile(r"^_Z(?:T[VIST]|GV)?N[KVr]*6hearth")
PUBLIC = re.compile(r"^_Z(?:T[VIST]|GV)?N[KVr]*6hearth\d+v\d+_\d+")
STRONG = set("TDBRGS")


def exported_symbols(library):
    """(type letter, mangled name) of every symbol the library defines for others."""
    output = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                            capture_output=True, text=True).stdout
    for line in output.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1] != "A":
            yield parts[1], parts[2].split("@")[0]


def problems(symbols):
    """(claim, a symbol that contradicts it or an empty text) for each claim."""
    strong = [name for letter, name in symbols if letter in STRONG]
    yield ("public symbols are exported", "" if any(map(PUBLIC.match, strong)) else "there are none")
    foreign = [name for name in strong if not PUBLIC.match(name)]
    yield ("strong symbols are public", foreign[0] if foreign else "")
    internal = [name for _, name in symbols if OURS.match(name) and not PUBLIC.match(name)]
    yield ("nothing of a layer is exported", internal[0] if internal else "")


def self_test():
    """Claims about the checks above, with what contradicts them."""
    public, layer = "_ZN6hearth4v0_17versionEv", "_ZN6hearth4core9pool_coreC1Ev"
    asio = "_ZN5boost4asio6detail9scheduler3runERNS_6systemINS_10error_codeE"
    cases = [([("T", public), ("W", asio)], 0), ([("T", public), ("T", layer)], 2),
             ([("T", public), ("V", "_ZTVN6hearth2io8resolverE")], 1), ([("W", asio)], 1),
             ([("T", public), ("T", "helper")], 1)]
    for symbols, wanted in cases:
        found = sum(1 for _, problem in problems(symbols) if problem)
        yield (f"{wanted} problems are seen", "" if found == wanted else f"{found} in {symbols}")


def main(libraries):
    passed = failed = 0
    results = [("self-test", *result) for result in self_test()]
    for library in libraries:
        results += [(library, *result) for result in problems(list(exported_symbols(library)))]
    for place, claim, problem in results:
        passed, failed = passed + (not problem), failed + bool(problem)
        if problem:
            print(f"{place}: not true: {claim}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not libraries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
