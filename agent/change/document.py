"""change.json: a change as text, and back. What is read may have been written by anybody who had the disk."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Callable, TypeVar

from agent.change.model import (
    Absent,
    Change,
    ChangeState,
    Command,
    Kept,
    KeptFile,
    KeptFolder,
    KeptLink,
    Link,
    MakeFolder,
    Move,
    Operation,
    Remove,
    Run,
    SetMode,
    Step,
    WriteFile,
)

SCHEMA = "lish-agent/change-on-disk/1"
LIMIT = 32 * 1024 * 1024  # bytes of a change.json
ID = re.compile(r"[1-9]\d{0,8}-[a-z][a-z0-9-]{0,40}")
STORED = re.compile(r"\d{1,6}")
NAME_MAX, PATH_MAX = 255, 3000  # bytes of a name, characters of a path
MODE = 0o7777
OWNER = 2**32 - 2
TIME = 2**63 - 1  # nanoseconds; bytes of a file
FLAGS = 2**32 - 1
_OPERATIONS = {
    "write": WriteFile,
    "move": Move,
    "link": Link,
    "remove": Remove,
    "set-mode": SetMode,
    "make-folder": MakeFolder,
    "run": Run,
}
KINDS: Mapping[type, str] = {kind: name for name, kind in _OPERATIONS.items()}

T = TypeVar("T")


class Damaged(ValueError):
    """The text is no change."""


def dump(change: Change) -> bytes:
    """ASCII, one document."""
    document = {
        "schema": SCHEMA,
        "id": change.id,
        "fix": change.fix,
        "state": change.state.value,
        "summary": change.summary,
        "steps": [_step(step) for step in change.steps],
        "created": change.created,
        "folders": _kept_by_path(change.folders),
        "folders_after": dict(change.folders_after),
        "warnings": list(change.warnings),
        "reboot": change.reboot,
        "next": list(change.next),
        "ended": change.ended,
        "why": change.why,
        "confirm_by": change.confirm_by,
        "mode": change.mode,
        "boot": change.boot,
    }
    return json.dumps(document, indent=1, ensure_ascii=True).encode("ascii", "backslashreplace") + b"\n"


def _step(step: Step) -> dict[str, object]:
    return {
        "operation": _operation(step.operation),
        "before": _kept_by_path(step.before),
        "after": _kept_by_path(step.after),
        "begun": step.begun,
        "done": step.done,
        "output": step.output,
        "failed": step.failed,
    }


def _operation(operation: Operation) -> dict[str, object]:
    values: dict[str, object] = {"kind": KINDS[type(operation)]}
    for field in fields(operation):
        value = getattr(operation, field.name)
        if field.name == "inverse":
            value = [_command(command) for command in value]
        elif isinstance(value, bytes):
            value = _bytes(value)
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        values[field.name] = value
    return values


def _command(command: Command) -> dict[str, object]:
    values: dict[str, object] = {"argv": list(command.argv), "input": _bytes(command.input)}
    if command.stored:
        values.update(stored=command.stored, sha256=command.sha256)
    return {**values, "required": True} if command.required else values


def _kept_by_path(kept: Mapping[str, Kept]) -> dict[str, object]:
    return {path: _kept(value) for path, value in kept.items()}


def _kept(kept: Kept) -> dict[str, object]:
    if isinstance(kept, Absent):
        return {"kind": "absent"}
    kind = {KeptFile: "file", KeptLink: "link", KeptFolder: "folder"}[type(kept)]
    values: dict[str, object] = {"kind": kind}
    for field in fields(kept):
        value = getattr(kept, field.name)
        values[field.name] = {key: _bytes(data) for key, data in value.items()} if field.name == "xattrs" else value
    return values


def _bytes(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def load(data: bytes) -> Change:
    """The change that a text describes; Damaged when it describes none."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"no JSON: {error}") from error
    try:
        return _load(_Reader(document))
    except Damaged:
        raise
    except (TypeError, OverflowError, ValueError) as error:
        raise Damaged(str(error)) from error


class _Reader:
    """One JSON object, its values asked for by name and type."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise Damaged("an object is missing")
        self._values: dict[str, object] = value

    def get(self, name: str, kind: type[T], *or_kinds: type) -> T:
        value = self._values.get(name)
        if isinstance(value, bool) and kind is not bool:
            raise Damaged(f"{name} has a wrong type")
        if not isinstance(value, (kind, *or_kinds)):
            raise Damaged(f"{name} has a wrong type")
        return value  # type: ignore[return-value]

    def number(self, name: str) -> float:
        return _finite(float(self.get(name, int, float)))

    def whole(self, name: str, most: int, least: int = 0) -> int:
        """An integer that the kernel can take: in least..most."""
        value = self.get(name, int)
        if not least <= value <= most:
            raise Damaged(f"{name} is out of range")
        return value

    def whole_or_none(self, name: str, most: int) -> int | None:
        return None if self._values.get(name) is None else self.whole(name, most)

    def optional(self, name: str, kind: type[T]) -> T | None:
        return None if self._values.get(name) is None else self.get(name, kind)

    def data(self, name: str) -> bytes:
        return _decode(self.get(name, str))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.get(name, list)
        if not all(isinstance(value, str) for value in values):
            raise Damaged(f"{name} has a wrong type")
        return tuple(values)

    def items(self, name: str, read: Callable[[object], T]) -> dict[str, T]:
        return {key: read(value) for key, value in self.get(name, dict).items()}


def _load(reader: _Reader) -> Change:
    if reader.get("schema", str) != SCHEMA:
        raise Damaged("written by another version")
    name = reader.get("id", str)
    if not ID.fullmatch(name):
        raise Damaged("its id is none")
    ended, confirm_by = (
        None if value is None else _finite(value)
        for value in (reader.optional("ended", float), reader.optional("confirm_by", float))
    )
    return Change(
        id=name,
        fix=reader.get("fix", str),
        state=_state(reader.get("state", str)),
        summary=reader.get("summary", str),
        steps=tuple(_load_step(_Reader(step)) for step in reader.get("steps", list)),
        created=reader.number("created"),
        folders=_paths(reader.items("folders", _load_kept)),
        folders_after=_paths(reader.items("folders_after", _integer)),
        warnings=reader.texts("warnings"),
        reboot=reader.get("reboot", bool),
        next=reader.texts("next"),
        ended=ended,
        why=reader.get("why", str),
        confirm_by=confirm_by,
        mode=reader.get("mode", str),
        boot=reader.get("boot", str),
    )


def _state(text: str) -> ChangeState:
    try:
        return ChangeState(text)
    except ValueError as error:
        raise Damaged("its state is none") from error


def _load_step(reader: _Reader) -> Step:
    operation = _load_operation(_Reader(reader.get("operation", dict)))
    before = _paths(reader.items("before", _load_kept))
    if not isinstance(operation, Run):
        touched = {operation.path, operation.to} if isinstance(operation, Move) else {operation.path}
        if set(before) != touched:
            raise Damaged("a step keeps other paths than it touches")
    return Step(
        operation=operation,
        before=before,
        after=_paths(reader.items("after", _load_kept)),
        begun=reader.get("begun", bool),
        done=reader.get("done", bool),
        output=reader.get("output", str),
        failed=reader.get("failed", str),
    )


def _load_operation(reader: _Reader) -> Operation:
    kind = reader.get("kind", str)
    if kind == "write":
        owner = (
            reader.whole_or_none("mode", MODE),
            reader.whole_or_none("uid", OWNER),
            reader.whole_or_none("gid", OWNER),
        )
        return WriteFile(_path(reader), reader.data("content"), *owner)
    if kind == "move":
        return Move(_path(reader), _checked(reader.get("to", str)))
    if kind == "link":
        return Link(_path(reader), reader.get("to", str))
    if kind == "remove":
        return Remove(_path(reader))
    if kind == "set-mode":
        owner = (
            reader.whole_or_none("mode", MODE),
            reader.whole_or_none("uid", OWNER),
            reader.whole_or_none("gid", OWNER),
        )
        return SetMode(_path(reader), *owner)
    if kind == "make-folder":
        return MakeFolder(_path(reader), reader.whole("mode", MODE))
    if kind == "run":
        return Run(
            argv=_argv(reader),
            why=reader.get("why", str),
            keeps=reader.texts("keeps"),
            inverse=tuple(_load_command(command) for command in map(_Reader, reader.get("inverse", list))),
            input=reader.data("input"),
            timeout=reader.number("timeout"),
            accept=tuple(_integer(status) for status in reader.get("accept", list)),
            required=reader.get("required", bool),
            environment=reader.items("environment", _text),
        )
    raise Damaged(f"{kind!r} is no operation")


def _load_command(reader: _Reader) -> Command:
    stored = reader.optional("stored", str) or ""
    if stored and not STORED.fullmatch(stored):
        raise Damaged("the name of a kept state is none")
    digest = reader.optional("sha256", str) or ""
    required = bool(reader.optional("required", bool))
    return Command(_argv(reader), reader.data("input"), stored=stored, sha256=digest, required=required)


def _argv(reader: _Reader) -> tuple[str, ...]:
    argv = reader.texts("argv")
    if not argv:
        raise Damaged("a command without a program")
    return argv


def _load_kept(value: object) -> Kept:
    reader = _Reader(value)
    kind = reader.get("kind", str)
    if kind == "absent":
        return Absent()
    owner = (
        reader.whole("uid", OWNER),
        reader.whole("gid", OWNER),
        reader.whole("atime", TIME, -TIME),
        reader.whole("mtime", TIME, -TIME),
    )
    xattrs = reader.items("xattrs", lambda text: _decode(_text(text)))
    if kind == "link":
        return KeptLink(reader.get("to", str), *owner, xattrs)
    mode = reader.whole("mode", MODE)
    if kind == "folder":
        return KeptFolder(mode, *owner, xattrs)
    if kind == "file":
        stored = reader.get("stored", str)
        if stored and not STORED.fullmatch(stored):
            raise Damaged("the name of a kept file is none")
        return KeptFile(
            stored,
            reader.get("sha256", str),
            reader.whole("size", TIME),
            mode,
            *owner,
            xattrs,
            reader.whole("flags", FLAGS),
        )
    raise Damaged(f"{kind!r} is nothing that is kept")


def _path(reader: _Reader) -> str:
    return _checked(reader.get("path", str))


def _checked(path: str) -> str:
    parts = path.split("/")
    if not path.startswith("/") or "\0" in path or ".." in parts or len(path) > PATH_MAX:
        raise Damaged("a path is none")
    if any(len(part.encode("utf-8", "surrogateescape")) > NAME_MAX for part in parts):
        raise Damaged("a name in a path is too long")
    return path


def _paths(values: dict[str, T]) -> dict[str, T]:
    for path in values:
        _checked(path)
    return values


def _finite(value: float) -> float:
    if not -1e15 < value < 1e15:
        raise Damaged("a number is out of range")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Damaged("a number is missing")
    if not -TIME <= value <= TIME:
        raise Damaged("a number is out of range")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Damaged("a text is missing")
    return value


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii", "replace"), validate=True)
