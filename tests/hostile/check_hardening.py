#!/usr/bin/env python3
"""Reads from the built library that it is hardened.

    check_hardening.py LIBRARY COMPILE_COMMANDS COMPILER [--cet]

Looked at: read-only relocations, binding at load, no executable stack, no text relocations, stack
protection, fortified calls, and (with --cet) endbr64 at every exported function, which is where an
indirect branch may land. Then a library without all this is built, and every check must object to
it: a check that finds nothing there would find nothing anywhere.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SOFT_SOURCE = """
#include <cstring>
extern "C" int soft(const char* text) {
    char copy[64];
    std::strcpy(copy, text);
    return copy[0];
}
"""
SOFT_FLAGS = ["-shared", "-fPIC", "-O2", "-U_FORTIFY_SOURCE", "-fno-stack-protector",
              "-fcf-protection=none", "-Wl,-z,norelro", "-Wl,-z,lazy", "-Wl,-z,execstack"]
ENDBR64 = bytes.fromhex("f30f1efa")


def readelf(path, *options):
    return subprocess.run(["readelf", "--wide", *options, path], check=True, capture_output=True,
                          text=True).stdout


def has_relro(path):
    return "GNU_RELRO" in readelf(path, "--program-headers")


def binds_at_load(path):
    return re.search(r"\((FLAGS|BIND_NOW|FLAGS_1)\).*(BIND_NOW|NOW)", readelf(path, "--dynamic"))


def has_plain_stack(path):
    stack = re.search(r"GNU_STACK(.*)", readelf(path, "--program-headers"))
    return stack and "RWE" not in stack.group(1)


def protects_stack(path):
    return "__stack_chk_fail" in readelf(path, "--dyn-syms")


def is_fortified(path):
    return re.search(r"UND __\w+_chk\b(?<!__stack_chk)", readelf(path, "--dyn-syms"))


def exported_functions(path):
    """Addresses of the functions that others may call."""
    for line in readelf(path, "--dyn-syms").splitlines():
        field = line.split()
        if len(field) >= 8 and field[3] == "FUNC" and field[6] != "UND":
            yield int(field[1], 16), field[7]


def marks_branch_targets(path):
    """Virtual addresses and file offsets of the text differ by what its segment says."""
    segments = [(int(m[2], 16), int(m[1], 16), int(m[3], 16)) for m in re.finditer(
        r"LOAD\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)", readelf(path, "--program-headers"))]
    content = pathlib.Path(path).read_bytes()
    functions = list(exported_functions(path))
    for address, name in functions:
        start, offset, _ = next(s for s in segments if s[0] <= address < s[0] + s[2])
        at = address - start + offset
        if content[at:at + 4] != ENDBR64:
            print(f"{name} does not begin with endbr64")
            return False
    return bool(functions)


def main(library, compile_commands, compiler, *options):
    checks = {"relocations are read-only": has_relro, "symbols are bound at load": binds_at_load,
              "the stack is not executable": has_plain_stack, "the stack is protected": protects_stack,
              "calls are fortified": is_fortified}
    if "--cet" in options:
        checks["branch targets are marked"] = marks_branch_targets
    passed, failed = 0, 0

    def count(holds, what):
        nonlocal passed, failed
        passed, failed = (passed + 1, failed) if holds else (passed, failed + 1)
        if not holds:
            print(f"does not hold: {what}")

    for what, check in checks.items():
        count(check(library), what)
    count("TEXTREL" not in readelf(library, "--dynamic"), "no relocations in the text")
    for command in json.loads(pathlib.Path(compile_commands).read_text()):
        if "/lib/" not in command["file"]:
            continue
        for flag in ("-D_FORTIFY_SOURCE=2", "-fstack-protector-strong"):
            if flag not in command["command"]:
                count(False, f"{flag} for {command['file']}")
    with tempfile.TemporaryDirectory() as scratch:
        source, soft = pathlib.Path(scratch, "soft.cpp"), pathlib.Path(scratch, "soft.so")
        source.write_text(SOFT_SOURCE)
        subprocess.run([compiler, *SOFT_FLAGS, "-o", soft, source], check=True)
        for what, check in checks.items():
            count(not check(str(soft)), f"of a soft library too it is said that {what}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
