"""The output of a diagnostic set's commands on the target."""

from __future__ import annotations

import time
from dataclasses import dataclass

from agent.facts.diagnostic_sets import DiagnosticSet, Step
from agent.target import Target
from agent.unknown import Unknown

LIMIT = 64 * 1024  # characters of one command's output that are kept
TIMEOUT = 10.0  # seconds for one command
TOTAL = 40.0  # seconds for a whole set: where every command hangs, a person waits
FILES = 20  # of one glob


@dataclass(frozen=True)
class Diagnostic:
    """One command of the set. ``exit`` is None when it did not run; ``error`` says why not."""

    command: tuple[str, ...]
    exit: int | None
    output: str
    seconds: float
    error: str = ""


def run(target: Target, chosen: DiagnosticSet) -> tuple[Diagnostic, ...]:
    """Run the steps that only read, each within a deadline and a size; the others are left out.

    A file is read through the target, so ``cat`` works on a disk as well; a command that needs the running
    host is given with its reason.
    """
    found: list[Diagnostic] = []
    end = time.monotonic() + TOTAL
    for step in chosen.reading:
        left = end - time.monotonic()
        found += _files(target, step) if step.file else [_command(target, step, min(left, TIMEOUT))]
    return tuple(found)


def _files(target: Target, step: Step) -> list[Diagnostic]:
    assert step.file is not None
    if not any(char in step.file for char in "*?["):
        return [_file(target, step.command, step.file)]
    paths = [path for path in target.glob(step.file) if not path.rsplit("/", 1)[1].startswith(".")]
    if not paths:
        return [Diagnostic(step.command, None, "", 0.0, f"{step.file}: no such file")]
    return [_file(target, ("cat", path), path) for path in paths[:FILES]]


def _file(target: Target, command: tuple[str, ...], path: str) -> Diagnostic:
    began = time.monotonic()
    data = target.read(path)
    seconds = time.monotonic() - began
    if isinstance(data, Unknown):
        return Diagnostic(command, None, "", seconds, data.reason)
    return Diagnostic(command, 0, data.decode("utf-8", "replace")[:LIMIT], seconds)


def _command(target: Target, step: Step, timeout: float) -> Diagnostic:
    argv = step.argv
    if step.tail and argv[0] == "journalctl":
        # the pipe would read the whole journal, and the output's limit would cut off its end: the part
        # that is asked for
        argv = (*argv, "-n", str(step.tail))
    if timeout <= 0:
        return Diagnostic(step.command, None, "", 0.0, "not run: the commands before it took too much time")
    output = target.run(argv, timeout=timeout)
    if isinstance(output, Unknown):
        return Diagnostic(step.command, None, "", 0.0, output.reason)
    text = output.text
    if step.tail:
        text = "".join(text.splitlines(keepends=True)[-step.tail :])
    error = "the output is cut" if output.truncated or len(text) > LIMIT else ""
    return Diagnostic(step.command, output.exit, text[:LIMIT], output.seconds, error)
