"""The grammar of /etc/network/interfaces, as each of the programs that read it has it.

Told apart are ifupdown since 0.7, ifupdown 0.6 (Debian 6, Ubuntu 10), busybox, ifupdown-ng and ifupdown2:
what one of them takes, another rejects. After an error in the main file the program configures nothing at
all; of a sourced file it drops the rest. Both are read on all the same, to know what was meant, but only the
first error of a file is a problem: the program says no more.

Codes of problems, all of the file (those of an interface are in ifupdown.py):
misplaced-option, too-few-parameters, too-many-parameters, unknown-family, unknown-method, missing-parameter,
unknown-inherits, empty-value, duplicate-script, duplicate-interface, duplicate-auto, duplicate-option,
extra-parameter, source-missing, source-is-directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from agent.facts.netconfig.model import ConfigProblem, Origin
from agent.facts.netconfig.text import by_helper
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown, Why

MAIN = "/etc/network/interfaces"
MAX_FILES = 256
MAX_STANZAS = 1000  # these bounds are for files that somebody made to keep us busy
MAX_OPTIONS = 1000  # of one stanza
MAX_NAMES = 5000  # after auto and allow-
MAX_MAPPINGS = 100
MAX_WILD = 2  # parts of a path with wildcards: more would walk the whole disk
MAX_WORD = 79  # longer words are cut by the program's buffer

_BLANK = " \t\n\v\f\r"  # isspace(3) in the C locale
_SPLIT = re.compile(r"[ \t\n\v\f\r]+")
_RUN_PARTS = re.compile(r"^[A-Za-z0-9_-]+$")
_COMMANDS = frozenset({"pre-up", "up", "down", "post-down"})

# Families and their methods (ifupdown 0.8); those of older versions are among them.
METHODS = {
    "inet": frozenset({"loopback", "static", "manual", "dhcp", "bootp", "ppp", "wvdial", "ipv4ll", "tunnel"}),
    "inet6": frozenset({"loopback", "static", "manual", "dhcp", "tunnel", "v4tunnel", "6to4", "auto"}),
    "ipx": frozenset({"static", "dynamic"}),
    "can": frozenset({"static"}),
    "meta": frozenset({"none"}),
}


class Dialect(str, Enum):
    CLASSIC = "ifupdown"
    OLD = "ifupdown 0.6"
    BUSYBOX = "busybox"
    NG = "ifupdown-ng"
    TWO = "ifupdown2"

    @property
    def lenient(self) -> bool:
        """Takes stanzas without family or method, and words it doesn't know."""
        return self in (Dialect.NG, Dialect.TWO)


@dataclass(frozen=True)
class Option:
    name: str
    value: str
    origin: Origin


@dataclass
class Stanza:
    """One ``iface`` stanza. Family and method are "" where the dialect lets them be left out."""

    name: str
    family: str
    method: str
    origin: Origin
    options: list[Option] = field(default_factory=list)
    template: bool = False

    def values(self, *names: str) -> list[Option]:
        return [option for option in self.options if option.name in names]


@dataclass
class Parsed:
    """What a file and all that it sources say, in the order of reading."""

    dialect: Dialect
    files: list[str] = field(default_factory=list)
    stanzas: list[Stanza] = field(default_factory=list)
    auto: dict[str, Origin] = field(default_factory=dict)
    allow: dict[str, dict[str, Origin]] = field(default_factory=dict)  # class of allow-CLASS: names
    mappings: list[tuple[tuple[str, ...], str]] = field(default_factory=list)  # patterns, script
    dropped: set[str] = field(default_factory=set)  # names after ``auto`` in the dropped rest of a file
    renames: dict[str, str] = field(default_factory=dict)  # new name: old
    problems: list[ConfigProblem] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    helper: bool = False


@dataclass
class _State:
    """Where in a file the parser is."""

    path: str
    within: str = ""  # "iface", "mapping" or ""
    script: bool = False  # the mapping has its script
    failed: bool = False


def parse(target: Target, dialect: Dialect, path: str = MAIN) -> Parsed:
    """Read a file and those that it sources."""
    parsed = Parsed(dialect)
    _file(target, parsed, path, set(), 0)
    return parsed


def _file(target: Target, parsed: Parsed, path: str, seen: set[str], depth: int) -> None:
    if path in seen or len(parsed.files) >= MAX_FILES or depth > 20:
        return
    seen.add(path)
    raw = target.read(path)
    if isinstance(raw, Unknown):
        if not (raw.absent and depth == 0):
            parsed.unread.append(raw.reason)
        return
    parsed.files.append(path)
    text = raw.decode("utf-8", "replace")
    parsed.helper = parsed.helper or by_helper(text)
    state = _State(path)
    for number, line in logical_lines(text):
        if len(parsed.stanzas) >= MAX_STANZAS:
            return
        _line(target, parsed, state, number, line, seen, depth)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations joined, and the number of each one's last line, as the program counts.

    A comment is a line whose first visible character is #; it is not continued, but it is no comment when it
    itself continues another line. A NUL ends a line.
    """
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    at = 0
    while at < len(lines):
        line = lines[at].split("\0", 1)[0].lstrip(_BLANK)
        at += 1
        if line.startswith("#"):
            continue
        parts = [line]
        while parts[-1].endswith("\\"):
            parts[-1] = parts[-1][:-1]
            if at >= len(lines):
                break
            parts.append(lines[at].split("\0", 1)[0])
            at += 1
        joined = "".join(parts).rstrip(_BLANK)
        if joined:
            yield at, joined


def _words(line: str) -> list[str]:
    return [word[:MAX_WORD] for word in _SPLIT.split(line) if word]


def _line(target: Target, parsed: Parsed, state: _State, number: int, line: str, seen: set[str], depth: int) -> None:
    words = _words(line)
    first, rest = words[0], [*_SPLIT.split(line, maxsplit=1), ""][1]
    origin = Origin(state.path, number)
    dialect = parsed.dialect
    if first == "mapping" and dialect is not Dialect.TWO:
        state.within, state.script = "mapping", False
        if len(parsed.mappings) < MAX_MAPPINGS:
            parsed.mappings.append((tuple(words[1:50]), ""))
    elif first == "source" and dialect is not Dialect.OLD:
        state.within = ""
        _source(target, parsed, state.path, rest, origin, seen, depth)
    elif first.startswith("source-dir") and dialect is not Dialect.OLD:
        state.within = ""
        _source_directory(target, parsed, state.path, rest, seen, depth)
    elif first in ("iface", "interface") and (first == "iface" or dialect is Dialect.NG):
        _iface(parsed, state, words, origin)
    elif first in ("template", "vlan") and dialect.lenient:
        _iface(parsed, state, words, origin, template=first == "template")
    elif first == "auto" or _is_allow(first, dialect):
        _auto(parsed, state, words, origin)
    elif first in ("no-auto-down", "no-scripts") and dialect in (Dialect.CLASSIC, Dialect.TWO):
        state.within = ""
    elif first == "rename" and dialect is Dialect.CLASSIC:
        state.within = ""
        for word in words[1:]:
            old, equals, new = word.partition("=")
            if equals:
                parsed.renames[new] = old
    elif state.within == "iface":
        _option(parsed, state, first, rest, origin)
    elif state.within == "mapping" and first in ("script", "map"):
        if first == "script" and state.script:
            _problem(parsed, state, "duplicate-script", "duplicate script in mapping", origin)
        elif first == "script":
            state.script = True
            parsed.mappings[-1] = (parsed.mappings[-1][0], rest)
    elif not dialect.lenient:
        _problem(parsed, state, "misplaced-option", "misplaced option", origin, word=first)


def _is_allow(word: str, dialect: Dialect) -> bool:
    return word.startswith("allow-") and len(word) > 6 and dialect is not Dialect.BUSYBOX


def _auto(parsed: Parsed, state: _State, words: list[str], origin: Origin) -> None:
    state.within = ""
    kind = "auto" if words[0] in ("auto", "allow-auto") else words[0][6:]
    names = parsed.auto if kind == "auto" else parsed.allow.setdefault(kind, {})
    for name in words[1 : max(1, MAX_NAMES - len(names))]:
        if name in names and kind == "auto" and parsed.dialect in (Dialect.OLD, Dialect.BUSYBOX):
            text = "interface declared auto twice"
            _problem(parsed, state, "duplicate-auto", text, origin, word=words[0], name=name)
        if state.failed and name not in names:
            parsed.dropped.add(name)
        names.setdefault(name, origin)


def _iface(parsed: Parsed, state: _State, words: list[str], origin: Origin, template: bool = False) -> None:
    dialect = parsed.dialect
    previous, state.within = state.within, "iface"
    if len(words) < 2:
        if not dialect.lenient:
            text = "too few parameters for iface line"
            _problem(parsed, state, "too-few-parameters", text, origin, word="iface")
        state.within = previous
        return
    stanza = Stanza(words[1], "", "", origin, template=template)
    rest = words[2:]
    if rest and rest[0] in METHODS:
        stanza.family = rest.pop(0)
        if rest and (rest[0] in METHODS[stanza.family] or (dialect.lenient and rest[0] != "inherits")):
            stanza.method = rest.pop(0)
    elif dialect is Dialect.CLASSIC and rest[:1] != ["inherits"]:
        text = "unknown or no address type and no inherits keyword specified"
        _problem(parsed, state, "unknown-family", text, origin, name=words[1])
    problem = _iface_strict(parsed, stanza, rest, words) if not dialect.lenient else ("", "")
    if problem[0]:
        fatal = problem[0] != "extra-parameter"
        word = rest[0] if problem[0] in ("unknown-family", "unknown-method") and rest else "iface"
        _problem(parsed, state, problem[0], problem[1], origin, word=word, name=words[1], fatal=fatal)
    if rest[:1] == ["inherits"] and len(rest) > 1:
        _inherit(parsed, state, stanza, rest[1], origin)
    parsed.stanzas.append(stanza)


def _iface_strict(parsed: Parsed, stanza: Stanza, rest: list[str], words: list[str]) -> tuple[str, str]:
    """Code and text of what a strict program says of the words after family and method."""
    if parsed.dialect is Dialect.CLASSIC:
        if stanza.family and not stanza.method and rest[:1] != ["inherits"]:
            return "unknown-method", "unknown or no method and no inherits keyword specified"
        if rest[:1] == ["inherits"] and len(rest) < 2:
            return "missing-parameter", "'inherits' keyword is missing a parameter"
        if rest and rest[0] != "inherits" and stanza.method:
            text = f"extra parameter for the iface line not understood and ignored: {rest[0]}"
            return "extra-parameter", text
        return "", ""
    if len(words) < 4:
        return "too-few-parameters", "too few parameters for iface line"
    if len(words) > 4:
        return "too-many-parameters", "too many parameters for iface line"
    if not stanza.family:
        return "unknown-family", "unknown address type"
    if not stanza.method:
        return "unknown-method", "unknown method"
    same = any(one.name == stanza.name and one.family == stanza.family for one in parsed.stanzas)
    if same and parsed.dialect is Dialect.OLD:
        return "duplicate-interface", "duplicate interface"
    return "", ""


def _inherit(parsed: Parsed, state: _State, stanza: Stanza, name: str, origin: Origin) -> None:
    """Take the options of the first stanza of that name (and of that family, when one is given)."""
    for other in parsed.stanzas:
        if other.name == name and stanza.family in ("", other.family):
            stanza.family = stanza.family or other.family
            stanza.method = stanza.method or other.method
            stanza.options += other.options[:MAX_OPTIONS]
            return
    if parsed.dialect is Dialect.CLASSIC:
        text = f"unknown iface to inherit from: {name} ({stanza.family or '*'})"
        _problem(parsed, state, "unknown-inherits", text, origin, name=stanza.name)


def _option(parsed: Parsed, state: _State, name: str, value: str, origin: Origin) -> None:
    stanza = parsed.stanzas[-1] if parsed.stanzas else None
    if stanza is None or len(stanza.options) >= MAX_OPTIONS:
        return
    if parsed.dialect is not Dialect.OLD:
        name = {"post-up": "up", "pre-down": "down"}.get(name, name)
    if not value and parsed.dialect in (Dialect.CLASSIC, Dialect.OLD, Dialect.BUSYBOX):
        text = "option with empty value"
        _problem(parsed, state, "empty-value", text, origin, word=name, name=stanza.name)
    repeats = name not in _COMMANDS and any(option.name == name for option in stanza.options)
    if repeats and parsed.dialect in (Dialect.OLD, Dialect.BUSYBOX):
        _problem(parsed, state, "duplicate-option", "duplicate option", origin, word=name, name=stanza.name)
    if name in ("inherit", "inherits") and parsed.dialect.lenient:
        _inherit(parsed, state, stanza, value, origin)
    stanza.options.append(Option(name, value, origin))


def _problem(
    parsed: Parsed,
    state: _State,
    code: str,
    text: str,
    origin: Origin,
    word: str = "",
    name: str = "",
    fatal: bool = True,
) -> None:
    """Note what the program says; after the first error of a file it says nothing more."""
    if state.failed:
        return
    state.failed = fatal
    said = f'{text} "{word}"' if parsed.dialect is Dialect.BUSYBOX else f"{origin}: {text}"
    parsed.problems.append(ConfigProblem(code, said, origin, fatal, name))


# -- source and source-directory


def _source(target: Target, parsed: Parsed, path: str, rest: str, origin: Origin, seen: set[str], depth: int) -> None:
    words = _expand(path, rest)
    if parsed.dialect is Dialect.NG:
        words = words[:1]
    for word in words:
        wild = any(char in word for char in "*?[")
        found = _glob(target, parsed, word) if wild else (word,)
        for name in found[:MAX_FILES]:
            stat = target.stat(name)
            if isinstance(stat, Unknown):
                if stat.absent and not wild:
                    text = f"{name}: no such file, the line has no effect"
                    fatal = parsed.dialect is Dialect.NG
                    if fatal:
                        text = f"could not parse {MAIN}"
                    parsed.problems.append(ConfigProblem("source-missing", text, origin, fatal))
                elif stat.why is not Why.ABSENT:
                    parsed.unread.append(stat.reason)
            elif stat.kind is Kind.DIR:
                text = f"{name}: Is a directory"
                parsed.problems.append(ConfigProblem("source-is-directory", text, origin, False))
            else:
                _file(target, parsed, name, seen, depth + 1)


def _source_directory(target: Target, parsed: Parsed, path: str, rest: str, seen: set[str], depth: int) -> None:
    every = parsed.dialect is not Dialect.CLASSIC  # only ifupdown itself looks at the names
    for word in _expand(path, rest):
        folders = _glob(target, parsed, word) if any(char in word for char in "*?[") else (word,)
        for folder in folders[:MAX_FILES]:
            names = target.list(folder)
            if isinstance(names, Unknown):
                if not names.absent:
                    parsed.unread.append(names.reason)
                continue
            for name in list(names)[:4096]:
                if (every or _RUN_PARTS.match(name)) and _is_file(target, f"{folder}/{name}"):
                    _file(target, parsed, f"{folder}/{name}", seen, depth + 1)


def _glob(target: Target, parsed: Parsed, pattern: str) -> tuple[str, ...]:
    if sum(any(char in part for char in "*?[") for part in pattern.split("/")) > MAX_WILD or len(pattern) > 512:
        parsed.unread.append(f"{pattern[:80]}: too wide a pattern to follow")
        return ()
    return target.glob(pattern)


def _is_file(target: Target, path: str) -> bool:
    stat = target.stat(path)
    return isinstance(stat, Stat) and stat.kind is Kind.FILE


def _expand(path: str, rest: str) -> list[str]:
    """Words of a source line as wordexp(3) gives them; none where it refuses (commands, braces, pipes)."""
    if re.search(r"[|&;<>(){}`\n]", rest) or "$(" in rest:
        return []
    if not rest.startswith("/"):
        rest = path.rpartition("/")[0] + "/" + rest
    words = []
    for word in _words(rest):
        word = re.sub(r"['\"]", "", word)
        if "$" not in word and not word.startswith("~"):
            words.append(word if word.startswith("/") else "/" + word)
    return words
