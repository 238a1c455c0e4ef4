"""Proofs that any rule may use with parameters: for rules that users write without Python."""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction
from agent.unknown import Unknown


def trusted_log(context: Context) -> Proof:
    """The journal vouches for an entry of the newest boot: the kernel, root or PID 1 said so.

    No parameters. For problems that leave no other trace.
    """
    if not context.entries():
        return Fails("no log says so")
    entries = context.trusted_now()
    if not entries:
        return CantTell("no entry that the journal vouches for")
    entry = entries[-1]
    evidence = Evidence(entry.source, entry.text, entry.line, entry.cursor, entry.time, entry.boot)
    return Holds("the journal vouches for it, in the newest boot", (evidence,))


def file_has_line(context: Context) -> Proof:
    """A file of the target has a line that a regex matches. Parameters: ``path``, ``regex``."""
    path, regex = context.params.get("path", ""), context.params.get("regex", "")
    lines = context.facts.target.lines(path)
    if isinstance(lines, Unknown):
        return Fails(f"there is no {path}") if lines.absent else CantTell(lines.reason)
    for number, line in enumerate(lines, 1):
        if re.search(regex, line[:4096]):
            return Holds(f"{path}:{number} says so", (Evidence(path, line[:400], number),))
    return Fails(f"{path} has no such line")


def file_missing(context: Context) -> Proof:
    """A file is not on the target. Parameter: ``path``."""
    path = context.params.get("path", "")
    stat = context.facts.target.stat(path)
    if not isinstance(stat, Unknown):
        return Fails(f"{path} is there")
    return Holds(f"{path} does not exist", (Evidence(path, "no such file"),)) if stat.absent else CantTell(stat.reason)


def unit_failed(context: Context) -> Proof:
    """A systemd unit is in the state failed now. Parameter: ``unit``."""
    name = context.params.get("unit", "")
    unit = context.facts.unit(name)
    if isinstance(unit.active, Unknown):
        return CantTell(unit.active.reason)
    if unit.active != "failed":
        return Fails(f"{name} is {unit.active or 'not there'}")
    return Holds(f"{name} failed ({unit.result})", (Evidence(f"systemctl show {name}", f"ActiveState={unit.active}"),))


PROOFS: dict[str, ProofFunction] = {
    "file_has_line": file_has_line,
    "file_missing": file_missing,
    "trusted_log": trusted_log,
    "unit_failed": unit_failed,
}
