#!/usr/bin/env python3
"""The house style as a test: lint.py [ROOT]. Prints findings and `N passed, N failed` (rules).

Rules are in rules.py, exceptions with their reasons in exceptions.txt, and self_test.py proves that
each rule catches what it is for.
"""
import dataclasses
import os
import pathlib
import sys

import rules
from cpp_source import Source

CODE_FOLDERS = ("include", "lib", "tests", "examples", "bench")
SKIPPED_FOLDERS = {".git", "__pycache__"}


@dataclasses.dataclass
class Exemption:
    rule: str
    path: str
    text: str
    used: bool = False

    def covers(self, rule, path, sentence):
        covered = (self.rule == rule and self.path in ("*", path) and self.text in sentence)
        self.used = self.used or covered
        return covered


class Tree:
    """The files of a source tree, by path relative to its root."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths, self.pages = set(), []
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders
                          if name not in SKIPPED_FOLDERS and not name.startswith("build")]
            for name in files:
                path = pathlib.Path(folder, name).relative_to(self.root).as_posix()
                if path.endswith((".cpp", ".hpp")) and path.split("/")[0] in CODE_FOLDERS:
                    self.paths.add(path)
                elif path.endswith(".md"):
                    self.pages.append(path)

    def has(self, path):
        return (self.root / path).exists()

    def read(self, path):
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.exists() else ""


def read_exemptions(text):
    exemptions = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        rule, path, part, reason = [field.strip() for field in line.split("|", 3)]
        if not reason:
            raise ValueError(f"an exception without a reason: {line}")
        exemptions.append(Exemption(rule, path, part))
    return exemptions


def check(tree, exemptions):
    """Yields (rule, findings) for each rule; exempted findings are left out."""
    sources = [Source(path, tree.read(path)) for path in sorted(tree.paths)]
    for rule in rules.FILE_RULES:
        yield rule.__name__, [
            finding for source in sources for finding in rule(source)
            if not any(exemption.covers(rule.__name__, finding[0], finding[2])
                       for exemption in exemptions)
        ]
    for rule in rules.TREE_RULES:
        yield rule.__name__, [
            finding for finding in rule(tree)
            if not any(exemption.covers(rule.__name__, finding[0], finding[2])
                       for exemption in exemptions)
        ]


def main(arguments):
    here = pathlib.Path(__file__).resolve().parent
    root = pathlib.Path(arguments[0]) if arguments else here.parent.parent
    exemptions = read_exemptions((here / "exceptions.txt").read_text(encoding="utf-8"))
    passed = failed = 0
    for rule, findings in check(Tree(root), exemptions):
        for path, line, sentence in findings:
            print(f"{path}:{line}: {rule}: {sentence}")
        passed, failed = passed + (not findings), failed + bool(findings)
    unused = [exemption for exemption in exemptions if not exemption.used]
    for exemption in unused:
        print(f"exceptions.txt: {exemption.rule} | {exemption.path} matches nothing: remove it")
    passed, failed = passed + (not unused), failed + bool(unused)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
