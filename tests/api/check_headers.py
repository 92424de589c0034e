#!/usr/bin/env python3
"""Checks what the public headers include, directly or not.

    check_headers.py --include DIR --compiler COMMAND

Users must not pay for, nor depend on, what hearth is made of: no Beast, nghttp2, OpenSSL or c-ares
header may come in, and Asio's SSL part (which includes OpenSSL) neither. The checker first proves on
made-up headers that it would notice.
"""
import argparse
import pathlib
import shlex
import subprocess
import sys
import tempfile

BANNED = ("/boost/beast", "/boost/asio/ssl", "/nghttp2/", "/openssl/", "/ares.h", "/ares_dns.h",
          "/zlib.h", "/brotli/", "/zstd.h")


def included_files(compiler, include, header):
    """All files the preprocessor reads for a header."""
    command = [*compiler, "-std=c++20", f"-I{include}", "-M", "-x", "c++", str(header)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return output.split(":", 1)[1].replace("\\\n", " ").split()


def banned_files(files):
    return [name for name in files if any(part in name for part in BANNED)]


def self_test(compiler, include):
    """Yields the made-up headers that were not caught."""
    for line in ["<boost/beast/http/fields.hpp>", "<boost/asio/ssl.hpp>", "<openssl/ssl.h>"]:
        with tempfile.NamedTemporaryFile("w", suffix=".hpp") as header:
            header.write(f'#include "hearth/version.hpp"\n#include {line}\n')
            header.flush()
            if not banned_files(included_files(compiler, include, header.name)):
                yield f"a header that includes {line} is not caught"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", type=shlex.split, required=True)
    arguments = parser.parse_args()

    passed, failures = 0, list(self_test(arguments.compiler, arguments.include))
    passed += 3 - len(failures)
    for header in sorted(arguments.include.rglob("*.hpp")):
        found = banned_files(included_files(arguments.compiler, arguments.include, header))
        if found:
            failures.append(f"{header.relative_to(arguments.include)} pulls in {found[0]}")
        else:
            passed += 1
    for failure in failures:
        print(failure)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
