#!/usr/bin/env python3
"""Proves that each rule of lint catches what it is for, and lets its neighbour pass.

Every case is a tiny tree: {path: text}. `BAD` trees must give a finding of the rule, `GOOD` ones none.
Prints `N passed, N failed` (cases).
"""
import pathlib
import sys

import lint
import rules
from cpp_source import Source


class MadeUpTree:
    def __init__(self, files):
        self.files = files
        self.paths = {path for path in files if path.endswith((".cpp", ".hpp"))}
        self.pages = [path for path in files if path.endswith(".md")]

    def has(self, path):
        return path.lstrip("./") in self.files

    def read(self, path):
        return self.files.get(path, "")


def lines(count, text="    step();\n"):
    return text * count


CORE, PROTO, IO, TEST = "lib/core/a.cpp", "lib/proto/a.cpp", "lib/io/a.cpp", "tests/core/a_test.cpp"
HEADER = "include/hearth/a.hpp"

BAD = {
    "include_direction": [
        {CORE: '#include <thread>\n'}, {CORE: '#include "proto/h1_engine.hpp"\n'},
        {CORE: '#include <boost/asio/io_context.hpp>\n'}, {PROTO: '#include "core/action.hpp"\n'},
        {PROTO: '#include <boost/asio/ip/tcp.hpp>\n'}, {IO: '#include "core/pool_core.hpp"\n'},
        {PROTO: '#include <boost/beast/http.hpp>\n'},
        {"lib/base/a.cpp": '#include <boost/asio.hpp>\n'},
        {"lib/client/a.cpp": '#include <openssl/ssl.h>\n'},
        {HEADER: '#include <boost/beast/http.hpp>\n'}, {HEADER: '#include "core/action.hpp"\n'},
        {HEADER: '#include <boost/asio/ssl/context.hpp>\n'},
    ],
    "sans_io": [
        {CORE: "auto t = std::chrono::steady_clock::now();\n"}, {PROTO: "std::mutex m;\n"},
        {CORE: "std::random_device r;\n"}, {PROTO: "boost::asio::steady_timer t;\n"},
        {PROTO: "auto t = time(nullptr);\n"}, {PROTO: "auto n = ::read(fd, p, 1);\n"},
    ],
    "file_size": [
        {HEADER: lines(301)}, {CORE: lines(601)}, {TEST: lines(801)},
    ],
    "function_size": [
        {CORE: "void long_one() {\n" + lines(60) + "}\n"},
        {CORE: "namespace a {\nclass b {\n    b() : x_{1}, y_(2) {\n" + lines(60) + "    }\n};\n}\n"},
        {TEST: "TEST(ATest, Long) {\n" + lines(60) + "}\n"},
    ],
    "parameters": [{CORE: "void f(int a, int b, map<int, int> c, int d, int e, int g) {\n}\n"}],
    "line_length": [{CORE: "// " + "x" * 98 + "\n"}],
    "layout": [{CORE: "\tint a;\n"}, {CORE: "int a; \n"}, {CORE: "int a;"}],
    "opening_comment": [{CORE: "#include <vector>\n"}, {HEADER: "#pragma once\n"}],
    "include_guard": [{HEADER: "// A header.\nint f();\n"}],
    "banned_calls": [
        {CORE: "auto* p = new int(3);\n"}, {CORE: "delete p;\n"}, {CORE: "delete[] p;\n"},
        {CORE: "strcpy(a, b);\n"}, {CORE: "int x = std::atoi(s);\n"}, {CORE: "int x = rand();\n"},
        {CORE: "using namespace std;\n"}, {CORE: "assert(x);\n"},
        {CORE: "std::ranges::remove_if(v, f);\n"}, {CORE: "std::cout << 1;\n"},
        {CORE: "std::exit(1);\n"}, {TEST: "GTEST_SKIP();\n"}, {TEST: "TEST(ATest, DISABLED_B) {\n"},
    ],
    "macro_names": [{CORE: "#define MAX_SIZE 3\n"}],
    "test_waits": [
        {TEST: "std::this_thread::sleep_for(1ms);\n"}, {TEST: "usleep(10);\n"},
        {TEST: "EXPECT_LT(std::chrono::steady_clock::now() - t, 1s);\n"},
    ],
    "test_names": [
        {TEST: "TEST(A_Test, Claims) {\n}\n"}, {TEST: "TEST(ATest, claims_it) {\n}\n"},
        {TEST: "TEST(Thing, Claims) {\n}\n"}, {TEST: "int nothing;\n"},
    ],
    "unfinished": [{CORE: "// FIXME later\n"}, {CORE: "// TODO: something\n"}],
    "own_words": [{CORE: "// see /" + "work/x\n"}, {CORE: "// as style.md says\n"}],
    "file_names": [{"lib/core/pool_utils.cpp": "\n"}, {"lib/core/PoolCore.cpp": "\n"}],
    "mirrored_tests": [{CORE: "\n"}],
    "listed_sources": [
        {CORE: "\n", "lib/core/meson.build": "files('b.cpp')"},
        {HEADER: "\n", "include/meson.build": "files('hearth/b.hpp')"},
    ],
    "config_documented": [
        {"include/hearth/config.hpp": "struct config {\n    int a = 1;  ///< Text.\n};\n"},
        {"include/hearth/config.hpp": "struct p_config {\n    int x{2};\n};\n"
                                      "struct config {\n    p_config p;\n};\n",
         "docs/configuration.md": "| `p.y` | 2 |\n"},
        {"include/hearth/config.hpp": "struct config {\n    milliseconds a{2'000};\n};\n",
         "docs/configuration.md": "| `a` | 3 s |\n"},
    ],
    "errors_documented": [
        {"include/hearth/error.hpp": "enum class errc : int {\n    a = 1,\n    b,\n};\n",
         "docs/errors.md": "| `a` | text |\n"},
    ],
    "readme_code": [
        {"README.md": "```cpp\nint main() {}\n```\n", "examples/01_get.cpp": "int main() { }\n"},
    ],
    "markdown_links": [{"docs/a.md": "[text](missing.md)\n"}],
}

GOOD = {
    "include_direction": [
        {CORE: '#include <vector>\n#include "base/id.hpp"\n#include "core/action.hpp"\n'},
        {PROTO: '#include <boost/asio/buffer.hpp>\n#include <openssl/ssl.h>\n'},
        {IO: '#include <boost/asio/ip/tcp.hpp>\n#include "proto/connection.hpp"\n'},
    ],
    "sans_io": [{CORE: "// steady_clock::now() is the caller's\nauto t = now;\n"},
                {IO: "boost::asio::steady_timer t;\n"}],
    "file_size": [{CORE: lines(500) + lines(500, "// comment\n")}, {TEST: lines(800)}],
    "function_size": [{CORE: "void f() {\n" + lines(58) + "}\n\nvoid g() {\n" + lines(58) + "}\n"},
                      {CORE: "const int table[] = {\n" + lines(100, "    1,\n") + "};\n"}],
    "parameters": [{CORE: "void f(map<int, int> a, int b, int c, int d, function<void(int, int)> e) {}\n"}],
    "line_length": [{CORE: "// " + "x" * 97 + "\n"}],
    "layout": [{CORE: "int a;\n"}],
    "opening_comment": [{CORE: '#include "core/a.hpp"\n'}, {HEADER: "// A header.\n"}],
    "include_guard": [{HEADER: "// A header.\n#pragma once\n"}],
    "banned_calls": [
        {CORE: "a(const a&) = delete;\nauto p = std::make_unique<int>(3);\nstatic_assert(x);\n"},
        {CORE: '// a new thing\nconst char* s = "delete it";\nbool is_new = new_one(x);\n'},
    ],
    "macro_names": [{CORE: "#define HEARTH_X 3\n"}],
    "test_waits": [{TEST: "context.run_for(limit);\n"}],
    "test_names": [{TEST: "TEST(ATest, ClaimsIt) {\n}\n"}, {TEST: "TEST_F(ATest,\n       Claims) {\n}\n"}],
    "unfinished": [{CORE: "// TODO: when h3 lands, share this\n"}],
    "own_words": [{CORE: "// network/working set\n"}],
    "file_names": [{CORE: "\n"}],
    "mirrored_tests": [{CORE: "\n", TEST: "\n"}],
    "listed_sources": [{CORE: "\n", "lib/core/meson.build": "files('a.cpp')"}],
    "config_documented": [
        {"include/hearth/config.hpp": "struct p_config {\n    std::optional<int> x{};\n};\n"
                                      "struct config {\n    p_config p;\n    int y = 1;\n};\n",
         "docs/configuration.md": "| `p.x` | none |\n| `y` | 1 |\n"},
        {"include/hearth/config.hpp": "struct config {\n    milliseconds a{2'000};\n"
                                      "    std::uint64_t b = 64ULL * 1024;\n};\n",
         "docs/configuration.md": "| `a` | 2 s |\n| `b` | 64 KiB |\n"},
    ],
    "errors_documented": [
        {"include/hearth/error.hpp": "enum class errc : int {\n    a = 1,  ///< A, b.\n};\n",
         "docs/errors.md": "| `a` | text |\n"},
    ],
    "readme_code": [
        {"README.md": "```cpp\nint main() {}\n```\n", "examples/01_get.cpp": "int main() {}\n"},
    ],
    "markdown_links": [{"docs/a.md": "[text](b.md#part)\n", "docs/b.md": "text\n"}],
}


def findings_of(rule, files):
    tree = MadeUpTree(files)
    if rule in rules.TREE_RULES:
        return [finding for finding in rule(tree)]
    return [finding for path in tree.paths for finding in rule(Source(path, files[path]))]


def case_failures():
    """Yields (case, problem or None) for each case."""
    for rule in rules.FILE_RULES + rules.TREE_RULES:
        name = rule.__name__
        if name not in BAD or name not in GOOD:
            yield name, "has no self-test"
            continue
        for files in BAD[name]:
            text = "" if findings_of(rule, files) else f"does not catch {str(files)[:120]}"
            yield name, text
        for files in GOOD[name]:
            found = findings_of(rule, files)
            yield name, f"wrongly says {found[0]}" if found else ""


def exemption_failures():
    exemptions = lint.read_exemptions("# comment\nfile_size | lib/a.cpp | 700 | a table\n")
    covered = exemptions[0].covers("file_size", "lib/a.cpp", "700 lines")
    yield "exemptions", "" if covered else "a listed finding is not exempted"
    other = exemptions[0].covers("file_size", "lib/b.cpp", "700 lines")
    yield "exemptions", "another file is exempted too" if other else ""
    try:
        lint.read_exemptions("file_size | lib/a.cpp | 700 |\n")
        yield "exemptions", "one without a reason is accepted"
    except ValueError:
        yield "exemptions", ""


def scanner_failures():
    code = ('#define X(a) {\nnamespace a {\nstruct s : t<int> {\n  s() : x{1}, y{2} { go({1, 2}); }\n'
            '  bool operator()(int a) const noexcept { return a > 0; }\n  int z{3};\n};\n'
            'auto f(std::function<void(int)> g) -> int {\n  return "}"[0] + \'{\';  // }\n}\n}\n')
    names = [(function.name, function.parameters) for function in Source("x", code).functions()]
    expected = [("s", 0), ("operator()", 1), ("f", 1)]
    yield "scanner", "" if names == expected else f"finds {names} instead of {expected}"


def main():
    passed = failed = 0
    for check in (case_failures, exemption_failures, scanner_failures):
        for name, problem in check():
            passed, failed = passed + (not problem), failed + bool(problem)
            if problem:
                print(f"{name}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    sys.exit(main())
