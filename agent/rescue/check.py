"""Check a filesystem without changing it: e2fsck -fn, xfs_repair -n, btrfs check --readonly on a held device.

The exit status alone would mislead. A read-only check does not replay the journal, and takes for damage what is
only unfinished: that is told from the superblock, which says as well when the kernel itself met damage. A
damage is believed only of a filesystem whose journal is empty.
"""

from __future__ import annotations

import os
import re
import time
from typing import Callable

from agent.facts.devices import BlockDevice
from agent.facts.filesystem import Check, Health
from agent.rescue import extfs, tool
from agent.rescue.tool import PROGRESS, Ask, Said
from agent.target import signature
from agent.target.failures import shown
from agent.target.hold import DeviceBusy, Held, held
from agent.unknown import Unknown

Progress = Callable[[str], None]

_CLAUSE = 110  # characters of what a checker said that are quoted
_BTRFS_LOG_ROOT = 0x10000 + 0x60  # bytes; struct btrfs_super_block, log_root

# Filesystems that have a checker which we don't run, by blkid's names.
_OTHERS = {
    "f2fs": "fsck.f2fs",
    "reiserfs": "reiserfsck",
    "jfs": "jfs_fsck",
    "vfat": "fsck.fat",
    "exfat": "fsck.exfat",
    "ntfs": "ntfsfix",
    "bcachefs": "bcachefs fsck",
    "nilfs2": "",
    "zfs_member": "zpool scrub",
}


def check(device: BlockDevice, progress: Progress) -> Check:
    """What its checker says of the filesystem on a device. Nothing is written, whatever the checker tries.

    ``progress`` gets lines such as "checking /dev/sda: pass 2 of 5, 43 %". There is no deadline: a large disk
    takes its time. On Ctrl-C the checker is ended, the device released, and the interrupt goes on. AgentError
    when the device can't be opened at all.
    """
    started = time.monotonic()
    try:
        with held(device.path, keep=device.type == "xfs") as hold:
            return check_held(hold, device.type, progress)
    except DeviceBusy as error:
        why = f"it {error.why}; a filesystem in use can't be checked"
        return Check(device.path, device.type, Health.BUSY, why, seconds=time.monotonic() - started)


def check_held(hold: Held, type: str, progress: Progress) -> Check:
    """The same, of a device that the caller holds already. ``type`` is blkid's; "" when it knows none."""
    lost = None if type else signature.lost(hold.place, hold.size)
    kind = lost.type if lost is not None else type
    if kind in extfs.TYPES:
        return _ext(hold, kind, progress)
    if kind == "xfs":
        return _xfs(hold, lost is not None, progress)
    if kind == "btrfs":
        return _btrfs(hold, lost is not None, progress)
    if kind in _OTHERS:
        own = f" ({_OTHERS[kind]} does)" if _OTHERS[kind] else ""
        return Check(hold.path, kind, Health.UNCHECKED, f"this program can't check {kind}{own}")
    why = f"{shown(kind)} is no filesystem that this program can check" if kind else "no filesystem was recognised"
    return Check(hold.path, kind, Health.UNCHECKED, why)


# -- ext2, ext3, ext4


def _ext(hold: Held, type: str, progress: Progress) -> Check:
    first = _first_superblock(hold)
    if isinstance(first, Unknown):
        return Check(hold.path, type, Health.UNREADABLE, first.reason)
    ask = Ask(
        ("e2fsck", "-fn", "-C", PROGRESS, hold.place),
        progress=passes(f"checking {hold.path}", progress),
        counting=_E2FSCK_PROBLEM,
    )
    said = tool.run(ask, hold)
    if isinstance(said, Unknown):
        return _unchecked_ext(hold, type, first, said)
    health, why = judge_ext(said, first)
    return _checked(hold, type, health, why, said)


def judge_ext(said: Said, first: extfs.Superblock | None) -> tuple[Health, str]:
    """What e2fsck's status, a bit mask (e2fsck(8)), and the superblock mean together."""
    problem = _ext_problem(said)
    if said.exit < 0 or said.exit & 32:
        return Health.UNCHECKED, "e2fsck was stopped"
    if re.search(r"(?m)^Warning! .* is (mounted|in use)", said.output):  # no loop device kept others away
        return Health.BUSY, "it was mounted just before the check: what e2fsck says of it means nothing"
    if first is None or "trying backup blocks" in said.output:
        part = "its superblock is gone" if first is None else "its superblock or group descriptors are damaged"
        found = "can't open a copy either" if "while trying to open" in said.output else "found a copy"
        return Health.UNREADABLE, f"{part}; e2fsck {found}"
    if said.exit & ~7 and not said.exit & 4:
        return _ext_failed(said)
    if first.errors:
        found = f"; e2fsck found: {problem}" if said.exit & 4 and problem else ""
        return Health.DAMAGED, f"the kernel met damage and marked the filesystem{found}"
    if first.needs_recovery:
        found = f"; what e2fsck met without it may be settled then: {problem}" if said.exit & 4 and problem else ""
        return Health.UNFINISHED, f"not cleanly unmounted: its journal has to be replayed{found}"
    if said.exit & 4:
        return Health.DAMAGED, f"e2fsck found damage: {problem or 'it does not say where'}"
    if not first.clean:
        return Health.CLEAN, "not cleanly unmounted, but e2fsck found nothing wrong"
    return Health.CLEAN, "e2fsck found nothing wrong"


# Why e2fsck did not get to check (operational errors, exit 8), and what that says about the disk.
_EXT_FAILURES = (
    (r"is in use|Device or resource busy|is mounted", Health.BUSY, "it is in use"),
    (r"unsupported feature|newer version of e2fsck", Health.UNCHECKED, "this e2fsck is too old for it"),
    (r"MMP|multiple mount", Health.BUSY, "another machine may have it mounted (multiple mount protection)"),
    (r"Input/output error|I/O error", Health.UNREADABLE, "the disk gives read errors"),
    (r"Memory allocation failed|out of memory", Health.UNCHECKED, "e2fsck has too little memory"),
    (r"Bad magic number|short read|superblock could not be read", Health.UNREADABLE, "e2fsck can't open it"),
)


def hindered(said: Said) -> str:
    """Why e2fsck can't work here, which is no damage that it could repair; "" for none."""
    if said.exit & 8 and not said.exit & 4:
        for pattern, _, why in _EXT_FAILURES[:-1]:
            if re.search(pattern, said.output):
                return why
    return ""


def _ext_failed(said: Said) -> tuple[Health, str]:
    words = [line.strip() for line in said.output.split("\n") if "e2fsck:" in line or " while " in line]
    quoted = f": {_cut(words[0])}" if words else ""
    for pattern, health, why in _EXT_FAILURES:
        if re.search(pattern, said.output):
            return health, f"{why}{quoted}"
    return Health.UNCHECKED, f"e2fsck failed (exit {said.exit}){quoted}"


def _first_superblock(hold: Held) -> extfs.Superblock | Unknown | None:
    try:
        descriptor = os.open(hold.place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return extfs.read(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return Unknown(f"its superblock can't be read: {error.strerror}")


def _unchecked_ext(hold: Held, type: str, first: extfs.Superblock | None, missing: Unknown) -> Check:
    """Without e2fsck the superblock still tells something."""
    if first is None:
        return Check(hold.path, type, Health.UNREADABLE, f"its superblock is gone; {missing.reason}")
    if first.errors:
        return Check(hold.path, type, Health.DAMAGED, f"the kernel met damage and marked it; {missing.reason}")
    if first.needs_recovery:
        why = f"not cleanly unmounted: its journal has to be replayed; {missing.reason}"
        return Check(hold.path, type, Health.UNFINISHED, why)
    return Check(hold.path, type, Health.UNCHECKED, missing.reason)


# How e2fsck answers itself with -n, at the end of each problem: "Clear? no".
_E2FSCK_PROBLEM = re.compile(r"\? no\b|\bIGNORED\.")
# Lines that tell of no problem of their own.
_E2FSCK_NOISE = re.compile(
    r"e2fsck \d|Pass \d|Warning[:!]|.*\*{5}|.*check forced\.$|.*: \d+/\d+ files|\s*Using EXT2FS"
    r"|.*skipping journal recovery|(Fix|Clear|Allocate|Abort|IGNORED)[?.]",
)


def _ext_problem(said: Said) -> str:
    """The first problem in e2fsck's words, and how many there are besides."""
    for line in said.output.split("\n"):
        text = re.split(r"\s+[A-Z][^.?]*\? no\b|\s+IGNORED\.", line)[0].strip()
        if text and not _E2FSCK_NOISE.match(line):
            more = f" (and {said.counted - 1} more)" if said.counted > 1 else ""
            return f"{_cut(text)}{more}"
    return ""


def passes(doing: str, progress: Progress) -> Progress:
    """For the lines that e2fsck writes of its progress, "2 12 345 /dev/sda": the pass, how far it is, and how
    far that goes (e2fsck(8), -C)."""
    progress = _changes(progress)

    def tell(line: str) -> None:
        numbers = re.match(r"([1-5]) (\d{1,18}) (\d{1,18}) ", line)
        if numbers:
            stage, done, all = (int(number) for number in numbers.groups())
            share = min(100 * done // all, 100) if all else 100
            progress(f"{doing}: pass {stage} of 5, {share} %")

    return tell


# -- XFS


_XFS_LOG = "valuable metadata changes in a log"
_XFS_NOISE = re.compile(
    r"Phase \d|\s*- |No modify flag|Cannot get host|Repair may fail|the image and the host|would |.*\.\.\.$"
)


def _xfs(hold: Held, lost: bool, progress: Progress) -> Check:
    ask = Ask(("xfs_repair", "-n", hold.place), line=phases(f"checking {hold.path}", progress))
    said = tool.run(ask, hold)
    if isinstance(said, Unknown):
        health = Health.UNREADABLE if lost else Health.UNCHECKED
        return Check(hold.path, "xfs", health, f"its superblock is gone; {said.reason}" if lost else said.reason)
    problems = [line.strip() for line in said.output.split("\n") if line.strip() and not _XFS_NOISE.match(line)]
    first = _cut(problems[0]) if problems else ""
    more = f" (and {len(problems) - 1} more lines)" if len(problems) > 1 else ""
    if said.exit < 0:
        return _checked(hold, "xfs", Health.UNCHECKED, "xfs_repair was stopped", said)
    if lost or re.search(r"bad primary superblock|couldn't verify primary superblock", said.output):
        return _checked(hold, "xfs", Health.UNREADABLE, f"its superblock is damaged: {first}", said)
    if _XFS_LOG in said.output:
        return _checked(hold, "xfs", Health.UNFINISHED, "not cleanly unmounted: its log has to be replayed", said)
    if said.exit == 0:
        return _checked(hold, "xfs", Health.CLEAN, "xfs_repair found nothing wrong", said)
    if re.search(r"Input/output error", said.output):
        return _checked(hold, "xfs", Health.UNREADABLE, f"the disk gives read errors: {first}", said)
    if said.exit == 1:
        return _checked(hold, "xfs", Health.DAMAGED, f"xfs_repair found damage: {first}{more}", said)
    return _checked(hold, "xfs", Health.UNCHECKED, f"xfs_repair failed (exit {said.exit}): {first}", said)


def phases(doing: str, progress: Progress) -> Progress:
    """For the lines in which xfs_repair says where it is."""

    def tell(line: str) -> None:
        phase = re.match(r"Phase ([1-7]) ", line)
        if phase:
            progress(f"{doing}: phase {phase[1]} of 7")

    return tell


# -- btrfs


def _btrfs(hold: Held, lost: bool, progress: Progress) -> Check:
    ask = Ask(
        ("btrfs", "check", "--readonly", hold.place),
        line=lambda line: _steps(line, hold.path, progress),
        counting=re.compile(r"checksum verify failed on \d+"),
    )
    said = tool.run(ask, hold)
    if isinstance(said, Unknown):
        health = Health.UNREADABLE if lost else Health.UNCHECKED
        return Check(hold.path, "btrfs", health, f"its superblock is gone; {said.reason}" if lost else said.reason)
    errors = [line.strip() for line in said.output.split("\n") if re.match(r"ERROR|.*error|.*(failed|mismatch)", line)]
    errors = [line for line in errors if "no error found" not in line]
    first = _cut(errors[0]) if errors else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if said.exit < 0:
        return _checked(hold, "btrfs", Health.UNCHECKED, "btrfs check was stopped", said)
    if lost or re.search(r"cannot open file system|No valid Btrfs", said.output):
        return _checked(hold, "btrfs", Health.UNREADABLE, f"btrfs can't open it: {first}", said)
    if said.exit != 0:
        return _checked(hold, "btrfs", Health.DAMAGED, f"btrfs check found damage: {first}{more}", said)
    if said.counted:
        why = f"{said.counted} blocks fail their checksum, and their second copies are good: btrfs scrub repairs them"
        return _checked(hold, "btrfs", Health.DAMAGED, why, said)
    if _btrfs_log(hold):
        why = "not cleanly unmounted: its log has to be replayed; btrfs check found nothing wrong"
        return _checked(hold, "btrfs", Health.UNFINISHED, why, said)
    return _checked(hold, "btrfs", Health.CLEAN, "btrfs check found nothing wrong", said)


def _btrfs_log(hold: Held) -> bool:
    try:
        descriptor = os.open(hold.place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return any(os.pread(descriptor, 8, _BTRFS_LOG_ROOT))
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _steps(line: str, path: str, progress: Progress) -> None:
    step = re.match(r"\[(\d+)/(\d+)\] ", line)
    if step:
        progress(f"checking {path}: step {step[1]} of {step[2]}")


# -- all of them


def _changes(progress: Progress) -> Progress:
    """Each text once: e2fsck tells of every group of blocks."""
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        if text != last:
            last = text
            progress(text)

    return tell


def _checked(hold: Held, type: str, health: Health, why: str, said: Said) -> Check:
    return Check(hold.path, type, health, why, said.command, said.output, said.exit, said.seconds)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _CLAUSE else f"{text[: _CLAUSE - 4].rstrip()} ..."
