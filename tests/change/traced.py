"""Mutating system calls of a traced run, and which of them touch a tree: what the seam must not have missed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Every call by which Linux changes a file, a directory or what is mounted; by which name the seam knows it.
CALLS = {
    "open": "open",
    "openat": "open",
    "openat2": "open",
    "creat": "open",
    "write": "write",
    "pwrite64": "write",
    "writev": "write",
    "pwritev": "write",
    "pwritev2": "write",
    "sendfile": "write",
    "copy_file_range": "write",
    "splice": "write",
    "fallocate": "write",
    "truncate": "write",
    "ftruncate": "write",
    "fsync": "fsync",
    "fdatasync": "fsync",
    "sync_file_range": "fsync",
    "mkdir": "mkdir",
    "mkdirat": "mkdir",
    "rmdir": "rmdir",
    "symlink": "symlink",
    "symlinkat": "symlink",
    "link": "link",
    "linkat": "link",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "mknod": "mknod",
    "mknodat": "mknod",
    "chmod": "chmod",
    "fchmod": "chmod",
    "fchmodat": "chmod",
    "fchmodat2": "chmod",
    "chown": "chown",
    "lchown": "chown",
    "fchown": "chown",
    "fchownat": "chown",
    "utime": "utime",
    "utimes": "utime",
    "futimesat": "utime",
    "utimensat": "utime",
    "setxattr": "setxattr",
    "lsetxattr": "setxattr",
    "fsetxattr": "setxattr",
    "removexattr": "removexattr",
    "lremovexattr": "removexattr",
    "fremovexattr": "removexattr",
    "ioctl": "setflags",
    "mount": "mount",
    "umount2": "mount",
    "move_mount": "mount",
    "open_tree": "mount",
    "mount_setattr": "mount",
    "fsmount": "mount",
    "pivot_root": "mount",
    "swapon": "mount",
    "quotactl": "mount",
    "bind": "mknod",  # makes the socket's name
    "acct": "mount",
}
MARK = "/the-seam"
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_MARKED = re.compile(rf'"{MARK}/(before|after)/(\w+)(/[^"]*)"')

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@dataclass(frozen=True)
class Event:
    """A mutating call on the tree, or the seam's own mark before or after one."""

    process: int
    kind: str  # "call", "before", "after"
    call: str  # as the seam calls it
    text: str


def trace(words: Sequence[str], root: Path, log: Path, timeout: float = 120.0) -> tuple[list[Event], str]:
    """The events of a Python run below ``root``, of all its processes, and what it said."""
    known = subprocess.run(["strace", "-e", "trace=?openat2", "true"], capture_output=True, check=False)
    assert known.returncode == 0, known.stderr
    chosen = ",".join(f"?{name}" for name in sorted({*CALLS, "stat", "newfstatat", "statx", "access", "faccessat2"}))
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={chosen}", "-o", str(log), sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=timeout,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip("tracing is not permitted here")
    return events(log.read_text(errors="replace"), str(root)), done.stdout + done.stderr


def events(text: str, root: str) -> list[Event]:
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        process, call, rest = int(match[1]), match[2], match[3]
        marked = _MARKED.search(rest)
        if marked:
            found.append(Event(process, marked[1], marked[2], marked[3]))
        elif call in CALLS and _touches(call, rest, root):
            name = "rmdir" if "AT_REMOVEDIR" in rest else CALLS[call]
            found.append(Event(process, "call", name, line[:300]))
    return found


def _touches(call: str, rest: str, root: str) -> bool:
    """A call that changes something below the root, whether or not it succeeded."""
    if CALLS[call] == "open" and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE|O_APPEND", rest):
        return call == "creat" and root in rest
    if call == "ioctl" and "SETFLAGS" not in rest and "SETXATTR" not in rest and "0x4008660" not in rest:
        return False
    if call in ("lsetxattr", "lremovexattr", "setxattr", "removexattr"):
        return not re.match(r'"/', rest) or root in rest  # relative to a working directory that is not shown
    if re.match(r"\d+<", rest) and CALLS[call] in ("write", "fsync"):
        return rest.partition("<")[2].startswith(root)  # not what is printed about it
    return root in rest


__all__ = ["CALLS", "MARK", "REPOSITORY", "Event", "events", "needs_strace", "trace"]
