"""Record what a target answers, and replay it elsewhere: for tests, and for the bundle of a support ticket.

The recording is one JSON document: every question with every answer to it, in the order given. Bytes are
base64, larger ones packed by zlib before; an Unknown keeps its reason. What was never
asked is Unknown ("not recorded") in the replay.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import json
import os
import tempfile
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Union, cast

from agent.errors import UsageError
from agent.target.failures import shown, unknown
from agent.target.model import Door, Json, Kind, Mode, Output, Space, Stat
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why

SCHEMA = "lish-agent/recording/1"
FILE_LIMIT = 1024 * 1024  # bytes kept of one file: its beginning
TOTAL_LIMIT = 64 * 1024 * 1024  # bytes kept of all files
JOURNAL_LIMIT = 32 * 1024 * 1024  # bytes kept of one journal: a part of it can't be read, and it packs well
JOURNALS = (".journal", ".journal~")
PACKED = 4096  # bytes from which on packing pays

Answer = Union[Unknown, Stat, Space, Output, str, bytes, tuple[str, ...], "Record"]


@dataclass(frozen=True)
class Record:
    """What a query gave."""

    value: Json


@dataclass(frozen=True)
class Turn:
    """An answer, and how many times in a row it was given."""

    answer: Answer
    times: int


class Recording:
    """The answers so far. ``truncated`` names the files of which only the beginning is kept."""

    def __init__(self, target: Target, file_limit: int = FILE_LIMIT, total_limit: int = TOTAL_LIMIT) -> None:
        self._target = target
        self._file_limit = file_limit
        self._room = total_limit
        self._answers: dict[str, list[Turn]] = {}
        self._truncated: set[str] = set()
        self._lock = threading.Lock()

    @property
    def truncated(self) -> tuple[str, ...]:
        return tuple(sorted(self._truncated))

    def dump(self) -> bytes:
        """The recording as one JSON document (ASCII)."""
        with self._lock:
            target = self._target
            document = {
                "schema": SCHEMA,
                "target": {
                    "root": target.root,
                    "mode": target.mode.value,
                    "rescue": target.rescue,
                    "root_user": target.root_user,
                },
                "truncated": sorted(self._truncated),
                "answers": [
                    [json.loads(question), [[_encode(turn.answer), turn.times] for turn in turns]]
                    for question, turns in self._answers.items()
                ],
            }
        return json.dumps(document, separators=(",", ":")).encode("ascii")

    def note(self, question: str, answer: Answer) -> None:
        """Remember an answer; a repeated one is kept once, and counted."""
        with self._lock:
            turns = self._answers.setdefault(question, [])
            if turns and turns[-1].answer == answer:
                turns[-1] = Turn(answer, turns[-1].times + 1)
            else:
                turns.append(Turn(answer, 1))

    def take(self, path: str, stream: BinaryIO) -> Maybe[BinaryIO]:
        """Keep a file's content; returns a stream with all of it, as the target gave it."""
        question = _question("open", path)
        with self._lock:
            most = max(self._file_limit, JOURNAL_LIMIT) if path.endswith(JOURNALS) else self._file_limit
            limit = min(most, self._room)
        try:
            data = stream.read(limit + 1)
        except OSError as error:
            # the reader shall meet the same error: neither content nor absence is known
            self.note(question, unknown(path, error))
            return stream
        with self._lock:
            self._room -= min(len(data), limit)
        self.note(question, data[:limit])
        if len(data) > limit:
            with self._lock:
                self._truncated.add(path)
        elif _size(stream) != len(data):  # made anew at each reading (a file of /proc), or of no disk at all
            stream.close()
            return io.BytesIO(data)
        try:
            stream.seek(0)
        except (OSError, ValueError):
            return Unknown(f"{shown(path)}: can't be read from its beginning twice", Why.IO)
        return stream


class _RecordingDoor:
    def __init__(self, door: Door, recording: Recording) -> None:
        self._door = door
        self._recording = recording

    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        answer = self._door.stat(path, follow)
        self._recording.note(_question("stat", path, follow), answer)
        return answer

    def readlink(self, path: str) -> Maybe[str]:
        answer = self._door.readlink(path)
        self._recording.note(_question("readlink", path), answer)
        return answer

    def resolve(self, path: str) -> Maybe[str]:
        answer = self._door.resolve(path)
        self._recording.note(_question("resolve", path), answer)
        return answer

    def list(self, path: str) -> Maybe[Sequence[str]]:
        names = self._door.list(path)
        answer = names if isinstance(names, Unknown) else tuple(names)
        self._recording.note(_question("list", path), answer)
        return answer

    def open(self, path: str) -> Maybe[BinaryIO]:
        stream = self._door.open(path)
        if isinstance(stream, Unknown):
            self._recording.note(_question("open", path), stream)
            return stream
        return self._recording.take(path, stream)

    def space(self, path: str) -> Maybe[Space]:
        answer = self._door.space(path)
        self._recording.note(_question("space", path), answer)
        return answer

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        answer = self._door.run(argv, timeout, limit, input)
        self._recording.note(_run_question(argv, input), answer)
        return answer

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        answer = self._door.query(name, params)
        if isinstance(answer, Unknown):
            self._recording.note(_question("query", name, dict(params)), answer)
            return answer
        value: Json = json.loads(json.dumps(answer))  # what a replay can give, now already
        self._recording.note(_question("query", name, dict(params)), Record(value))
        return value


class _ReplayDoor:
    def __init__(self, answers: Mapping[str, Sequence[Turn]]) -> None:
        self._answers = answers
        self._asked: dict[str, tuple[int, int]] = {}  # the turn, and how often it was taken
        self._lock = threading.Lock()

    def _next(self, question: str, subject: str) -> Answer:
        """The answers in their order; the last one stays."""
        turns = self._answers.get(question)
        if not turns:
            return Unknown(f"{shown(subject)}: not recorded", Why.FAILED)
        with self._lock:
            turn, taken = self._asked.get(question, (0, 0))
            if taken == turns[turn].times and turn + 1 < len(turns):
                turn, taken = turn + 1, 0
            self._asked[question] = (turn, min(taken + 1, turns[turn].times))
        return turns[turn].answer

    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        answer = self._next(_question("stat", path, follow), path)
        return answer if isinstance(answer, (Stat, Unknown)) else _strange(path)

    def readlink(self, path: str) -> Maybe[str]:
        answer = self._next(_question("readlink", path), path)
        return answer if isinstance(answer, (str, Unknown)) else _strange(path)

    def resolve(self, path: str) -> Maybe[str]:
        answer = self._next(_question("resolve", path), path)
        return answer if isinstance(answer, (str, Unknown)) else _strange(path)

    def list(self, path: str) -> Maybe[Sequence[str]]:
        answer = self._next(_question("list", path), path)
        return answer if isinstance(answer, (tuple, Unknown)) else _strange(path)

    def open(self, path: str) -> Maybe[BinaryIO]:
        answer = self._next(_question("open", path), path)
        if isinstance(answer, Unknown):
            return answer
        if not isinstance(answer, bytes):
            return _strange(path)
        return _file(answer) if path.endswith(JOURNALS) else io.BytesIO(answer)

    def space(self, path: str) -> Maybe[Space]:
        answer = self._next(_question("space", path), path)
        return answer if isinstance(answer, (Space, Unknown)) else _strange(path)

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        line = " ".join(argv)
        answer = self._next(_run_question(argv, input), line)
        return answer if isinstance(answer, (Output, Unknown)) else _strange(line)

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        answer = self._next(_question("query", name, dict(params)), name)
        if isinstance(answer, Unknown):
            return answer
        return answer.value if isinstance(answer, Record) else _strange(name)


def record(target: Target, file_limit: int = FILE_LIMIT, total_limit: int = TOTAL_LIMIT) -> tuple[Target, Recording]:
    """The target again, and the recording that fills while it is asked. Limits in bytes."""
    recording = Recording(target, file_limit, total_limit)
    return dataclasses.replace(target, door=_RecordingDoor(target.door, recording)), recording


def replay(data: bytes) -> Target:
    """The recorded target; UsageError when the data is no recording."""
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA!r}")
        answers = {
            _canonical(question): [Turn(_decode(answer), int(times)) for answer, times in turns]
            for question, turns in document["answers"]
        }
        about = document["target"]
        return Target(
            _ReplayDoor(answers),
            str(about["root"]),
            Mode(about["mode"]),
            rescue=bool(about["rescue"]),
            root_user=bool(about["root_user"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, zlib.error, RecursionError) as error:
        raise UsageError(f"not a recording of a target: {error}", "give a file that agent recorded") from error


def _file(data: bytes) -> BinaryIO:
    """The content as a file that is gone when closed: journald's readers want a descriptor, and no deleted file."""
    stream = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the caller closes it
    stream.write(data)
    stream.flush()
    stream.seek(0)
    return cast(BinaryIO, stream)


def _size(stream: BinaryIO) -> int:
    try:
        return os.fstat(stream.fileno()).st_size
    except (OSError, ValueError):
        return -1


def _strange(subject: str) -> Unknown:
    return Unknown(f"{shown(subject)}: the recording has an answer of another kind", Why.UNREADABLE)


def _question(*parts: object) -> str:
    return _canonical(parts)


def _run_question(argv: Sequence[str], input: bytes | None) -> str:
    return _question("run", list(argv), None if input is None else _base64(input))


def _canonical(parts: object) -> str:
    return json.dumps(parts, sort_keys=True)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _encode(answer: Answer) -> Json:
    if isinstance(answer, Unknown):
        return {"unknown": answer.reason, "why": answer.why.value}
    if isinstance(answer, Stat):
        return {"stat": {**vars(answer), "kind": answer.kind.value}}
    if isinstance(answer, Space):
        return {"space": vars(answer)}
    if isinstance(answer, Output):
        return {"output": {**vars(answer), "argv": list(answer.argv)}}
    if isinstance(answer, Record):
        return {"record": answer.value}
    if isinstance(answer, bytes):
        if len(answer) >= PACKED:
            return {"packed": _base64(zlib.compress(answer)), "size": len(answer)}
        return {"bytes": _base64(answer)}
    if isinstance(answer, str):
        return {"text": answer}
    return {"names": list(answer)}


def _unpack(data: bytes, size: int) -> bytes:
    """No more than was said to be in it: a recording may come from anywhere."""
    if not 0 <= size <= TOTAL_LIMIT:
        raise ValueError(f"a file of {size} bytes")
    unpacked = zlib.decompressobj().decompress(data, size + 1)
    if len(unpacked) != size:
        raise ValueError("a file is not as large as it says")
    return unpacked


def _decode(given: dict[str, object]) -> Answer:
    if "unknown" in given:
        return Unknown(str(given["unknown"]), Why(given["why"]))
    if "packed" in given:
        return _unpack(base64.b64decode(str(given["packed"]), validate=True), int(str(given["size"])))
    ((kind, value),) = given.items()
    if kind == "record":
        return Record(value)
    if kind == "bytes":
        return base64.b64decode(str(value), validate=True)
    if kind == "text":
        return str(value)
    if kind == "names" and isinstance(value, list):
        return tuple(str(name) for name in value)
    if not isinstance(value, dict):
        raise ValueError(f"an answer of an unknown kind: {kind!r}")
    if kind == "stat":
        return Stat(**{**value, "kind": Kind(value["kind"])})
    if kind == "space":
        return Space(**value)
    if kind == "output":
        return Output(**{**value, "argv": tuple(value["argv"])})
    raise ValueError(f"an answer of an unknown kind: {kind!r}")
