"""The trial of a saved rule-set: emptied and loaded again in a network namespace of its own, does it print the same?

The namespace is anonymous and ends with the one shell that runs in it. Rules that name network interfaces need some of
these names there: of a kind that this kernel holds already, for a trial loads no module.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.firewall.model import Backend
from agent.firewall.saving import LIMIT, Part, without_counters
from agent.target import Target
from agent.unknown import Unknown

TIMEOUT = 120.0  # seconds
_MARK = "lish-agent-trial"
_KINDS = ("veth", "dummy", "bridge", "tun")  # of links, by the module that makes them
_LINK = re.compile(r"[A-Za-z0-9][\w.-]{0,14}", re.ASCII)
_MOST = 64  # interfaces
_LOAD, _LOAD_LINKS = 4, 6  # exit statuses: what could not be loaded; because of the interfaces, it may be
_NOT_TRIED = "That the rules can be put back could not be tried beforehand: {}."


@dataclass(frozen=True)
class Trial:
    """``refusal``: it can't be put back as it was. ``note``: what could not be tried, for a warning."""

    refusal: str = ""
    note: str = ""


def problem(target: Target, parts: Sequence[Part], ipsets: bytes, links: Sequence[str]) -> Trial:
    """Loads, empties and loads again; what is printed then must be what was saved, but for counters.

    ``links`` are the names of the host's network interfaces."""
    kind = next((one for one in _KINDS if target.is_dir(f"/sys/module/{one}")), "")
    tested = [part for part in parts if kind or not part.needs_links]
    note = "" if len(tested) == len(parts) else _NOT_TRIED.format("rules ask for network cards")
    names = [name for name in links if name != "lo" and _LINK.fullmatch(name)][:_MOST]
    script = "\n".join(_script(tested, ipsets, [f"ip link add {name} type {kind}" for name in names if kind]))
    output = target.run(("unshare", "--net", "sh", "-s"), TIMEOUT, LIMIT * 4, script.encode("utf-8"))
    if isinstance(output, Unknown):
        return Trial(note=_NOT_TRIED.format(output.reason))
    begun = output.stdout.startswith(f"{_MARK} begins\n")
    if not begun:
        why = (output.stderr.strip().split("\n") or [""])[-1]
        return Trial(note=_NOT_TRIED.format(why))
    if output.exit == _LOAD_LINKS:
        return Trial(note=_NOT_TRIED.format("rules ask for network cards"))
    if output.exit:
        said = [line for line in output.stderr.split("\n") if line.strip() and not line.startswith("# Warning")]
        return Trial(f"what is in force could not be loaded again: {said[0][:200] if said else output.exit}")
    shown = iter(output.stdout.split(f"{_MARK} shows\n")[1:])
    for part in tested:
        for text in part.printed:
            was, now = _comparable(text, part), _comparable(next(shown, ""), part)
            if was != now:
                line = next((one for one in (*was, *now) if (one in was) != (one in now)), "in another order")
                return Trial(f"loaded again, {part.name} would not be what it is now: {line.strip()[:200]}")
    return Trial(note=note)


def _comparable(text: str, part: Part) -> list[str]:
    """The lines without counters. Of a table of iptables-nft's, the chains as nft lists them may come in any order: in
    the trial iptables-nft-restore makes them in its own, and on the host they are never unmade."""
    blocks = text.split("\n\tchain ") if part.backend is Backend.NF_TABLES and text.startswith("table ") else [text]
    lines = [list(without_counters(block.removesuffix("\n}\n").rstrip())) for block in blocks]
    return [line for block in [*lines[:1], *sorted(lines[1:])] for line in block]


def _script(parts: Sequence[Part], ipsets: bytes, links: Sequence[str]) -> Iterator[str]:
    yield f"echo {_MARK} begins"
    yield from (f"{command} 2>/dev/null" for command in links)
    if ipsets:
        yield from _fed(("ipset", "restore"), ipsets, _LOAD)
    for part in parts:
        yield from _fed(part.load, part.saved, _LOAD_LINKS if part.needs_links else _LOAD)
    for part in reversed(parts):
        yield from _fed(part.load, part.opened, _LOAD)
    for part in parts:
        yield from _fed(part.load, part.saved, _LOAD)
    for part in parts:
        for command in part.show:
            yield f"echo {_MARK} shows"
            yield f"{shlex.join(command)} || exit 5"


def _fed(command: Sequence[str], data: bytes, status: int) -> Iterator[str]:
    """A command with its input as a here-document, whose end stands nowhere in it."""
    text = data.decode("utf-8", "surrogateescape").rstrip("\n")
    end = _MARK
    while end in text:
        end += "-"
    yield f"{shlex.join(command)} >/dev/null <<'{end}' || exit {status}"
    yield text
    yield end
