"""Lend the machine's name servers to a mounted disk: over its /etc/resolv.conf, and never into it.

Happens in the place that namespace.py makes, in a child that is chrooted into the disk: so the kernel itself
follows the disk's links, and none of them leads out. A file that is there, immutable or not, is covered by a
mount that only this place sees. A link to what a running system makes (/run/systemd/resolve/stub-resolv.conf)
leads into our own /run, where the file is made. Where nothing is to be covered, nothing is lent: a name can't be
made on the disk without writing to it.
"""

from __future__ import annotations

import errno
import os
import stat

from agent.target.libc import BIND, NODEV, NOEXEC, NOSUID, RDONLY, REMOUNT, mount

PATH = "/etc/resolv.conf"
_OURS = ("/run", "/tmp", "/dev/shm")  # what furniture.py mounts, and programs may write to
_LINKS = 40


def lend(disk: str, copy: str) -> bool:
    """Let programs of the disk read the file ``copy`` as resolv.conf. False where that can't be had.

    For the first process of the place, before it drops its capabilities.
    """
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    try:
        source = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        os.chroot(disk)
        os.chdir("/")
        os._exit(0 if _lend(source) else 1)
    except BaseException:  # noqa: BLE001 - a forked child must not run on into our caller
        os._exit(1)


def _lend(source: int) -> bool:
    try:
        covered = os.open(PATH, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.ENOENT and _make(source, _end_of_links(PATH))
    if not stat.S_ISREG(os.fstat(covered).st_mode):
        return False
    mount(f"/proc/self/fd/{source}", f"/proc/self/fd/{covered}", None, BIND)
    # An editor would think that it changed the disk's own file: it is told that it can't.
    mount("none", PATH, None, REMOUNT | BIND | NOSUID | NODEV | NOEXEC | RDONLY)
    return True


def _end_of_links(path: str) -> str:
    """Where a dangling link leads; "" when it has no end."""
    for _ in range(_LINKS):
        folder = os.path.realpath(os.path.dirname(path))
        path = f"{folder.rstrip('/')}/{os.path.basename(path)}"
        if not os.path.islink(path):
            return path
        path = os.path.join(folder, os.readlink(path))
    return ""


def _make(source: int, path: str) -> bool:
    """The file that a link asks for, where that is no place on the disk."""
    above = path
    while above and not os.path.lexists(above):
        above = os.path.dirname(above)
    ours = {os.stat(place).st_dev for place in _OURS if os.path.ismount(place)}
    if not above or not os.path.isdir(above) or os.stat(above).st_dev not in ours:
        return False
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as stream:
        stream.write(os.pread(source, os.fstat(source).st_size, 0))
    return True


__all__ = ["lend"]
