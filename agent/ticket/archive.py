"""The archive: what lies in it, its bytes, and how it gets onto a disk.

``pack`` is the only way to one, and takes the secrets out before anything else: nothing can be written without.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.errors import AgentError
from agent.facts.diagnostics import Diagnostic
from agent.report.style import moment
from agent.ticket import body, document, page
from agent.ticket.model import Ticket
from agent.ticket.paths import NAME, Names, part

PREFIX = "lish-ticket"
HOST = 40  # characters of the host's name in the archive's


@dataclass(frozen=True)
class Member:
    """A file of the archive; its path is relative."""

    path: str
    data: bytes


@dataclass(frozen=True)
class Packed:
    """A ticket without its secrets, and the archive that was made of it."""

    ticket: Ticket
    name: str  # of the archive's file
    members: tuple[Member, ...]
    data: bytes


def pack(ticket: Ticket, addresses: bool = False) -> Packed:
    """Take the secrets out, and put the rest into an archive. ``addresses``: replace these as well."""
    try:
        from agent.ticket.redacted import redacted
    except ImportError as error:
        raise AgentError(
            "secrets can't be taken out: a part of this program is missing", "nothing was written; install it anew"
        ) from error
    safe = redacted(ticket, addresses)
    top = name(safe)
    members = tuple(_members(safe))
    return Packed(safe, f"{top}.tar.gz", members, _archive(top, members, int(max(0.0, safe.made))))


def name(ticket: Ticket) -> str:
    """lish-ticket-web1-20261123T184000Z"""
    host = part(ticket.scan.subject.hostname.partition(".")[0], "host")[:HOST]
    return f"{PREFIX}-{host}-{moment(ticket.made, '%Y%m%dT%H%M%SZ') or 'now'}"


def _members(ticket: Ticket) -> Iterator[Member]:
    """The body first, then the rest by name."""
    names = Names()

    def member(path: str, text: str) -> Member:
        return Member(names.free(path), text.encode("utf-8", "replace"))

    yield member("ticket.txt", body.render(ticket))
    yield member("ticket.html", page.render(ticket))
    yield member("ticket.json", document.render(ticket))
    yield member("removed.txt", removed(ticket))
    rest = [
        *(member(one.path, one.text) for one in ticket.attachments),
        *(
            member(f"diagnostics/{number:02d}-{part(_few_marks(one.command))}.txt", _diagnostic(one))
            for number, one in enumerate(ticket.scan.diagnostics, start=1)
        ),
        *(
            member(f"mtr/{number}-{part(trace.title.replace(' ', '-'))}.txt", body.printed(trace) + "\n")
            for number, trace in enumerate(ticket.traces, start=1)
        ),
    ]
    yield from sorted(rest, key=lambda one: one.path)


def _few_marks(command: Sequence[str]) -> str:
    """cat-etc-hosts of "cat /etc/hosts"."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", " ".join(command)[:NAME]).strip("-")


def _diagnostic(one: Diagnostic) -> str:
    state = one.error or (f"exit status {one.exit}" if one.exit else "")
    output = one.output.rstrip("\n")
    lines = [f"$ {' '.join(one.command)}", *([output] if output else []), *([f"({state})"] if state else [])]
    return "\n".join(lines) + "\n"


def removed(ticket: Ticket) -> str:
    """What was taken out, a line each."""
    lines = ["What was taken out of this ticket: where, what, how many.", ""]
    lines += [f"{one.place}: {one.kind}, {one.count}" for one in ticket.removed] or ["nothing"]
    if ticket.addresses_redacted:
        lines += ["", "Addresses are replaced: the same address has the same name everywhere."]
    return "\n".join(lines) + "\n"


def _archive(top: str, members: tuple[Member, ...], made: int) -> bytes:
    """The same bytes for the same ticket; no owner is named."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            entry = tarfile.TarInfo(f"{top}/{member.path}")
            entry.size, entry.mtime, entry.mode = len(member.data), made, 0o600
            tar.addfile(entry, io.BytesIO(member.data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=made) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


def save(packed: Packed, path: str) -> None:
    """Write the archive to a file that was not there before, for its owner alone. AgentError when that fails: then
    nothing is left of it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise AgentError(f"{path} is there already", "give another name: agent ticket -o FILE") from error
    except OSError as error:
        raise AgentError(f"{path}: {error.strerror}", "give a file in a folder that can be written: -o FILE") from error
    own = os.fstat(descriptor)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(packed.data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        _remove(path, own)
        if isinstance(error, OSError):
            hint = f"it takes {len(packed.data) // 1024 + 1} kB: -o FILE on another disk, or agent ticket --print"
            raise AgentError(f"{path}: {error.strerror}; nothing is left of it", hint) from error
        raise


def _remove(path: str, own: os.stat_result) -> None:
    """Remove the file, if it is still ours."""
    with contextlib.suppress(OSError):
        there = os.lstat(path)
        if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino):
            os.unlink(path)
