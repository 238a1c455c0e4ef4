"""Why a hook script can't succeed: judged from its text and from the files it needs, never by running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

LIMIT = 256 * 1024  # bytes; a hook that is larger is a program
_SHEBANG_LIMIT = 255  # bytes of the first line that the kernel reads (binfmt_script)

_TEST = re.compile(
    r"""(?:test|\[\[?)\s+(?P<not>!\s+)?-(?P<flag>[efrsxdhL])\s+["']?(?P<path>/[\w./+@-]+)["']?\s*(?:\]\]?)?"""
)
_FIND = re.compile(r"(?:command\s+-v|which|type|hash)\s+(?:-p\s+)?(?P<program>[\w./+-]+)")
_EXIT = re.compile(r"\b(?:exit|return)\b")
_SOURCE = re.compile(r"""(?:^|[;&|]\s*|\bthen\s+)(?:\.|source)\s+["']?(?P<path>/[\w./+@-]+)["']?""")
_INPUT = re.compile(
    r"""(?P<program>(?:/[\w./-]*/)?ip6?tables(?:-legacy|-nft)?-restore)\b[^<|;&]*(?:<\s*["']?(?P<path>/[\w./+@-]+))?"""
)
_KEEPS_STATUS = re.compile(r"exit(?:\s+\$\?)?\s*;?")
_OPENS = re.compile(r"^(?:if|case|for|while|until|\{|\()(?:\s|$)|\{\s*$")
_CLOSES = re.compile(r"^(?:fi|esac|done|\}|\))(?:\s|;|$|\|)|[;\s](?:fi|esac|done)\s*$")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a script. ``sure``: nothing that we could not judge stands before it."""

    problem: str
    line: int = 0
    text: str = ""
    sure: bool = True


@dataclass(frozen=True)
class Script:
    """An executable text file: its path, its first line as the kernel reads it, and its lines."""

    path: str
    data: bytes

    @property
    def interpreter(self) -> tuple[str, ...]:
        """The words of the #! line, () when it has none."""
        if not self.data.startswith(b"#!"):
            return ()
        first = self.data[2 : _SHEBANG_LIMIT + 1].split(b"\n", 1)[0]
        words = first.decode("utf-8", "replace").strip(" \t")
        return tuple(re.split(r"[ \t]+", words, maxsplit=1)) if words else ()  # no other blanks: binfmt_script

    @property
    def lines(self) -> list[str]:
        return self.data.decode("utf-8", "replace").split("\n")

    @property
    def shell(self) -> bool:
        """True when a shell of the Bourne family runs it."""
        words = self.interpreter
        if not words:
            return False
        name = words[0].rsplit("/", 1)[-1]
        if name == "env" and len(words) > 1:
            name = words[1].split()[0]
        return name in ("sh", "dash", "ash", "bash", "busybox", "ksh", "zsh")

    @property
    def stops_at_errors(self) -> bool:
        """True with set -e, on the #! line or as a command."""
        words = self.interpreter
        flags = words[1] if len(words) > 1 else ""
        if re.match(r"-[a-z]*e", flags):
            return True
        return any(re.match(r"\s*set\s+-(?:[a-z]*e|o\s+errexit)", line) for line in self.lines)

    @property
    def forgives_sources(self) -> bool:
        """bash by its own name goes on after a ``.`` that finds nothing; as sh it does not (POSIX)."""
        words = self.interpreter
        name = words[0].rsplit("/", 1)[-1] if words else ""
        if name == "env" and len(words) > 1:
            name = words[1].split()[0]
        return name in ("bash", "zsh") and not self.stops_at_errors


def read(target: Target, path: str) -> Script | Unknown:
    data = target.read(path, LIMIT)
    return data if isinstance(data, Unknown) else Script(path, data)


def exec_fault(target: Target, script: Script) -> Fault | None:
    """Why execve(2) refuses the script, None when it does not (or when it is no text)."""
    data = script.data
    if b"\0" in data[:1024] or data.startswith(b"\x7fELF"):
        return None
    first = data.split(b"\n", 1)[0]
    shown = first[:80].decode("utf-8", "replace").replace("\r", "^M")
    if not data.startswith(b"#!"):
        if data.startswith(b"\xef\xbb\xbf#!"):
            return Fault("a byte order mark stands before its #!, so it can't be executed", 1, shown)
        if not data.strip():
            return Fault("it is empty, so it can't be executed", 1, shown)
        return Fault("it has no #! line, so it can't be executed", 1, shown)
    if first.endswith(b"\r"):
        return Fault("its lines end in CRLF, so its interpreter is not found", 1, shown)
    words = script.interpreter
    if not words:
        return Fault("its #! line names no interpreter", 1, shown)
    return _interpreter_fault(target, words, shown)


def _interpreter_fault(target: Target, words: tuple[str, ...], shown: str) -> Fault | None:
    interpreter = words[0]
    if not interpreter.startswith("/"):
        return None
    stat = target.stat(interpreter)
    if isinstance(stat, Unknown):
        name = interpreter[:80].replace("\r", "^M")
        return Fault(f"its interpreter {name} does not exist", 1, shown) if stat.absent else None
    if stat.kind is not Kind.FILE or not stat.executable:
        return Fault(f"its interpreter {interpreter} is no program", 1, shown)
    if interpreter.rsplit("/", 1)[-1] == "env" and len(words) > 1:
        program = words[1].split()[0]
        if re.fullmatch(r"[\w.+-]+", program):
            found = target.find_program(program)
            if isinstance(found, Unknown) and found.absent:
                return Fault(f"its interpreter {program} is not installed", 1, shown)
    return None


def missing_source(target: Target, script: Script, only: str = "") -> Fault | None:
    """A file that the script reads with ``.``, that does not exist, and that nothing before it guards.

    ``only``: look for this path alone.
    """
    if not script.shell or script.forgives_sources:
        return None
    for statement in _reached(target, script):
        for source in _SOURCE.finditer(statement.text):
            path = source["path"]
            if only and path != only:
                continue
            if _tests(statement.text[: source.start("path")], path) or _forgiven(statement.text[source.end() :]):
                continue
            if _absent(target, path):
                problem = f"it reads {path}, which does not exist"
                return Fault(problem, statement.line, statement.text[:200], statement.sure)
    return None


def failing_restore(target: Target, script: Script) -> Fault | None:
    """iptables-restore is the script's last word (or stands under set -e), and it or its file is missing."""
    if not script.shell:
        return None
    statements = list(_reached(target, script))
    for index, statement in enumerate(statements):
        rest = [later for later in statements[index + 1 :] if not _KEEPS_STATUS.fullmatch(later.text)]
        if rest and not script.stops_at_errors:
            continue
        fault = restore_fault(target, statement.text)
        if fault:
            return Fault(fault, statement.line, statement.text[:200], statement.sure)
    return None


def rulesets(script: Script) -> Iterator[str]:
    """The files whose rules the script loads, wherever in it that stands."""
    for _, text in _logical(script.lines):
        for found in _INPUT.finditer(text):
            if found["path"]:
                yield found["path"]


def commands(script: Script) -> Iterator[tuple[int, str]]:
    """The script's lines with their numbers, without comments, blanks and here-documents; continued lines
    are joined."""
    return _logical(script.lines)


def restore_fault(target: Target, command: str) -> str:
    """Why a command line with iptables-restore fails; "" when it does not, or guards itself."""
    found = _INPUT.search(command)
    if not found or _forgiven(command[found.start() :]) or _guarded(command[: found.start()]):
        return ""
    path, program = found["path"], found["program"]
    if path and _absent(target, path):
        return f"it loads the rules of {path}, which does not exist"
    there = target.stat(program) if program.startswith("/") else target.find_program(program)
    if isinstance(there, Unknown) and there.absent:
        return f"{program} is not installed"
    return ""


@dataclass(frozen=True)
class _Statement:
    """A line of the script at its outermost level that is reached when it runs."""

    text: str
    line: int
    sure: bool


def _reached(target: Target, script: Script) -> Iterator[_Statement]:
    """The outermost lines in order, up to where a guard (or an exit) surely ends the script."""
    depth = 0
    sure = True
    condition: bool | None = None
    for number, text in _logical(script.lines):
        if depth == 0 and _OPENS.search(text) and not _CLOSES.search(text):
            condition = _condition(target, text)
            depth = 1
            yield _Statement(text, number, sure)
            if _EXIT.search(text) and condition is True:
                return
            continue
        if depth:
            if _CLOSES.search(text) and not _OPENS.match(text):
                depth -= 1
            elif _OPENS.search(text) and not _CLOSES.search(text):
                depth += 1
            elif re.match(r"(?:else|elif)\b", text) and depth == 1:
                condition = None if condition is None else not condition
            elif _EXIT.search(text):
                if condition is True and depth == 1:
                    return
                if condition is None:
                    sure = False
            continue
        verdict = _guard(target, text)
        if verdict is None:
            sure = False
        yield _Statement(text, number, sure)
        if verdict is True:
            return


def _logical(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines without comments and blanks, with continued lines joined; here-documents are left out."""
    pending, start, until = "", 0, ""
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r")
        if until:
            until = "" if line.strip() == until else until
            continue
        if not pending and line.lstrip().startswith("#"):
            continue
        start = start or number
        pending += line[:4096]
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        text = re.sub(r"\s#\s.*$", "", pending).strip()
        if text:
            yield start, text
        here = re.search(r"<<-?\s*[\"']?(\w+)", text)
        until = here[1] if here and "<<<" not in text else ""
        pending, start = "", 0


def _guard(target: Target, text: str) -> bool | None:
    """Does this line end the script here? True surely, False surely not, None: it depends on the run."""
    ends = _EXIT.search(text)
    if not ends:
        return False
    before = text[: ends.start()]
    if re.fullmatch(r"\s*(?:\{\s*)?", before):
        return True
    met = _condition(target, before)
    if met is None:
        # Conditions on variables ($IFACE, $MODE) let the usual interface through; what they test is unknown.
        return None
    if re.search(r"\|\|\s*(?:\{\s*)?(?:\w+ [^;]*;\s*)?$", before):
        return not met
    if re.search(r"(?:&&|then)\s*(?:\{\s*)?(?:\w+ [^;]*;\s*)?$", before):
        return met
    return None


def _condition(target: Target, text: str) -> bool | None:
    """The value of a test of the file system, None when it is another test, or several."""
    tests = list(_TEST.finditer(text))
    if len(tests) == 1:
        value = _value(target, tests[0]["flag"], tests[0]["path"])
        inverted = bool(tests[0]["not"]) != bool(re.search(r"\bif\s+!\s+(?:test|\[)", text))
        return None if value is None else value != inverted
    found = _FIND.search(text)
    if not tests and found:
        there = target.find_program(found["program"]) if "/" not in found["program"] else target.stat(found["program"])
        inverted = bool(re.search(r"\bif\s+!\s", text))
        return (not isinstance(there, Unknown)) != inverted
    return None


def _value(target: Target, flag: str, path: str) -> bool | None:
    stat = target.stat(path, follow=flag not in "hL")
    if isinstance(stat, Unknown):
        return False if stat.absent else None
    if flag in "f":
        return stat.kind is Kind.FILE
    if flag == "d":
        return stat.kind is Kind.DIR
    if flag == "x":
        return stat.executable
    if flag == "s":
        return stat.size > 0
    if flag in "hL":
        return stat.kind is Kind.LINK
    return True


def _tests(text: str, path: str) -> bool:
    return any(test["path"] == path for test in _TEST.finditer(text))


def _guarded(text: str) -> bool:
    """A condition stands before the command on its own line."""
    return bool(re.search(r"\b(?:test|if|command|which)\b|\[", text))


def _forgiven(rest: str) -> bool:
    """Whatever follows on the line makes the failure harmless: || true, || :, ; true, ; exit 0."""
    return bool(re.search(r"\|\||;\s*(?:true|:|exit 0)\b", rest)) or rest.rstrip().endswith("&")


def _absent(target: Target, path: str) -> bool:
    stat = target.stat(path)
    if isinstance(stat, Stat):
        return stat.kind is Kind.DIR
    return stat.absent
