#!/usr/bin/env python3
"""Installs a build into a temporary directory, builds consumers against it and runs them.

    check_consumer.py --build DIR --compiler COMMAND

Ways: pkg-config (shared), pkg-config --static, CMake shared and CMake static; and the embedded origin by
its own pkg-config file. Each is a case. The tree is installed below a directory of another name than
its prefix, so what is found must be found relative to the package files.
"""
import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def run(command, **options):
    """Runs a command; raises with its output when it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        words = " ".join(map(str, command))
        raise RuntimeError(f"exit status {result.returncode} of: {words}\n{result.stdout}")
    return result.stdout


class Installed:
    def __init__(self, arguments, folder):
        self.compiler = arguments.compiler
        self.folder = folder
        run(["meson", "install", "-C", arguments.build, "--no-rebuild", "--quiet",
             "--destdir", folder / "moved"])
        self.pkgconfig = next((folder / "moved").rglob("hearth.pc")).parent
        self.libraries = self.pkgconfig.parent
        self.prefix = next((folder / "moved").rglob("include/hearth")).parent.parent
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(self.libraries),
                                PKG_CONFIG_PATH=str(self.pkgconfig))

    def flags(self, *options):
        text = run(["pkg-config", *options], env=self.environment)
        if str(self.folder) not in text:
            raise RuntimeError(f"pkg-config does not find the installed copy: {text}")
        return shlex.split(text)

    def pkg_config_shared(self):
        flags = self.flags("--cflags", "--libs", "hearth", "hearth_testing")
        self.compile_and_run("shared", flags)
        needed = run(["readelf", "-d", self.folder / "shared"])
        if "libhearth.so.0.1]" not in needed:
            raise RuntimeError(f"the program does not need libhearth.so.0.1:\n{needed}")

    def pkg_config_static(self):
        flags = self.flags("--static", "--cflags", "--libs", "hearth", "hearth_testing")
        archives = {"-lhearth": "libhearth.a", "-lhearth_testing": "libhearth_testing.a"}
        flags = [str(self.libraries / archives[flag]) if flag in archives else flag
                 for flag in flags]
        self.compile_and_run("static", flags)

    def compile_and_run(self, name, flags):
        # No optimisation: user code at another level than the library's must work.
        run([*self.compiler, "-std=c++20", HERE / "main.cpp", "-o", self.folder / name, *flags])
        run([self.folder / name], env=self.environment, timeout=60)

    def cmake(self):
        build = self.folder / "cmake"
        run(["cmake", "-S", HERE, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
             f"-DCMAKE_CXX_COMPILER={self.compiler[-1]}"])
        run(["cmake", "--build", build])
        for program in ("consumer", "consumer_static"):
            run([build / program], timeout=60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--compiler", type=shlex.split, required=True)
    arguments = parser.parse_args()

    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(arguments, pathlib.Path(folder))
        for check in (installed.pkg_config_shared, installed.pkg_config_static, installed.cmake):
            try:
                check()
                passed += 1
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"{check.__name__}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
