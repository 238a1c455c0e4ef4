"""Boots: where one ends and the next begins in text logs, and the messages that tell how one went."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.logs.model import BootSeen, Hits, Match, Pattern, Sign

NEAR = 5000  # lines, and
SOON = 900.0  # seconds from the log daemon's first line to the kernel's
EARLY = 15.0  # seconds before its log daemon that a boot's own messages may be dated
WHOLE = 120.0  # seconds from the first message that is left of a boot to the one that every boot begins with
SIGNS_KEPT = 5000  # of one kind in one file
SIGNS_SHOWN = 20  # of one kind in one boot

NETWORK_UNITS = (
    "networking.service",
    "network.service",
    "systemd-networkd.service",
    "NetworkManager.service",
    "wicked.service",
    "wickedd.service",
    "connman.service",
    "dhcpcd.service",
    "dhcpcd@*.service",
    "netctl@*.service",
)

# systemd's words since 190; "Reached target Multi-User System." has carried the unit's name since 246.
REACHED, STOPPED, MOUNTS, NETWORK, SSHD, SHUTDOWN, BEGUN = SIGNS = (
    Pattern(
        "sign:reached",
        r"^Reached target (?:multi-user\.target|graphical\.target|Multi-User|Graphical)"
        r"|^(?:INIT: )?Entering runlevel: [2-5]",
        idents=("systemd", "init"),
        uids=(0,),
        comms=("systemd", "init"),
    ),
    Pattern(
        "sign:stopped",
        r"^Reached target (?:emergency\.target|rescue\.target|Emergency Mode|Rescue Mode|Emergency|Rescue)"
        r"|^You are in (?:emergency|rescue) mode",
        idents=("systemd", "systemd-sulogin-shell", "sulogin"),
        uids=(0,),
        comms=("systemd",),
    ),
    Pattern(
        "sign:mounts",
        r"^Dependency failed for (?:local-fs\.target|Local File Systems)",
        idents=("systemd",),
        uids=(0,),
        comms=("systemd",),
    ),
    Pattern("sign:network", r"^Failed to start [^ ]", idents=("systemd",), uids=(0,), units=NETWORK_UNITS),
    Pattern(
        "sign:sshd",
        r"^Server listening on [^ ]{1,60} port \d|^Not backgrounding$",
        idents=("sshd", "dropbear"),
        uids=(0,),
        comms=("sshd", "sshd-listener", "dropbear"),
    ),
    Pattern(
        "sign:shutdown",
        r"^Reached target (?:shutdown\.target|reboot\.target|poweroff\.target|halt\.target"
        r"|System Shutdown|Shutdown|System Reboot|Reboot|System Power Off|Power-Off)"
        r"|^Shutting down\.$|^(?:INIT: )?Switching to runlevel: [06]",
        idents=("systemd", "init"),
        uids=(0,),
        comms=("systemd", "init"),
    ),
    Pattern(
        "sign:begun",
        r"^Journal started$",
        idents=("systemd-journald",),
        uids=(0,),
        comms=("systemd-journal*",),
    ),
)
SIGN_KEYS = frozenset(pattern.key for pattern in SIGNS)
# By what a text log, which names no unit beside its message, shows that the network's manager is meant.
_NETWORK_NAMED = re.compile(
    r"(?:network|networking|systemd-networkd|NetworkManager|wickedd?|connman|dhcpcd)[\w@-]{0,40}\.service"
    r"|Raise network interfaces|Bring up/down networking|Network (?:Service|Manager|Configuration)$"
)
_MANAGERS_OWN = frozenset(pattern.key for pattern in (REACHED, STOPPED, MOUNTS, NETWORK, SHUTDOWN))


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
        self.source = ""  # the log that told

    def add(self, marks: Sequence[Mark], source: str = "") -> None:
        times = [mark.time for mark in marks if mark.time is not None]
        if len(times) > len(self._times):
            self._times = sorted(times)
            self.source = source

    def boot(self, time: float | None) -> int | None:
        """The boot's number at a time: 0 the newest. None where it can't be told."""
        if time is None or not self._times:
            return None
        return -sum(1 for began in self._times if began - EARLY > time)

    @property
    def times(self) -> tuple[float, ...]:
        """When the boots began, oldest first."""
        return tuple(self._times)


def of_journal(
    order: Mapping[str, int],
    oldest: Mapping[str, float],
    newest: Mapping[str, float],
    matches: Sequence[tuple[Match, str]],
) -> tuple[BootSeen, ...]:
    """The journal's boots, newest first. ``order`` numbers the boot ids, ``matches`` come with theirs."""
    signs: dict[str, list[Sign]] = {}
    begun: dict[str, float] = {}
    for match, boot in matches:
        entry = match.entry
        if entry.time is None:
            continue
        if match.key == BEGUN.key or match.key == "boot":
            begun[boot] = min(entry.time, begun.get(boot, entry.time))
        elif match.key not in _MANAGERS_OWN or (entry.trust is not None and entry.trust.pid == 1):
            # a user's own manager is systemd as well, and root's runs as root
            signs.setdefault(boot, []).append(_sign(match))
    return tuple(
        BootSeen(
            boot,
            number,
            oldest[boot],
            newest[boot],
            _few(signs.get(boot, [])),
            whole=boot in begun and begun[boot] - oldest[boot] <= WHOLE,
            trusted=True,
        )
        for boot, number in sorted(order.items(), key=lambda item: -item[1])
    )


def of_texts(timeline: Timeline, matches: Sequence[Match]) -> tuple[BootSeen, ...]:
    """The boots that text logs tell of, newest first; each is taken to end where the next begins."""
    signs: dict[int, list[Sign]] = {}
    for match in matches:
        number = timeline.boot(match.entry.time)
        if number is None or match.key == BEGUN.key:
            continue
        if match.key != NETWORK.key or _NETWORK_NAMED.search(match.entry.text):
            signs.setdefault(number, []).append(_sign(match))
    newest_first = sorted(timeline.times, reverse=True)
    return tuple(
        BootSeen(
            "",
            -index,
            first,
            newest_first[index - 1] if index else None,
            _few(signs.get(-index, [])),
            whole=True,
            source=timeline.source,
        )
        for index, first in enumerate(newest_first)
    )


def _sign(match: Match) -> Sign:
    return Sign(match.key, match.entry.time, match.entry.text[:200])


def _few(signs: Sequence[Sign]) -> tuple[Sign, ...]:
    """In the order of time; of each kind the first ones (a service that restarts all day says so all day)."""
    counts: dict[str, int] = {}
    kept = []
    for sign in sorted(signs, key=lambda sign: sign.time or 0.0):
        counts[sign.name] = counts.get(sign.name, 0) + 1
        if counts[sign.name] <= SIGNS_SHOWN:
            kept.append(sign)
    return tuple(kept)
