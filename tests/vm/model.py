"""What is acted out on a machine, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.vm.disk import Disk
    from tests.vm.play import Play

LOGIN = r"login: "
EMERGENCY = r"\(or press Control-D to continue\)"
INITRAMFS = r"\(initramfs\) "


@dataclass(frozen=True)
class Scenario:
    """A way to lose a host, and how it is had back.

    ``shows``: the pattern of the console's line that tells it, when the broken disk boots; ``ends``: where that boot
    comes to rest. ``finding``: what the verdict must say. ``fix``: what the command must hold that is offered, or
    what must be said where only a person can mend it; then ``by_hand`` is what the person types.
    """

    letter: str
    title: str
    damage: Callable[[Disk], None]
    shows: str
    ends: str
    finding: str
    fix: str
    image: str = "system"
    polite: bool = False  # the broken machine is shut down by its owner, not by the plug
    by_hand: str = ""
    looks: str = ""  # typed after a login, where the boot itself shows nothing: then ``shows`` is of its answer
    answer: str = "y"  # to a question of the program
    play: Callable[[Play], None] | None = None  # where the course is another one
    patience: float = 150  # seconds until the broken boot comes to rest


@dataclass
class Outcome:
    """What happened; ``problems`` is empty where all went as it should."""

    letter: str
    title: str
    shown: str = ""
    verdict: str = ""
    fixes: list[str] = field(default_factory=list)
    reachable: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def table(outcomes: list[Outcome]) -> list[str]:
    """Scenario, what the console showed, verdict, fix, reachable after, seconds."""
    lines = []
    for one in outcomes:
        total = sum(one.seconds.values())
        phases = ", ".join(f"{name} {seconds:.0f}" for name, seconds in one.seconds.items())
        lines.append(f"{one.letter}  {one.title}")
        lines.append(f"   console    {one.shown}")
        lines.append(f"   verdict    {one.verdict}")
        lines += [f"   {'fix' if not number else '':<10} {fix}" for number, fix in enumerate(one.fixes)]
        lines.append(f"   reachable  {one.reachable or 'not tried'}")
        lines.append(f"   seconds    {total:.0f} ({phases})")
        lines += [f"   PROBLEM    {line}" for problem in one.problems for line in problem.splitlines()]
    good = sum(not one.problems for one in outcomes)
    lines.append(f"{good} of {len(outcomes)} scenarios went as they should")
    return lines
