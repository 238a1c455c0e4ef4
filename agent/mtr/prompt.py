"""The command that made a report, where a prompt before it was pasted too: where it goes, and by what protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.mtr.model import Protocol

_COMMAND = re.compile(
    r"(?:^|[$#>%;&|]\s*|\s)(?:sudo\s+)?(?:/[\w/.-]{1,60}/)?mtr6?(?:-packet)?(?:\.exe)?\s+(?P<words>\S.{0,1000})$"
)
# Options of mtr 0.75 to 0.96 that take a value of their own.
_SHORT_WITH_VALUE = "cisBQafmoPFGZIMLyxk"
_LONG_WITH_VALUE = frozenset((
    "report-cycles", "interval", "psize", "packetsize", "bitpattern", "tos", "address", "first-ttl", "max-ttl",
    "max-unknown", "order", "port", "localport", "filename", "gracetime", "timeout", "interface", "mark", "ipinfo",
    "displaymode", "cache",
))  # fmt: skip
_PLAUSIBLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_%-]{0,252}")


@dataclass(frozen=True)
class Command:
    """A command line of mtr: its destinations in order. ``csv``: its output is nothing where nobody answers."""

    destinations: tuple[str, ...]
    protocol: Protocol = Protocol.ICMP
    csv: bool = False


def command(line: str) -> Command | None:
    """The mtr command on a line that looks like a prompt with one; None for any other line."""
    if "mtr" not in line:
        return None
    match = _COMMAND.search(line)
    if match is None or line.lstrip().startswith(("mtr: ", "mtr-packet: ")):
        return None
    words = [word.strip("\"'`") for word in re.split(r"\s[|>&;]", match["words"])[0].split()]
    protocol = Protocol.ICMP
    destinations: list[str] = []
    options = 0
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("--"):
            options += 1
            name, equals, _ = word[2:].partition("=")
            protocol = _by_name(name, protocol)
            skip = not equals and name in _LONG_WITH_VALUE
        elif word.startswith("-") and len(word) > 1:
            options += 1
            for index, letter in enumerate(word[1:], 1):
                protocol = {"T": Protocol.TCP, "u": Protocol.UDP, "S": Protocol.SCTP}.get(letter, protocol)
                if letter in _SHORT_WITH_VALUE:
                    skip = index == len(word) - 1
                    break
        else:
            destinations.append(word)
    if not all(_PLAUSIBLE.fullmatch(word) for word in destinations) or not (options or len(destinations) == 1):
        return None
    if not destinations and not options:
        return None
    return Command(tuple(destinations), protocol, "--csv" in words or "-C" in words)


def _by_name(name: str, known: Protocol) -> Protocol:
    return {"tcp": Protocol.TCP, "udp": Protocol.UDP, "sctp": Protocol.SCTP}.get(name, known)
