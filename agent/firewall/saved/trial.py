"""Trials: does a saved file load? Its own program says so, in a network namespace that vanishes with it.

There iptables-restore loads it for good, because its ``--test`` misses a jump to a chain that nobody declared; nft
has ``--check``, which misses nothing. What a scratch namespace can't know (sets that another service makes before,
interfaces that an nft file names by number) is no refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.firewall.model import Backend, Family
from agent.firewall.reading import Source
from agent.target import Target
from agent.target.model import Output
from agent.unknown import Maybe, Unknown, Why

SECONDS = 20.0  # 20,000 rules take one
_LIMIT = 16 * 1024 * 1024  # bytes of a file
_MODULES = {Backend.LEGACY: "ip_tables", Backend.NF_TABLES: "nf_tables", Backend.NFT: "nf_tables"}
_ELSEWHERE = re.compile(
    r"[Ss]et \S+ (?:doesn't|does not) exist|Set doesn't exist|Interface does not exist|No such device"
    r"|Operation not permitted|Permission denied|unshare(?: failed)?:|Another app is currently holding the xtables lock"
    r"|[Yy]ou (?:need to|must) be root"
)
_LINE = re.compile(r"line:? ?(\d{1,9})")
_NFT = re.compile(
    r"^(?P<file>[^\n]{1,4096}?):(?P<line>\d{1,9}):\d+(?:-\d+)?: Error: (?P<why>[^\n]{1,300})", re.MULTILINE
)


@dataclass(frozen=True)
class Refusal:
    """The first line that the program refuses, 0 when it names none, and its own words."""

    file: str
    line: int
    why: str


def refusal(target: Target, source: Source) -> Maybe[Refusal | None]:
    """What is wrong with a saved file; None when it loads, Unknown when that could not be tried."""
    if not target.live:
        return Unknown(f"{source.name} can be tried on the running host only", Why.NOT_LIVE)
    if not _in_the_kernel(target, source.backend):
        return Unknown(f"{source.name} was not tried: the kernel has not loaded {_MODULES[source.backend]}")
    if source.backend is Backend.NFT:
        output = target.run(("unshare", "--net", "nft", "--check", "--file", source.name), SECONDS)
    else:
        data = target.read(source.name, _LIMIT)
        if isinstance(data, Unknown):
            return data
        output = target.run(("unshare", "--net", _program(target, source)), SECONDS, input=data)
    if isinstance(output, Unknown):
        return output
    return _judged(source.name, output)


def _in_the_kernel(target: Target, backend: Backend) -> bool:
    """A trial must load no module: the back end is there already, or the kernel can't load any."""
    if target.is_dir(f"/sys/module/{_MODULES[backend]}") or not target.exists("/proc/modules"):
        return True
    return backend is Backend.LEGACY and target.exists("/proc/net/ip_tables_names")


def _program(target: Target, source: Source) -> str:
    """The restoring program of the source's back end."""
    base = "ip6tables" if source.family is Family.IP6 else "iptables"
    flavour = "legacy" if source.backend is Backend.LEGACY else "nft"
    own = f"{base}-{flavour}-restore"
    return f"{base}-restore" if isinstance(target.find_program(own), Unknown) else own


def _judged(file: str, output: Output) -> Maybe[Refusal | None]:
    said = output.stderr or output.stdout
    if output.exit == 0:
        return None
    if _ELSEWHERE.search(said) or not said.strip():
        return Unknown(f"{file} was not tried: {_first(said) or 'its program says nothing'}")
    found = _NFT.search(said)
    if found:
        return Refusal(found["file"], int(found["line"]), found["why"])
    numbered = _LINE.search(said)
    return Refusal(file, int(numbered[1]) if numbered else 0, _first(said))


def _first(said: str) -> str:
    """The line of a message that says most: the first that is not the program's name alone."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if not re.fullmatch(r"[\w-]+(?: v[\d.]+)?(?: \(\w+\))?:?", line)]
    return (telling or lines or [""])[0][:300]
