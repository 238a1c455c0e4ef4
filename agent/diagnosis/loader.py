"""Reads rules from TOML files and checks everything in them; an error names file, line and a hint."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn, TypeVar

from agent.diagnosis.model import Advice, Layer, Rule, RulePattern, Sample, Severity
from agent.diagnosis.proofs import PROOFS
from agent.errors import CannotLook, UsageError
from agent.logs.literals import NoLiteral, lint, required_literals
from agent.logs.model import Pattern

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        import tomli as tomllib
    except ImportError as error:
        raise CannotLook(
            "the rules can't be read: this Python has no reader of TOML",
            "take Python 3.11 or later, or install tomli (Debian's python3-tomli)",
        ) from error

BUILT_IN = Path(__file__).resolve().parent.parent / "rules"

ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RULE_KEYS = ("title", "layer", "severity", "explains", "fix", "references", "patterns", "proof", "advice")
PATTERN_KEYS = ("name", "regex", "why", "idents", "uids", "units", "comms", "transports", "repairs", "refutes", "tells")
TRANSPORTS = ("kernel", "syslog", "stdout", "journal", "driver", "audit")
MAXIMUM_BYTES = 256 * 1024

Word = TypeVar("Word", bound=Enum)
Item = TypeVar("Item")


class RuleError(UsageError):
    """A rule file that can't be used: ``file:line: what is wrong``, and how to mend it."""


@dataclass(frozen=True)
class _Source:
    """One rule file's text, to find the line of what is wrong in it."""

    path: Path
    text: str

    def fail(self, message: str, hint: str, *near: str) -> NoReturn:
        raise RuleError(f"{self.path}:{self.line(*near)}: {message}", hint)

    def line(self, *near: str) -> int:
        """The first line, counted from 1, at which the texts of ``near`` have all gone by, in order."""
        wanted = [text for text in near if text]
        number = 1
        for number, line in enumerate(self.text.splitlines(), 1):
            while wanted and wanted[0] in line:
                wanted.pop(0)
            if not wanted:
                return number if near else 1
        return 1 if wanted else number


def load(folders: Sequence[Path] = ()) -> tuple[Rule, ...]:
    """The built-in rules and those of ``folders`` (--rules DIR), by id; RuleError when one is wrong."""
    rules: dict[str, Rule] = {}
    for folder in (BUILT_IN, *folders):
        for rule in load_folder(folder, tested=folder is BUILT_IN):
            if rule.id in rules:
                raise RuleError(
                    f"{rule.path}:1: there is a rule {rule.id} already, in {rules[rule.id].path}",
                    "give your rule's file another name: the name is the rule's id",
                )
            rules[rule.id] = rule
    _check_explains(rules)
    return tuple(rules.values())


def load_folder(folder: Path, tested: bool = False) -> tuple[Rule, ...]:
    """All rules below a folder, sorted by path. RuleError when it is no folder, or holds no rule. ``tested``: their
    regexes are known to be good, and not looked into, which takes longer than all the rest."""
    if not folder.is_dir():
        raise RuleError(f"{folder}: not a directory", "name the folder that holds your <layer>/<id>.toml files")
    paths = sorted(folder.rglob("*.toml"))
    if not paths:
        raise RuleError(f"{folder}: no rules in it", "a rule is a file <layer>/<id>.toml; see docs/rules.md")
    return tuple(load_file(path, tested) for path in paths)


def load_file(path: Path, tested: bool = False) -> Rule:
    """One rule, fully checked but for ``explains``, which needs all the others."""
    source = _read(path)
    try:
        table = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        number = line[1] if line else str(source.text.count("\n") + 1)
        hint = "regular expressions go between ''' and ''', where backslashes need no doubling"
        raise RuleError(f"{path}:{number}: not TOML: {error}", hint) from error
    rule = _rule(source, table)
    if not tested:
        for index, pattern in enumerate(rule.patterns):
            _check_regex(source, pattern, index)
    return rule


def _read(path: Path) -> _Source:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
        if len(data) > MAXIMUM_BYTES:
            raise RuleError(f"{path}:1: larger than {MAXIMUM_BYTES} bytes", "a rule fits on a few screens")
        return _Source(path, data.decode("utf-8"))
    except OSError as error:
        raise RuleError(f"{path}:1: {error.strerror}", "is it a file that you may read?") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{path}:1: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error


def _rule(source: _Source, table: Mapping[str, object]) -> Rule:
    _known(source, table, (*RULE_KEYS, "samples"), "")
    identity = source.path.stem
    if not ID.fullmatch(identity):
        source.fail(f"{identity!r} is no rule id", "name the file in lower case words joined by -, such as fs-corrupt")
    layer = _word(source, table, "layer", Layer)
    if source.path.parent.name in [known.value for known in Layer] and source.path.parent.name != layer.value:
        source.fail(f"layer {layer.value} in the folder {source.path.parent.name}", "move the file", "layer")
    proof = _table(source, table, "proof")
    silent = proof.get("name") != "trusted_log"  # the other proofs need no log
    patterns = tuple(
        _pattern(source, identity, item, index)
        for index, item in enumerate(_tables(source, table, "patterns", optional=silent))
    )
    names = [pattern.name for pattern in patterns]
    for name in names:
        if names.count(name) > 1:
            source.fail(f"two patterns are named {name}", "give each its own name", f'name = "{name}"')
    samples = _table(source, table, "samples", optional=True)
    _known(source, samples, ("match", "reject"), "samples")
    return Rule(
        id=identity,
        title=_text(source, table, "title"),
        layer=layer,
        severity=_word(source, table, "severity", Severity),
        patterns=patterns,
        proof=_proof(source, proof),
        params={key: _string(source, key, value) for key, value in proof.items() if key != "name"},
        explains=_strings(source, table, "explains"),
        advice=_advice(source, _table(source, table, "advice")),
        fix=_text(source, table, "fix", optional=True),
        references=_strings(source, table, "references"),
        matching=_samples(source, samples, "match"),
        rejecting=_samples(source, samples, "reject"),
        path=str(source.path),
    )


def _pattern(source: _Source, identity: str, table: Mapping[str, object], index: int) -> RulePattern:
    near = ["[[patterns]]"] * (index + 1)
    _known(source, table, PATTERN_KEYS, "patterns", *near)
    name = _text(source, table, "name", *near)
    regex = _text(source, table, "regex", *near)
    transports = _strings(source, table, "transports")
    for transport in transports:
        if transport not in TRANSPORTS:
            source.fail(
                f"pattern {name}: unknown transport {transport}",
                f"one of {', '.join(TRANSPORTS)}",
                *near,
            )

    def flag(key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            source.fail(f"pattern {name}: {key} is true or false", f"write {key} = true", *near)
        return value

    uids = table.get("uids", [])
    if not isinstance(uids, list) or not all(isinstance(uid, int) for uid in uids):
        source.fail(f"pattern {name}: uids is a list of numbers", "write uids = [0]", *near)
    pattern = Pattern(
        key=f"{identity}/{name}",
        regex=regex,
        idents=_strings(source, table, "idents"),
        uids=tuple(uids),
        units=_strings(source, table, "units"),
        comms=_strings(source, table, "comms"),
        transports=transports,
    )
    return RulePattern(
        name, pattern, _text(source, table, "why", *near), flag("repairs"), flag("refutes"), flag("tells")
    )


def _check_regex(source: _Source, pattern: RulePattern, index: int) -> None:
    """RuleError for a regex that is wrong, can't be searched for, or could take for ever."""
    near = [*["[[patterns]]"] * (index + 1), "regex"]
    name, regex = pattern.name, pattern.pattern.regex
    try:
        re.compile(regex)
    except re.error as error:
        source.fail(f"pattern {name}: {error}", "check the brackets and backslashes of the regex", *near)
    try:
        required_literals(regex)
    except NoLiteral as error:
        hint = "every alternative needs three letters or more in a row that a matching line must hold"
        source.fail(f"pattern {name}: {error}", hint, *near)
    for complaint in lint(regex):
        source.fail(f"pattern {name}: {complaint}", "bound what repeats: .{0,80} in place of .*", *near)


def _proof(source: _Source, table: Mapping[str, object]) -> str:
    name = _text(source, table, "name", "[proof]")
    if name not in PROOFS:
        source.fail(f"there is no proof {name!r}", _close(name, PROOFS), "[proof]", "name")
    return name


def _advice(source: _Source, table: Mapping[str, object]) -> Advice:
    _known(source, table, ("text", "commands", "undo"), "advice", "[advice]")
    return Advice(
        _text(source, table, "text", "[advice]"),
        _strings(source, table, "commands"),
        _strings(source, table, "undo"),
    )


def _samples(source: _Source, table: Mapping[str, object], kind: str) -> tuple[Sample, ...]:
    samples = []
    for index, item in enumerate(_tables(source, table, kind, optional=True)):
        near = [f"[[samples.{kind}]]"] * (index + 1)
        _known(source, item, ("text", "why"), f"samples.{kind}", *near)
        samples.append(Sample(_text(source, item, "text", *near), _text(source, item, "why", *near, optional=True)))
    return tuple(samples)


def _check_explains(rules: Mapping[str, Rule]) -> None:
    for rule in rules.values():
        for other in rule.explains:
            if other not in rules:
                text = Path(rule.path).read_text("utf-8")
                source = _Source(Path(rule.path), text)
                source.fail(f"explains {other}, which is no rule", _close(other, rules), "explains", other)


# -- typed access to what TOML gave


def _known(source: _Source, table: Mapping[str, object], keys: Sequence[str], where: str, *near: str) -> None:
    for key in table:
        if key not in keys:
            place = f" in [{where}]" if where else ""
            source.fail(f"unknown key {key!r}{place}", _close(key, keys), *near, key)


def _close(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(words))}"


def _text(source: _Source, table: Mapping[str, object], key: str, *near: str, optional: bool = False) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        source.fail(f"{key} is a text", f'write {key} = "..."', *near, key)
    if not value.strip() and not optional:
        source.fail(f"{key} is missing", f'add {key} = "..."', *near)
    return value


def _string(source: _Source, key: str, value: object) -> str:
    if not isinstance(value, str):
        source.fail(f"the proof's parameter {key} is a text", f'write {key} = "..."', "[proof]", key)
    return value


def _strings(source: _Source, table: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        source.fail(f"{key} is a list of texts", f'write {key} = ["..."]', key)
    return tuple(value)


def _table(source: _Source, table: Mapping[str, object], key: str, optional: bool = False) -> Mapping[str, object]:
    value = table.get(key, {} if optional else None)
    if not isinstance(value, dict):
        source.fail(f"[{key}] is missing", f"add a table [{key}]; see docs/rules.md")
    return value


def _tables(
    source: _Source, table: Mapping[str, object], key: str, optional: bool = False
) -> list[Mapping[str, object]]:
    value = table.get(key, [] if optional else None)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        source.fail(f"[[{key}]] is missing", f"add a table [[{key}]]; see docs/rules.md")
    return value


def _word(source: _Source, table: Mapping[str, object], key: str, words: Callable[[str], Word]) -> Word:
    text = _text(source, table, key)
    try:
        return words(text)
    except ValueError:
        known = [member.value for member in words]  # type: ignore[attr-defined]
        source.fail(f"unknown {key} {text!r}", _close(text, known), key)
