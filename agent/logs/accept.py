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
        bound = pattern.uids or pattern.units or pattern.comms or pattern.idents
        return "kernel" in pattern.transports or (not pattern.transports and not bound)
    if pattern.transports and trust.transport not in pattern.transports:
        return False
    if pattern.uids and trust.uid not in pattern.uids:
        return False
    if not pattern.units and not pattern.comms:
        return True
    return _among(trust.unit, pattern.units) or _among(trust.comm, pattern.comms)


def _among(word: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)
