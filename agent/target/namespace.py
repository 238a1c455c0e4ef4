"""The place in which programs of a mounted disk run: namespaces of their own, made in the child before exec.

Three processes stand between us and the program, so that the kernel cleans up whatever dies:

    guard    our child: made the namespaces, and waits for their first process
    keeper   first process (pid 1) of the new pid namespace; when it ends, the kernel kills all that is left
             there, daemons included, and with the last of them the mounts are gone
    program  chrooted into the disk

The keeper ends when the program has ended, or when we have (a pipe that only we hold open says so, also when
we were killed). Mounts are made in a mount namespace of their own: nobody else ever sees them, and nothing
needs unmounting. Mount points are opened without following links, and must be directories of the disk.

It keeps a broken program from hurting the rescue system. It is no sandbox for an attacker: a program with
root's rights and its disk's device node can write to that disk as it likes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import stat
import struct
from dataclasses import dataclass

from agent.target.walk import HOLD_DIR

# clone(2)
_NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
# mount(2)
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _MOVE, _REC, _PRIVATE = 4096, 8192, 16384, 1 << 18
_DETACH = 2  # umount2(2)
_QUIET = _NOSUID | _NODEV | _NOEXEC
# prctl(2)
_SET_PDEATHSIG, _CAPBSET_DROP = 1, 24
# capabilities(7) that no maintainer script or boot menu generator needs, and that reach beyond the disk
_CAPABILITIES = {
    "SYS_MODULE": 16,
    "SYS_RAWIO": 17,
    "SYS_PTRACE": 19,
    "SYS_PACCT": 20,
    "SYS_ADMIN": 21,  # a remount reaches through every namespace to the filesystem itself
    "SYS_BOOT": 22,
    "SYS_TIME": 25,
    "SYS_TTY_CONFIG": 26,
    "AUDIT_CONTROL": 30,
    "SYSLOG": 34,
    "WAKE_ALARM": 35,
    "PERFMON": 38,
    "BPF": 39,
}
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h, two words of 32 bits each

_BASES = ("/tmp", "/mnt", "/media", "/usr")  # one that is there is covered by our tmpfs; only we see it
_CHARACTER = ("null", "zero", "full", "random", "urandom", "tty")
_DEV_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
    "console": "null",  # what is said there goes nowhere: the console is the rescue system's
}
_KERNEL_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus")  # below /proc; a postinst runs sysctl


@dataclass(frozen=True)
class DeviceNode:
    """A block device's name below /dev, and its number; or, with ``to``, a link."""

    name: str
    number: int = 0
    to: str = ""


@dataclass(frozen=True)
class Entry:
    """What the child needs to know. ``root`` is the disk's directory, held open; ``life`` the reading end of
    a pipe whose writing end only we hold; ``report`` is told the program's end, or what failed."""

    root: int
    life: int
    life_writer: int
    report: int
    parent: int
    devices: tuple[DeviceNode, ...]
    highest: int  # no descriptor of ours has a larger number


_libc = ctypes.CDLL(None, use_errno=True)


class SetupFailed(Exception):
    """What could not be prepared, as a clause for people."""


def enter(entry: Entry) -> None:
    """Run in a forked child: returns in the process that shall become the program, and only there."""
    try:
        _become_guard(entry)
        keeper = os.fork()
        if keeper:
            _guard(keeper, entry)
        _prepare(entry)
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        program = os.fork()
        if program:
            _keep(program, wake, waker, entry)
        _become_program()
    except BaseException as error:  # noqa: BLE001 - a forked child must not run on into our caller
        _report(entry, f"failed {_words(error)}")
        os._exit(1)


def _become_guard(entry: Entry) -> None:
    os.close(entry.life_writer)
    _die_with_parent()
    if os.getppid() != entry.parent:
        os._exit(1)
    os.fchdir(entry.root)  # the working directory is carried over into the new mount namespace
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # the keeper, as pid 1, is immune to those without a handler
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        _call("unshare", _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
    except OSError as error:
        raise SetupFailed(f"namespaces are not to be had here ({error.strerror})") from error


def _guard(keeper: int, entry: Entry) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the group is asked to end: that is for the program
    os.closerange(0, entry.highest)
    os.waitpid(keeper, 0)  # returns when every process of the namespace is gone
    os._exit(0)


def _keep(program: int, wake: int, waker: int, entry: Entry) -> None:
    """Reap the namespace's orphans; end with the program, or with those who wanted it."""
    kept = sorted((wake, waker, entry.life, entry.report))
    for low, high in zip([-1, *kept], [*kept, max(entry.highest, kept[-1] + 1)]):
        os.closerange(low + 1, high)
    while True:
        ready, _, _ = select.select([entry.life, wake], [], [])
        if entry.life in ready:
            os._exit(1)
        os.read(wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if not child:
                    break
                if child == program:
                    _report(entry, f"ended {status}")
                    os._exit(0)


def _become_program() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    os.chroot("/disk")
    os.chdir("/")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _report(entry: Entry, line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(entry.report, (line + "\n").encode("utf-8", "backslashreplace"))


def _words(error: BaseException) -> str:
    if isinstance(error, SetupFailed):
        return str(error)
    clause = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        clause = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return f"the place to run it could not be made ({clause})"


# -- the mounts


def _prepare(entry: Entry) -> None:
    """All of the namespace, seen from its first process; its root becomes a tmpfs that holds the disk."""
    _die_with_parent()
    os.umask(0)
    _mount("none", "/", None, _REC | _PRIVATE)
    base = next((path for path in _BASES if _is_folder(path)), None)
    if base is None:
        raise SetupFailed(f"none of {', '.join(_BASES)} is there")
    # "." is the disk: it has to be bound before its path may be covered.
    _mount("tmpfs", base, "tmpfs", _NOSUID | _NODEV, "mode=0755,size=256k")
    os.mkdir(f"{base}/disk", 0o755)
    _mount(".", f"{base}/disk", None, _BIND | _REC)
    _let_programs_run(f"{base}/disk")
    disk = os.open(f"{base}/disk", HOLD_DIR)
    _fill(disk, entry)
    os.close(disk)
    _leave_for(base)
    _loopback_up()
    _drop_capabilities()


def _fill(disk: int, entry: Entry) -> None:
    _mount_in(disk, "dev", "tmpfs", "tmpfs", _NOSUID | _NOEXEC, "mode=0755,size=1m")
    _make_dev(_opened(disk, "dev"), entry.devices)
    _mount_in(disk, "proc", "proc", "proc", _QUIET)
    _protect_settings(_opened(disk, "proc"))
    try:
        _mount_in(disk, "sys", "sysfs", "sysfs", _QUIET | _RDONLY)
    except OSError:  # not allowed in a container: its own /sys then, without what is mounted below
        _mount_in(disk, "sys", "/sys", None, _BIND)
        os.fchdir(_opened(disk, "sys"))
        _mount("none", ".", None, _REMOUNT | _BIND | _QUIET | _RDONLY)
    if _there(disk, "run"):  # CentOS 6 has none
        _mount_in(disk, "run", "tmpfs", "tmpfs", _NOSUID | _NODEV, "mode=0755,size=64m")
        _make_run(_opened(disk, "run"))
    with contextlib.suppress(SetupFailed):  # some link it to /var/tmp: then it is the disk's
        _mount_in(disk, "tmp", "tmpfs", "tmpfs", _NOSUID | _NODEV, "mode=1777")


def _make_dev(dev: int, devices: tuple[DeviceNode, ...]) -> None:
    """A /dev with the harmless devices, and of the disks only the one that is mounted here (grub-probe and
    dracut look at it, and at its names below /dev/disk)."""
    os.fchdir(dev)
    for name in _CHARACTER:
        _node(name, os.stat(f"/dev/{name}").st_rdev, stat.S_IFCHR | 0o666)
    for name, to in _DEV_LINKS.items():
        os.symlink(to, name)
    for device in devices:
        os.makedirs(os.path.dirname(device.name) or ".", 0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            if device.to:
                os.symlink(device.to, device.name)
            else:
                _node(device.name, device.number, stat.S_IFBLK | 0o660)
    os.mkdir("pts")
    _mount("devpts", "pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    os.mkdir("shm")
    _mount("tmpfs", "shm", "tmpfs", _QUIET, "mode=1777,size=64m")
    os.close(dev)


def _node(name: str, number: int, mode: int) -> None:
    try:
        os.mknod(name, mode, number)
    except PermissionError:  # a container may not make nodes; those it has it may bind
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        _mount(f"/dev/{name}", name, None, _BIND)


def _protect_settings(proc: int) -> None:
    """The kernel is the rescue system's: its settings are not the disk's to change."""
    os.fchdir(proc)
    for name in _KERNEL_SETTINGS:
        if os.path.exists(name):
            _mount(name, name, None, _BIND)
            _mount("none", name, None, _REMOUNT | _BIND | _QUIET | _RDONLY)
    os.close(proc)


def _make_run(run: int) -> None:
    os.fchdir(run)
    os.mkdir("lock", 0o1777)
    if os.path.isdir("/run/udev/data"):  # what the rescue's udev knows of the disks; its socket is not lent
        os.makedirs("udev/data", 0o755)
        _mount("/run/udev/data", "udev/data", None, _BIND)
        _mount("none", "udev/data", None, _REMOUNT | _BIND | _QUIET | _RDONLY)
    os.close(run)


def _mount_in(disk: int, name: str, source: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount over a directory of the disk's own top, reached without following a link."""
    try:
        descriptor = os.open(name, HOLD_DIR, dir_fd=disk)
    except OSError as error:
        clause = "is missing on the disk" if error.errno == errno.ENOENT else "is not a directory of the disk"
        raise SetupFailed(f"/{name} {clause}") from error
    try:
        os.fchdir(descriptor)
        _mount(source, ".", kind, flags, data)
    finally:
        os.close(descriptor)


def _opened(disk: int, name: str) -> int:
    """What is mounted there now."""
    return os.open(name, HOLD_DIR, dir_fd=disk)


def _there(disk: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=disk, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_folder(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False


def _let_programs_run(path: str) -> None:
    """A rescue system mounts disks noexec, it may be: here, and only here, that does not count."""
    found = os.statvfs(path).f_flag
    if not found & (os.ST_NOEXEC | os.ST_NOSUID):
        return
    flags = _REMOUNT | _BIND
    for theirs, ours in ((os.ST_RDONLY, _RDONLY), (os.ST_NODEV, _NODEV)):
        flags |= ours if found & theirs else 0
    with contextlib.suppress(OSError):
        _mount("none", path, None, flags)


def _leave_for(base: str) -> None:
    """Make ``base`` the root of this namespace; the rescue system's tree is no longer in it."""
    os.chdir(base)
    try:
        _call("pivot_root", b".", b".")
        _call("umount2", b".", _DETACH)
    except OSError:  # we run from an initramfs, or in a chroot
        _mount(".", "/", None, _MOVE)
        os.chroot(".")
    os.chdir("/")


def _mount(source: str, place: str, kind: str | None, flags: int, data: str = "") -> None:
    try:
        _call(
            "mount",
            os.fsencode(source),
            os.fsencode(place),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        )
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"mount of {kind or source}") from error


# -- the rest of it


def _loopback_up() -> None:
    """The network is an empty one: what a maintainer script starts can listen to nobody."""
    siocgifflags, siocsifflags, up = 0x8913, 0x8914, 1
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        answer = fcntl.ioctl(plug, siocgifflags, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", answer)[1]
        fcntl.ioctl(plug, siocsifflags, struct.pack("16sH14x", b"lo", flags | up))


def _drop_capabilities() -> None:
    """From the keeper as well: the program has to hold no fewer than it, or could not see that it is in a
    chroot (/proc/1/root), which is what systemctl and ischroot ask."""
    for number in _CAPABILITIES.values():
        with contextlib.suppress(OSError):  # a kernel that does not know it
            _call("prctl", _CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    _call("capget", header, data)
    for number in _CAPABILITIES.values():
        word, bit = divmod(number, 32)
        for kind in range(3):
            data[word * 3 + kind] &= ~(1 << bit) & 0xFFFFFFFF
    _call("capset", header, data)


def _die_with_parent() -> None:
    _call("prctl", _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    """A function of libc; OSError where it answers with -1."""
    ctypes.set_errno(0)
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


__all__ = ["DeviceNode", "Entry", "enter"]
