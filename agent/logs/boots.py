"""Where one boot ends and the next begins, in text logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.logs.model import Hits

NEAR = 5000  # lines, and
SOON = 900.0  # seconds from the log daemon's first line to the kernel's
EARLY = 15.0  # seconds before its log daemon that a boot's own messages may be dated


@dataclass(frozen=True)
class Mark:
    """A boot begins at this line. ``time`` is None where the line has none."""

    line: int
    time: float | None


def boundaries(kernel: Hits | None, logger: Hits | None) -> list[Mark]:
    """A file's boots, from the kernel's first lines and the log daemon's: the daemon's, where it stands
    shortly before the kernel's, for what it had to catch up on stands between the two."""
    starts = [match.entry for match in logger.matches] if logger else []
    marks: list[Mark] = []
    before = 0
    for match in kernel.matches if kernel else ():
        first = match.entry
        for start in reversed(starts):
            soon = start.time is None or first.time is None or abs(first.time - start.time) <= SOON
            if before < start.line < first.line and first.line - start.line <= NEAR and soon:
                first = start
                break
        marks.append(Mark(first.line, first.time))
        before = match.entry.line
    return marks


class Timeline:
    """When the boots began, by the log that tells of the most."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def add(self, marks: Sequence[Mark]) -> None:
        times = [mark.time for mark in marks if mark.time is not None]
        if len(times) > len(self._times):
            self._times = sorted(times)

    def boot(self, time: float | None) -> int | None:
        """The boot's number at a time: 0 the newest. None where it can't be told."""
        if time is None or not self._times:
            return None
        return -sum(1 for began in self._times if began - EARLY > time)
