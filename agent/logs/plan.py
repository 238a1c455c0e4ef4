"""A plan to search many patterns at once: few literals to look for, then the regexes on the lines that hold one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from agent.logs.engine import Engine, best_engine
from agent.logs.literals import required_literals
from agent.logs.model import Pattern

ATOM = 8  # bytes of a literal that several patterns may share
SHORT = 6

# Lines as healthy hosts write them all day: a shared piece that stands here would make every line a candidate.
ORDINARY = (
    b"systemd[1]: Started Session 1 of user root. systemd[1]: Starting Daily apt upgrade and clean activities... "
    b"systemd[1]: Finished logrotate.service - Rotate log files. systemd[1]: apt-daily.service: Deactivated "
    b"successfully. CRON[1]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0) "
    b"CRON[1]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly) sshd[1]: Failed password for invalid "
    b"user admin from 192.0.2.1 port 22 ssh2 sshd[1]: Connection closed by authenticating user root [preauth] "
    b"kernel: [UFW BLOCK] IN=eth0 OUT= MAC= SRC= DST= LEN=40 TOS=0x00 PROTO=TCP SPT=1 DPT=22 WINDOW=1024 "
    b"systemd-networkd[1]: eth0: Link UP eth0: Gained carrier systemd-resolved[1]: Using degraded feature set UDP "
    b"dhclient[1]: DHCPREQUEST for 192.0.2.1 on eth0 to 192.0.2.2 port 67 dhclient[1]: DHCPACK of 192.0.2.1 "
    b"NetworkManager[1]: <info> [1.1] device (eth0): state change: activated manager: NetworkManager state is now "
    b"postfix/smtpd[1]: connect from unknown[192.0.2.1] disconnect from network interface device error failed "
    b"named[1]: error (network unreachable) resolving kernel: EXT4-fs (sda): mounted filesystem with ordered data"
)


class Plan:
    """Patterns with their compiled regexes and the literals that lead to them."""

    def __init__(self, patterns: Sequence[Pattern], engine: type[Engine] | None = None) -> None:
        self.patterns = tuple(patterns)
        self.regexes = tuple(re.compile(pattern.regex) for pattern in patterns)
        choices = [required_literals(pattern.regex) for pattern in patterns]
        atoms = cover(sorted({literal for choice in choices for literal in choice}))
        self._literals = tuple(sorted(set(atoms.values())))
        numbers = {literal: number for number, literal in enumerate(self._literals)}
        leads: dict[int, set[int]] = defaultdict(set)
        for index, choice in enumerate(choices):
            for literal in choice:
                leads[numbers[atoms[literal]]].add(index)
        self.leads = {number: tuple(sorted(indices)) for number, indices in leads.items()}
        self.longest = max((len(literal) for literal in self._literals), default=0)
        make = engine or best_engine
        self._engine: Engine | None = make(self._literals) if self._literals else None  # type: ignore[call-arg]

    @property
    def literals(self) -> tuple[bytes, ...]:
        return self._literals

    def find(self, data: bytes) -> list[tuple[int, tuple[int, ...]]]:
        """Offsets of literals, ascending, each with the numbers of the patterns that it leads to."""
        if self._engine is None:
            return []
        return [(start, self.leads[number]) for start, number in sorted(self._engine.find(data))]


def cover(literals: Sequence[bytes]) -> dict[bytes, bytes]:
    """For each literal the atom to search in its place: a piece that others share where that saves a search.

    Greedy: the piece that most literals share goes first. Pieces of ordinary log lines are never chosen.
    """
    holders: dict[bytes, set[bytes]] = defaultdict(set)
    for literal in literals:
        for size in (ATOM, SHORT):
            for start in range(len(literal) - size + 1):
                piece = literal[start : start + size]
                if piece not in ORDINARY:
                    holders[piece].add(literal)
    left = set(literals)
    atoms: dict[bytes, bytes] = {}
    while left and holders:
        piece = max(holders, key=lambda known: (len(holders[known] & left), len(known), known))
        shared = holders.pop(piece) & left
        if len(shared) < 2:
            break
        atoms.update((literal, piece) for literal in shared)
        left -= shared
    atoms.update((literal, literal) for literal in left)
    return atoms
