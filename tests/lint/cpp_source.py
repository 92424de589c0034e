"""A C++ source file as lint sees it: raw lines, code without comments and literals, functions.

This is a scanner, not a parser: it knows enough of C++ to find function bodies at namespace and class
scope in code that clang-format has laid out. Line numbers start at 1.
"""
import dataclasses
import re

CODE, LINE_COMMENT, BLOCK_COMMENT, STRING, CHARACTER = range(5)
RAW_STRING = re.compile(r'R"([^()\\\s]{0,16})\(')
SCOPE_HEAD = re.compile(r"^(inline\s+)?namespace\b|^extern\b\s*$")
TYPE_HEAD = re.compile(r"\b(class|struct|union)\b")
FUNCTION_END = re.compile(r"(\)|\b(const|noexcept|override|final|mutable|try)|&|->[^=;]*)\s*$")
INITIALISER_LIST = re.compile(r"\)[\s\w]*:(?!:)")
DIGIT_BEFORE = re.compile(r"[0-9a-fA-F]$")


@dataclasses.dataclass
class Function:
    name: str
    line: int
    lines: int
    parameters: int


def blank_out(text):
    """The text with comments and the insides of literals replaced by blanks, line breaks kept."""
    out, position, end = [], 0, len(text)
    while position < end:
        two = text[position:position + 2]
        raw = RAW_STRING.match(text, position) if text[position] == "R" else None
        if two == "//":
            stop = text.find("\n", position)
            stop = end if stop < 0 else stop
        elif two == "/*":
            stop = text.find("*/", position + 2)
            stop = end if stop < 0 else stop + 2
        elif raw:
            stop = text.find(f'){raw.group(1)}"', position)
            stop = end if stop < 0 else stop + len(raw.group(1)) + 2
        elif text[position] == '"':
            stop = literal_end(text, position, '"')
            out.append('"' + blanks(text[position + 1:stop - 1]) + '"')
            position = stop
            continue
        elif text[position] == "'" and not DIGIT_BEFORE.search(text[max(0, position - 1):position]):
            stop = literal_end(text, position, "'")
        else:
            out.append(text[position])
            position += 1
            continue
        out.append(blanks(text[position:stop]))
        position = stop
    return "".join(out)


def literal_end(text, position, quote):
    at = position + 1
    while at < len(text) and text[at] not in (quote, "\n"):
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def blanks(text):
    return "".join("\n" if character == "\n" else " " for character in text)


def without_directives(code):
    """The code with preprocessor lines (and their continuations) blanked."""
    lines, continued = [], False
    for line in code.split("\n"):
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.rstrip().endswith("\\")
        lines.append("" if directive else line)
    return "\n".join(lines)


def matching(code, position, opening="{", closing="}"):
    """The position behind the bracket that closes the one at `position`."""
    depth = 0
    for at in range(position, len(code)):
        if code[at] == opening:
            depth += 1
        elif code[at] == closing:
            depth -= 1
            if depth == 0:
                return at + 1
    return len(code)


def parameter_list(head):
    """(name, parameters) of a function head, or None if it has no parameter list."""
    depth = 0
    for at, character in enumerate(head):
        if character == "<":
            depth += 1
        elif character == ">" and head[at - 1] != "-":
            depth = max(0, depth - 1)
        elif character == "(" and depth == 0:
            name = re.search(r"([\w~:]+|operator\s*\S+)\s*$", head[:at])
            if name is None or name.group(1) in ("alignas", "decltype", "requires", "noexcept",
                                                 "__attribute__", "explicit"):
                depth_skip = matching(head, at, "(", ")")
                return parameter_list(" " * depth_skip + head[depth_skip:])
            inside = head[at + 1:matching(head, at, "(", ")") - 1]
            if name.group(1).endswith("operator") and not inside.strip():
                following = parameter_list(" " * (at + 2) + "call" + head[at + 2:])
                return ("operator()", following[1]) if following else ("operator()", 0)
            return name.group(1), count_parameters(inside)
    return None


def count_parameters(inside):
    if inside.strip() in ("", "void"):
        return 0
    depth, count = 0, 1
    for at, character in enumerate(inside):
        if character in "(<[{":
            depth += 1
        elif character in ")]}" or (character == ">" and inside[at - 1] != "-"):
            depth -= 1
        elif character == "," and depth == 0:
            count += 1
    return count


class Source:
    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.code = blank_out(text)
        self.code_lines = self.code.split("\n")

    def lines_of_code(self):
        return sum(1 for line in self.code_lines if line.strip())

    def includes(self):
        """(line number, included path) of every #include."""
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s*([<"][^>"]+[>"])', line)
            if match:
                yield number, match.group(1).strip('<>"')

    def matches(self, pattern):
        """(line number, matched text) of a pattern in code, comments and literals left out."""
        for number, line in enumerate(self.code_lines, 1):
            for match in re.finditer(pattern, line):
                yield number, match.group(0)

    def functions(self):
        """The functions with a body at namespace or class scope. Lambdas belong to their function."""
        code = without_directives(self.code)
        position, head = 0, ""
        while position < len(code):
            character = code[position]
            if character in ";}":
                head = ""
            elif character == ":" and re.search(r"\b(public|private|protected)$", head.rstrip()):
                head = ""
            elif character == "{":
                kind = self.brace_kind(head)
                if kind == "scope":
                    head = ""
                elif kind == "function":
                    stop = matching(code, position)
                    yield self.function(code, position, stop, head)
                    position, head = stop, ""
                    continue
                else:
                    position = matching(code, position)
                    head += "()"
                    continue
            else:
                head += character
            position += 1

    @staticmethod
    def brace_kind(head):
        head = re.sub(r"\bHEARTH_(BEGIN|END)_NAMESPACE\b", "", head).strip()
        if SCOPE_HEAD.search(head) or head in ('extern ""', 'extern "C"'):
            return "scope"
        bare = re.sub(r"template\s*<.*?>\s*(?=\b(class|struct|union|requires)\b)", "", head,
                      flags=re.S)
        if TYPE_HEAD.search(bare) and "(" not in bare.replace("alignas(", "") and "=" not in bare:
            return "scope"
        if "(" in head and not re.search(r"=\s*$", head):
            if INITIALISER_LIST.search(head) and re.search(r"[\w>]\s*$", head):
                return "initialiser"
            if FUNCTION_END.search(head) and not re.match(r"^(enum|using)\b", head):
                return "function"
        return "initialiser"

    @staticmethod
    def function(code, opening, stop, head):
        signature = parameter_list(head) or ("?", 0)
        first = code.count("\n", 0, opening) + 1
        return Function(name=signature[0], line=first,
                        lines=code.count("\n", opening, stop) + 1, parameters=signature[1])
