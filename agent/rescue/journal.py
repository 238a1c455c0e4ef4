"""The disk's own journalctl, for journals whose format is newer than what the rescue system can read.

systemd 246 and 252 each brought a format that older versions leave out ("uses an unsupported feature, ignoring
file"; NEWS of systemd). The disk's journalctl knows what its journald wrote. It runs in namespaces of its own, on
a disk that it can't write to, with a deadline and a cap on what it says.
"""

from __future__ import annotations

from agent.logs.journal_readers import JOURNALCTL_BYTES, JOURNALCTL_SECONDS, OwnJournalctl, asked_of_journalctl
from agent.target import Mode, Output, Target
from agent.target.enter import run_inside
from agent.unknown import Maybe, Unknown, Why


def own_journalctl(target: Target) -> OwnJournalctl:
    """What agent.logs.search asks for a journal that this machine's readers can't read. Only for `agent rescue`:
    a scan never runs a mounted disk's programs."""

    def ask(path: str) -> Maybe[Output]:
        if target.mode is not Mode.OFFLINE:
            return Unknown("journalctl: it is this system's own", Why.ABSENT)
        # A link would be followed inside of the disk, where it can do no harm.
        return run_inside(target, asked_of_journalctl(path), JOURNALCTL_SECONDS, JOURNALCTL_BYTES, read_only=True)

    return ask


__all__ = ["own_journalctl"]
