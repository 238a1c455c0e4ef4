"""Makes a report of the path from here: with mtr where it is installed, else with a probe of our own."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from agent.errors import AgentError, CannotLook
from agent.mtr import probe
from agent.mtr.model import Form, Hop, Report
from agent.mtr.request import Destination, Request, check, resolve, unroutable
from agent.mtr.tally import Tally
from agent.target.model import Output
from agent.target.target import Target
from agent.unknown import Unknown

SLACK = 30.0  # seconds that a program may take beyond what its cycles need
_STREAMS = (0, 93)  # the first mtr whose --raw tells each probe that it sends, and that has a grace time
_VERSION = re.compile(r"mtr (\d+)\.(\d+)")
_EVENT = re.compile(r"([xhp]) (\d{1,3}) (\S{1,255})(?: \d+)?")


def make(target: Target, request: Request, progress: Callable[[str], None]) -> Report:
    """Send the probes and count what comes back. Ctrl-C ends it early, with what there is by then.

    A report without hops has mtr's own words in ``error`` when it could not even begin. UsageError for a request
    that makes no sense, CannotLook where the target is not running, AgentError where we may not probe.
    """
    check(request)
    if not target.live:
        raise CannotLook(
            f"no path to probe: {target.name} is not running",
            "boot it and run this there, or run it in rescue mode without --root",
        )
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    destination = resolve(request.address)
    if isinstance(destination, str):
        return _report(request, None, started, (), destination)
    error = unroutable(destination)
    if error:
        return _report(request, destination, started, (), error)
    version = _version(target)
    if version >= _STREAMS:
        rows, error = _by_mtr(target, request, destination, progress)
    elif version > (0, 0):
        rows, error = _by_old_mtr(target, request, destination, progress)
    else:
        return own(request, destination, progress, started)
    return _report(request, destination, started, rows, error)


def own(request: Request, destination: Destination, progress: Callable[[str], None], started: str = "") -> Report:
    """The report of our own probe."""
    started = started or time.strftime("%Y-%m-%dT%H:%M:%S%z")
    done = probe.run(request, destination, progress)
    return _report(request, destination, started, () if done.error else done.tally.rows(), done.error)


def _report(
    request: Request, destination: Destination | None, started: str, rows: tuple[Hop, ...], error: str
) -> Report:
    address = destination.address if destination is not None else ""
    return Report(
        form=Form.RAW,
        hops=rows,
        source=socket.gethostname(),
        destination=request.address,
        destination_address=address if address != request.address else "",
        started=started,
        protocol=request.protocol,
        protocol_told=True,
        error=error,
    )


def _version(target: Target) -> tuple[int, int]:
    """Of the mtr that is installed; (0, 0) for none that works."""
    output = target.run(("mtr", "--version"))
    found = None if isinstance(output, Unknown) else _VERSION.search(output.text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _options(request: Request, destination: Destination) -> tuple[str, ...]:
    """What all versions know. The address is numeric: neither an option nor a question to DNS."""
    from agent.mtr.request import TCP_PORT

    words = ["-6" if destination.family == socket.AF_INET6 else "-4", "-c", str(request.count)]
    words += ["-m", str(request.hops), "-i", f"{request.interval:g}"]
    words.append("-n")  # DNS may be what is broken
    words += ["-T", "-P", str(request.port or TCP_PORT)] if request.tcp else []
    return tuple(words)


def _place(destination: Destination) -> tuple[str, str]:
    return ("--", destination.address + (f"%{destination.scope}" if destination.scope else ""))


class _Events:
    """Counts what mtr --raw tells."""

    def __init__(self, request: Request, destination: Destination, progress: Callable[[str], None]) -> None:
        self.tally = Tally(destination.address)
        self._request = request
        self._progress = progress
        self._rest = b""

    def heard(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-4096:]
        for line in lines:
            found = _EVENT.fullmatch(line.decode("utf-8", "replace").strip())
            if found is not None:
                self._note(found[1], int(found[2]) + 1, found[3])

    def _note(self, kind: str, hop: int, value: str) -> None:
        if kind == "x":
            if hop == 1 and self.tally.cycle:
                self._progress(self.tally.progress(self._request.count))
            self.tally.sent(hop)
        elif kind == "h":
            self.tally.heard(hop, value)
        elif value.isdecimal():
            self.tally.answered(hop, int(value) / 1000)


def _by_mtr(
    target: Target, request: Request, destination: Destination, progress: Callable[[str], None]
) -> tuple[tuple[Hop, ...], str]:
    """mtr --raw tells each event as it happens: what it told is not lost when it is ended early."""
    events = _Events(request, destination, progress)
    argv = ("mtr", "--raw", *_options(request, destination), "-G", f"{request.grace:g}", *_place(destination))
    limit = 400 * request.count * request.hops + 65536
    try:
        output = target.run(argv, request.seconds + SLACK, limit, heard=events.heard)
    except KeyboardInterrupt:
        events.tally.end()
        return events.tally.rows(), ""
    if isinstance(output, Unknown) and not events.tally.length:
        raise AgentError(f"mtr gave no report: {output.reason}", "run it again, or by hand: mtr -rwnc 100 ADDRESS")
    return events.tally.rows(), "" if events.tally.length else _said(output)


def _by_old_mtr(
    target: Target, request: Request, destination: Destination, progress: Callable[[str], None]
) -> tuple[tuple[Hop, ...], str]:
    """The text report, which comes only at the end."""
    from agent.mtr.reading import read

    progress(f"{request.count} cycles with mtr, about {request.seconds:.0f} seconds")
    output = target.run(("mtr", "-r", *_options(request, destination), *_place(destination)), request.seconds + SLACK)
    if isinstance(output, Unknown):
        raise AgentError(f"mtr gave no report: {output.reason}", "run it again, or by hand: mtr -rnc 100 ADDRESS")
    error = _said(output)
    if error or not output.stdout.strip():
        return (), error
    return read("mtr", output.stdout.encode()).reports[0].hops, ""


def _said(output: Output | Unknown) -> str:
    """mtr's complaint without its name."""
    if isinstance(output, Unknown):
        return ""
    lines = [line.strip() for line in output.stderr.splitlines() if line.strip()]
    return lines[-1].partition(": ")[2][:300] if lines and lines[-1].startswith("mtr") else ""


__all__ = ["Request", "make", "own"]
