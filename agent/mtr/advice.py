"""How to make the MTR reports that support asks for: the commands, with the server's address filled in.

One target a command: mtr takes several and then makes one report after the other, so an address left over from an
example doubles the time and muddles the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SERVER = "ADDRESS-OF-THE-SERVER"
YOURS = "ADDRESS-OF-YOUR-COMPUTER"
OPTIONS = "-rwbzc 100"  # a wide report with names, addresses and AS numbers, 100 cycles


@dataclass(frozen=True)
class Step:
    """What to do, and the commands to copy."""

    text: str
    commands: tuple[str, ...] = ()


def steps(addresses: Sequence[str]) -> Iterator[Step]:
    """Both directions, on every kind of computer. ``addresses``: the server's; none: a word in their place."""
    if not addresses:
        yield Step(f"The server's address is not known here: put it in place of {SERVER}. Cloud Manager shows it.")
    targets = _one_of_each(addresses) or [SERVER]
    yield Step(
        "On your own computer (Linux, macOS; without sudo leave -i 0.2 away), while the trouble lasts:",
        tuple(f"sudo mtr {OPTIONS} -i 0.2 {target}" for target in targets),
    )
    yield Step(
        f"On Windows: start WinMTR, type {targets[0]} into Host, press Start, wait until Sent shows 100, press Stop,"
        " then Copy Text to clipboard."
    )
    yield Step(
        "On the server, the other direction (your address: what any site that shows it says, or who -u after ssh):",
        (f"sudo mtr {OPTIONS} -i 0.2 {YOURS}",),
    )
    yield Step("On a server without DNS, or without mtr:", (f"mtr -rwnc 100 {YOURS}", f"agent mtr --run {YOURS}"))
    yield Step(
        "If ping is blocked on purpose, or only one service does not answer, by TCP to its port:",
        tuple(f"sudo mtr {OPTIONS} --tcp --port 22 {target}" for target in targets),
    )
    yield Step(
        "Then have them read, and compared with the same from rescue mode:",
        ("agent mtr REPORT.txt --reverse BACK.txt", "agent mtr --compare NORMAL.txt RESCUE.txt"),
    )


def _one_of_each(addresses: Sequence[str]) -> list[str]:
    """The first IPv4 and the first IPv6 address."""
    found = [[text for text in addresses if (":" in text) is six] for six in (False, True)]
    return [texts[0] for texts in found if texts]
