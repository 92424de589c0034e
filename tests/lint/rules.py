"""The rules of the house, one function each. A rule yields findings: (path, line, sentence).

A rule of files takes a Source; a rule of the tree takes the Tree. `RULES` at the end lists both kinds.
"""
import math
import pathlib
import re

STD_HEADER = re.compile(r"^[a-z_0-9]+$")

# Which includes a layer may have. A file of its own layer is always allowed.
LAYER_INCLUDES = {
    "base": r"hearth/(body|error|headers|version)\.hpp$|boost/(system|assert)",
    "core": r"base/|hearth/(config|error|origin|stats|tls|version)\.hpp$",
    "proto": r"base/|hearth/|boost/(system|beast/core/detail/base64)|boost/asio/buffer\.hpp$|"
             r"arpa/inet\.h$|nghttp2/|openssl/|brotli/decode\.h$|zlib\.h$|zstd(_errors)?\.h$",
    "io": r"base/|proto/|hearth/|boost/(asio|system)(?!/ssl)|ares|"
          r"(sys|netinet|arpa|netdb|linux)[/.]|(fcntl|unistd|poll|netdb)\.h$",
    "client": r"base/|core/|proto/|io/|hearth/|boost/(asio|assert|container_hash|system|url)(?!/ssl)|"
              r"(sys)/|(fcntl|pthread|unistd)\.h$",
    "testing": r"base/|hearth/|boost/|nghttp2/|openssl/|sys/|(fcntl|unistd|signal)\.h$",
    "pch": r".",
}
PUBLIC_INCLUDES = r"hearth/|boost/(asio|system)/"
FORBIDDEN_STD = {
    "core": {"thread", "mutex", "shared_mutex", "condition_variable", "future", "random", "atomic",
             "fstream", "iostream", "filesystem", "stop_token", "semaphore", "ctime"},
    "proto": {"thread", "mutex", "shared_mutex", "condition_variable", "future", "random",
              "iostream", "stop_token", "semaphore"},
    "base": {"thread", "condition_variable", "future", "random", "fstream", "iostream",
             "filesystem", "stop_token", "semaphore"},
}
# What sans-I/O code must not name: clocks are read, and threads and sockets owned, elsewhere.
SANS_IO_BANNED = (
    r"\b(steady|system|high_resolution|utc)_clock::now\b|\bclock_gettime\b|\bgettimeofday\b|"
    r"\b(std::)?time\((nullptr|NULL|0)\)|\bstd::j?thread\b|\bstd::\w*mutex\b|\brandom_device\b|"
    r"\b(steady|system|deadline|high_resolution|waitable)_timer\b|(?<![\w>])::(socket|connect|send|recv|read|write|poll|accept)\(|"
    r"\bsleep_(for|until)\b|\bio_context\b|\bany_io_executor\b")
BANNED_CALLS = [
    (r"(?<![\w:])(std::)?(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok)\s*\(",
     "unsafe C function"),
    (r"(?<![\w:.>])(std::)?(rand|srand|system)\s*\(", "rand() and system() are banned"),
    (r"(?<![\w.])(?<!operator )\bnew\s+[\w:(]", "raw new: use make_unique, values or slabs"),
    (r"(?<!operator )\bdelete\b(?!\s*;|d)\s*(\[\s*\])?\s*[\w(*]", "raw delete: use RAII types"),
    (r"\bstd::(views::|ranges::(views|subrange|stable_partition|partition|remove|remove_if|unique|"
     r"rotate|search|equal_range)\b)", "clang 14 does not compile this with libstdc++ 12"),
    (r"\bstd::endl\b", "std::endl flushes: write a newline"),
    (r"(?<![\w_])assert\s*\(", "assert(): use HEARTH_ASSERT"),
    (r"\b(GTEST_SKIP|DISABLED_\w+)", "tests are not skipped"),
    (r"\bvolatile\b", "volatile is no synchronisation"),
]
LIBRARY_BANNED = [
    (r"\busing\s+namespace\b(?!\s+std::(\w+_)?literals)", "using namespace"),
    (r"\bstd::(cout|cerr|clog)\b|(?<!f)(?<![\w])printf\s*\(", "the library prints nothing"),
    (r"\b(std::)?(exit|_exit|quick_exit)\s*\(", "the library does not end the process"),
]
TEST_WAITS = (r"\bsleep_(for|until)\b|(?<![\w.>])(u|nano)?sleep\s*\(|"
              r"\bEXPECT_(LT|LE|GT|GE)\([^;]*_clock::now")
VAGUE_NAMES = re.compile(r"(^|_)(util|utils|helper|helpers|mgr|manager|misc|common)(_|$)")
FOREIGN_WORDS = re.compile(r"/w[o]rk/|\bshared/(design|style|contracts|features)\.md|\bissue \d+\b|"
                           r"\b(style|design)\.md\b")

HEADER_CODE_LIMIT = 300
SOURCE_CODE_LIMIT = 600
TEST_CODE_LIMIT = 800
FUNCTION_LIMIT = 60
PARAMETER_LIMIT = 5
COLUMN_LIMIT = 100


def layer_of(path):
    parts = pathlib.PurePosixPath(path).parts
    return parts[1] if len(parts) > 2 and parts[0] == "lib" else None


def is_test(path):
    return path.startswith("tests/")


def is_header(path):
    return path.endswith(".hpp")


def include_direction(source):
    layer = layer_of(source.path)
    if layer is None and not source.path.startswith("include/"):
        return
    own = f"{layer}/" if layer else "hearth/"
    allowed = LAYER_INCLUDES.get(layer, PUBLIC_INCLUDES) if layer else PUBLIC_INCLUDES
    for line, name in source.includes():
        if STD_HEADER.match(name):
            if name in FORBIDDEN_STD.get(layer, ()):
                yield source.path, line, f"<{name}> does not belong into {layer}"
        elif not name.startswith(own) and not re.match(allowed, name):
            yield source.path, line, f"{layer or 'a public header'} must not include {name}"
        elif layer is None and re.match(r"boost/asio/ssl", name):
            yield source.path, line, "a public header must not include Asio's SSL part"


def sans_io(source):
    if layer_of(source.path) in ("core", "proto"):
        for line, text in source.matches(SANS_IO_BANNED):
            yield source.path, line, f"`{text}` in sans-I/O code"


def file_size(source):
    limit = SOURCE_CODE_LIMIT
    if is_test(source.path):
        limit = TEST_CODE_LIMIT
    elif is_header(source.path):
        limit = HEADER_CODE_LIMIT
    size = source.lines_of_code()
    if size > limit:
        yield source.path, 1, f"{size} lines of code, the limit is {limit}"


def function_size(source):
    for function in source.functions():
        if function.lines > FUNCTION_LIMIT:
            yield (source.path, function.line,
                   f"{function.name} has {function.lines} lines, the limit is {FUNCTION_LIMIT}")


def parameters(source):
    for function in source.functions():
        if function.parameters > PARAMETER_LIMIT:
            yield (source.path, function.line,
                   f"{function.name} has {function.parameters} parameters: use a struct")


def line_length(source):
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMN_LIMIT:
            yield source.path, number, f"{len(line)} columns, the limit is {COLUMN_LIMIT}"


def layout(source):
    for number, line in enumerate(source.lines, 1):
        if "\t" in line or line.endswith((" ", "\r")):
            yield source.path, number, "a tab or white space at the end of the line"
    if not source.text.endswith("\n"):
        yield source.path, len(source.lines), "no newline at the end of the file"


def opening_comment(source):
    """A source that begins with its own header is described there; a unit's test by its name."""
    stem = pathlib.PurePosixPath(source.path).stem
    if source.path.endswith(".cpp") and re.match(rf'#include "[\w/]*\b{stem}\.hpp"', source.text):
        return
    if source.path.endswith("_test.cpp"):
        return
    if not source.text.startswith("// "):
        yield source.path, 1, "the file does not open with a comment that says what it is"


def include_guard(source):
    guards = "#pragma once" in source.text or source.path.startswith(("lib/pch/", "tests/pch/"))
    if is_header(source.path) and not guards:
        yield source.path, 1, "a header without #pragma once"


def banned_calls(source):
    banned = list(BANNED_CALLS)
    if source.path.startswith("lib/"):
        banned += LIBRARY_BANNED
    for pattern, reason in banned:
        for line, text in source.matches(pattern):
            yield source.path, line, f"`{text.strip()}`: {reason}"


def macro_names(source):
    for line, text in source.matches(r"^\s*#\s*define\s+\w+"):
        if not text.split()[-1].startswith("HEARTH_"):
            yield source.path, line, f"macro {text.split()[-1]} does not start with HEARTH_"


def test_waits(source):
    if is_test(source.path):
        for line, text in source.matches(TEST_WAITS):
            yield source.path, line, f"`{text}`: tests wait for events, never for time"


def test_names(source):
    if not source.path.endswith("_test.cpp"):
        return
    found = False
    for number, line in enumerate(source.code_lines, 1):
        match = re.match(r"\s*(TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w*)\s*,?\s*(\w*)", line)
        if not match:
            continue
        found = True
        suite, name = match.group(2), match.group(3)
        if not name:
            following = source.code_lines[number] if number < len(source.code_lines) else ""
            name = following.strip().split(")")[0]
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*Test", suite):
            yield source.path, number, f"suite {suite} is not CamelCase ending in Test"
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
            yield source.path, number, f"test {name} is not a claim in CamelCase"
    if not found:
        yield source.path, 1, "a test file without a test"


def unfinished(source):
    for number, line in enumerate(source.lines, 1):
        if re.search(r"\b(FIXME|XXX|HACK)\b", line):
            yield source.path, number, "unfinished work is not merged"
        if re.search(r"\bTODO\b(?!: when )", line):
            yield source.path, number, "a TODO says the condition: `TODO: when ...`"


def own_words(source):
    for number, line in enumerate(source.lines, 1):
        match = FOREIGN_WORDS.search(line)
        if match:
            yield source.path, number, f"`{match.group(0)}` is nothing a reader of this tree knows"


def file_names(source):
    stem = pathlib.PurePosixPath(source.path).stem
    if VAGUE_NAMES.search(stem):
        yield source.path, 1, f"`{stem}` does not say what is in it"
    if not re.fullmatch(r"[a-z0-9_]+", stem):
        yield source.path, 1, f"`{stem}` is not snake_case"


def mirrored_tests(tree):
    """Each unit of lib has tests/<layer>/<unit>_test.cpp."""
    units = {}
    for path in tree.paths:
        layer = layer_of(path)
        if layer not in (None, "pch") and path.endswith((".cpp", ".hpp")):
            stem = pathlib.PurePosixPath(path).stem
            units.setdefault(f"tests/{layer}/{stem}_test.cpp", path)
    for test, path in sorted(units.items()):
        if test not in tree.paths:
            yield path, 1, f"no {test}"


def listed_sources(tree):
    """Each source is named in the meson.build of its directory, each public header in include/'s."""
    for path in tree.paths:
        if path.startswith(("lib/pch/", "tests/consumer/", "tests/lint/")):
            continue
        if path.startswith("include/"):
            listing, name = "include/meson.build", path.removeprefix("include/")
        elif path.endswith(".cpp"):
            folder = pathlib.PurePosixPath(path).parent
            listing, name = f"{folder}/meson.build", pathlib.PurePosixPath(path).name
            if not tree.has(listing):
                listing, name = f"{folder.parent}/meson.build", f"{folder.name}/{name}"
        else:
            continue
        stem = re.escape(name.removesuffix(".cpp")) if path.endswith(".cpp") else re.escape(name)
        if not re.search(rf"'({stem}|{re.escape(name)})'", tree.read(listing)):
            yield path, 1, f"not listed in {listing}"


def config_documented(tree):
    """Each field of config.hpp has a row in docs/configuration.md with its default, and vice versa."""
    page = "docs/configuration.md"
    fields = config_fields(tree.read("include/hearth/config.hpp"))
    rows = dict(re.findall(r"^\|\s*`([\w.]+)`\s*\|\s*([^|]*?)\s*\|", tree.read(page), flags=re.M))
    for name in sorted(fields.keys() - rows.keys()):
        yield page, 1, f"no row for `{name}`"
    for name in sorted(rows.keys() - fields.keys()):
        yield page, 1, f"`{name}` is no field of config.hpp"
    for name in sorted(fields.keys() & rows.keys()):
        if fields[name] is not None and fields[name] != documented_value(rows[name]):
            yield page, 1, f"the default of `{name}` is {fields[name]}, the page says {rows[name]}"


def config_fields(text):
    """Defaults by dotted name of all fields reachable from `struct config`. Structs of other headers
    and elements of lists are one field. None is a default without a figure or word."""
    structs = {}
    for match in re.finditer(r"^struct (\w+) \{\n(.*?)^\};", text, flags=re.M | re.S):
        body = re.sub(r"//.*", "", match.group(2))
        structs[match.group(1)] = re.findall(
            r"^\s*((?:[\w:]+)(?:<[^;={]*>)?)\s+(\w+)\s*(=[^;]*|\{[^;]*\})?;", body, flags=re.M)
    fields = {}
    for kind, name, default in structs.get("config", []):
        for inner_kind, inner_name, inner_default in structs.get(kind, []):
            fields[f"{name}.{inner_name}"] = default_value(inner_kind, inner_default)
        if kind not in structs:
            fields[name] = default_value(kind, default)
    return fields


def default_value(kind, text):
    """The default of a field: a number (durations in milliseconds), a word, or None."""
    text = text.strip("={} \n").replace("'", "").replace("ULL", "")
    if not text:
        return "none" if "optional" in kind else None
    if re.fullmatch(r"[\d.* ]+", text):
        unit = 1000 if "seconds" in kind and "milliseconds" not in kind else 1
        return float(math.prod(float(factor) for factor in text.split("*"))) * unit
    return text.split("::")[-1]


def documented_value(text):
    """The same of a cell of the page, where numbers may have commas and a unit."""
    text = text.replace("`", "").replace(",", "")
    match = re.fullmatch(r"([\d.]+)\s*(\w*)", text)
    units = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000,
             "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    if match and match.group(2) in units:
        return float(match.group(1)) * units[match.group(2)]
    return text


def errors_documented(tree):
    """Each errc has a row in docs/errors.md."""
    block = re.search(r"enum class errc : int \{(.*?)\n\};", tree.read("include/hearth/error.hpp"),
                      flags=re.S)
    codes = set(re.findall(r"^\s*(\w+)(?: = \d+)?,", re.sub(r"//.*", "", block.group(1)),
                           flags=re.M)) if block else set()
    rows = set(re.findall(r"^\|\s*`(\w+)`\s*\|", tree.read("docs/errors.md"), flags=re.M))
    for name in sorted(codes - rows):
        yield "docs/errors.md", 1, f"no row for `{name}`"
    for name in sorted(rows - codes):
        yield "docs/errors.md", 1, f"`{name}` is no code of error.hpp"


def readme_code(tree):
    """The README's first code is examples/01_get.cpp, to the letter."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", tree.read("README.md"), flags=re.M | re.S)
    example = tree.read("examples/01_get.cpp")
    if not blocks or blocks[0].strip() != example.strip():
        yield "README.md", 1, "its first code is not examples/01_get.cpp"


def markdown_links(tree):
    """Relative links in the pages lead to files that exist."""
    for path in tree.pages:
        folder = pathlib.PurePosixPath(path).parent
        text = re.sub(r"^```.*?^```", lambda block: "\n" * block.group(0).count("\n"),
                      tree.read(path), flags=re.M | re.S)
        for number, line in enumerate(text.split("\n"), 1):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if "://" not in target and not tree.has(str(folder / target)):
                    yield path, number, f"the link to {target} leads nowhere"


FILE_RULES = [include_direction, sans_io, file_size, function_size, parameters, line_length, layout,
              opening_comment, include_guard, banned_calls, macro_names, test_waits, test_names,
              unfinished, own_words, file_names]
TREE_RULES = [mirrored_tests, listed_sources, config_documented, errors_documented, readme_code,
              markdown_links]
