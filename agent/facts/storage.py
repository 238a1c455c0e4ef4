"""Mounts, memory, and fstab under one name (fstab.py reads it). Free space is the target's own ``space``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts.fstab import Fstab, FstabEntry, FstabProblem
from agent.facts.fstab import read as fstab
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

__all__ = [
    "Fstab",
    "FstabEntry",
    "FstabProblem",
    "Memory",
    "Mount",
    "fstab",
    "memory",
    "mounts",
    "parse_mounts",
]


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    source: str
    point: str
    type: str
    options: tuple[str, ...]  # per mount and per super block
    device: str  # major:minor

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    total: int
    available: int
    swap_total: int
    swap_free: int


def mounts(target: Target) -> Maybe[tuple[Mount, ...]]:
    """What is mounted on the running host (proc_pid_mountinfo(5)); Unknown when it does not run."""
    if not target.live:
        return Unknown("what is mounted shows only on the running host", Why.NOT_LIVE)
    for path in ("/proc/1/mountinfo", "/proc/self/mountinfo", "/proc/mounts"):
        text = target.text(path)
        if not isinstance(text, Unknown) and text.strip():
            return parse_mounts(text)
    assert isinstance(text, (str, Unknown))
    return text if isinstance(text, Unknown) else Unknown("/proc/mounts is empty", Why.UNREADABLE)


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Lines of mountinfo, or of the older /proc/mounts, in the kernel's order."""
    found: list[Mount] = []
    for line in text.split("\n"):
        fields = line.split(" ")
        if " - " in line and len(fields) > 6 and ":" in fields[2]:
            split = fields.index("-")
            after = [*fields[split + 1 :], "", "", ""]
            options = [*fields[5].split(","), *after[2].split(",")]
            found.append(
                Mount(
                    source=_decode(after[1]),
                    point=_decode(fields[4]),
                    type=_decode(after[0]),
                    options=tuple(dict.fromkeys(filter(None, options))),
                    device=fields[2],
                )
            )
        elif len(fields) >= 4 and fields[1].startswith("/"):
            found.append(Mount(_decode(fields[0]), _decode(fields[1]), fields[2], tuple(fields[3].split(",")), ""))
    return tuple(found)


def _decode(field: str) -> str:
    """The kernel escapes space, tab, newline, backslash and # as octal numbers."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match.group(1), 8)), field)


def memory(target: Target) -> Maybe[Memory]:
    """Memory of the running host, from the target's record or from /proc/meminfo (proc_meminfo(5))."""
    if not target.live:
        return Unknown("memory shows only on the running host", Why.NOT_LIVE)
    record = target.query("memory")
    if isinstance(record, dict):
        numbers = [record.get(key) for key in ("total", "available", "swap_total", "swap_free")]
        if all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            return Memory(*(number for number in numbers if isinstance(number, int)))
    text = target.text("/proc/meminfo")
    return text if isinstance(text, Unknown) else _meminfo(text)


def _meminfo(text: str) -> Maybe[Memory]:
    sizes = {name: int(size) * 1024 for name, size in re.findall(r"^(\w+):\s+(\d{1,15}) kB", text, re.MULTILINE)}
    if "MemTotal" not in sizes:
        return Unknown("/proc/meminfo: no MemTotal", Why.UNREADABLE)
    # MemAvailable came with Linux 3.14; before it, what is free or can be dropped
    available = sizes.get("MemAvailable", sum(sizes.get(name, 0) for name in ("MemFree", "Buffers", "Cached")))
    return Memory(sizes["MemTotal"], available, sizes.get("SwapTotal", 0), sizes.get("SwapFree", 0))
