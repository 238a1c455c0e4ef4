"""May this entry's writer say what a pattern looks for?"""

from __future__ import annotations

from fnmatch import fnmatchcase

from agent.logs.model import Entry, Pattern


def accepts(pattern: Pattern, entry: Entry) -> bool:
    """With trusted fields these decide; else the syslog tag, where the line has one."""
    trust = entry.trust
    if trust is None:
        return not entry.ident or not pattern.idents or _among(entry.ident, pattern.idents)
    if trust.transport == "kernel":
        if pattern.transports:
            return "kernel" in pattern.transports
        # Only root writes to the kernel's log (an initramfs, a generator before journald runs): the tag is its own.
        bound = pattern.uids or pattern.units or pattern.comms
        return not bound and (not pattern.idents or _among(entry.ident or "kernel", pattern.idents))
    if pattern.transports and trust.transport not in pattern.transports:
        return False
    if pattern.uids and trust.uid not in pattern.uids:
        return False
    if not pattern.units and not pattern.comms:
        return True
    return _among(trust.unit, pattern.units) or _among(trust.comm, pattern.comms)


def _among(word: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)
