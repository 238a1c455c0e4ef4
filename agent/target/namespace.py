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
import fcntl
import os
import resource
import select
import signal
import socket
import stat
import struct
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass

from agent.target import resolver
from agent.target.furniture import DeviceNode, RunFile, SetupFailed, furnish, let_programs_run
from agent.target.libc import (
    BIND,
    DETACH,
    MOVE,
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUTS,
    NODEV,
    NOSUID,
    PRIVATE,
    REC,
    call,
    mount,
)
from agent.target.walk import HOLD_DIR

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
# with the machine's own network: it is there to be used (apt), and what reaches us through it shall go on doing so
_NETWORK_CAPABILITIES = {"NET_ADMIN": 12}
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h, two words of 32 bits each

_BASES = ("/tmp", "/mnt", "/media", "/usr")  # one that is there is covered by our tmpfs; only we see it
_UNLOCK, _NUMBER = 0x40045431, 0x80045430  # TIOCSPTLCK, TIOCGPTN: asm-generic/ioctls.h
_REAP = 0.02  # seconds between looks whether what is left has ended


@dataclass(frozen=True)
class Stay:
    """How a place differs from that of a fix's program.

    ``read_only``: nothing can be written to the disk, and its device is not there. For a person who works in
    the place: ``network``: the machine's own, to use and not to change, instead of an empty one. ``resolver``: lent as
    /etc/resolv.conf. ``hostname``: the disk's own. ``files``: below /run. ``mercy``: seconds that what is left
    running gets to end by itself (SIGTERM) when the program has ended.
    """

    read_only: bool = False
    network: bool = False
    resolver: bytes = b""
    hostname: str = ""
    files: tuple[RunFile, ...] = ()
    mercy: float = 0.0


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
    stay: Stay = Stay()
    terminal: int = -1  # a socket: the program gets a terminal of its own there, and its master goes through it


def enter(entry: Entry) -> None:
    """Run in a forked child: returns in the process that shall become the program, and only there."""
    try:
        _become_guard(entry)
        keeper = os.fork()
        if keeper:
            _guard(keeper, entry)
        _prepare(entry)
        terminal = _make_terminal(entry.terminal) if entry.terminal >= 0 else ""
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        program = os.fork()
        if program:
            _keep(program, wake, waker, entry)
        _become_program(terminal)
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
        call("unshare", NEWNS | NEWPID | NEWIPC | NEWUTS | (0 if entry.stay.network else NEWNET))
    except OSError as error:
        raise SetupFailed(f"namespaces are not to be had here ({error.strerror})") from error


def _guard(keeper: int, entry: Entry) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the group is asked to end: that is for the program
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
                    _let_end(entry)
                    os._exit(0)


def _let_end(entry: Entry) -> None:
    """What the program left running (a database, it may be) is asked to end before it is killed."""
    deadline = time.monotonic() + entry.stay.mercy
    if not entry.stay.mercy:
        return
    with contextlib.suppress(OSError):  # there is nobody left: -1 is all but ourselves
        os.kill(-1, signal.SIGTERM)
        os.kill(-1, signal.SIGCONT)
        while time.monotonic() < deadline:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            if select.select([entry.life], [], [], _REAP)[0]:
                return


def _make_terminal(to: int) -> str:
    """A terminal in the place's own devpts: the path of its one end, whose other goes to our parents.

    The program gets that, not theirs: else it could type commands to the shell that it was called from
    (TIOCSTI, ioctl_tty(2)), and tty(1) would find no name for it.
    """
    master = os.open("/disk/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _UNLOCK, struct.pack("i", 0))
    number = struct.unpack("I", fcntl.ioctl(master, _NUMBER, bytes(4)))[0]
    with socket.socket(fileno=to) as channel:
        socket.send_fds(channel, [b"master"], [master])
    os.close(master)
    return f"/dev/pts/{number}"


def _become_program(terminal: str) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    os.chroot("/disk")
    os.chdir("/")
    os.umask(0o022)
    if terminal:
        os.setsid()
        end = os.open(terminal, os.O_RDWR)
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)
        for descriptor in (0, 1, 2):
            os.dup2(end, descriptor)
        os.close(end)
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
    mount("none", "/", None, REC | PRIVATE)
    base = next((path for path in _BASES if _is_folder(path)), None)
    if base is None:
        raise SetupFailed(f"none of {', '.join(_BASES)} is there")
    # "." is the disk: it has to be bound before its path may be covered.
    mount("tmpfs", base, "tmpfs", NOSUID | NODEV, "mode=0755,size=256k")
    os.mkdir(f"{base}/disk", 0o755)
    mount(".", f"{base}/disk", None, BIND | REC)
    let_programs_run(f"{base}/disk", entry.stay.read_only)
    disk = os.open(f"{base}/disk", HOLD_DIR)
    furnish(disk, () if entry.stay.read_only else entry.devices, entry.stay.files)
    os.close(disk)
    _leave_for(base)
    _settle(entry)


def _settle(entry: Entry) -> None:
    """Names and network, and the rights that are left."""
    stay = entry.stay
    if stay.hostname:
        socket.sethostname(stay.hostname)
    if stay.resolver:
        with open("/resolv.conf", "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(stay.resolver)
        if not resolver.lend("/disk", "/resolv.conf"):
            _report(entry, "unlent")
    if stay.network:
        _drop_capabilities({**_CAPABILITIES, **_NETWORK_CAPABILITIES})
    else:
        _loopback_up()
        _drop_capabilities(_CAPABILITIES)


def _is_folder(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False


def _leave_for(base: str) -> None:
    """Make ``base`` the root of this namespace; the rescue system's tree is no longer in it."""
    os.chdir(base)
    try:
        call("pivot_root", b".", b".")
        call("umount2", b".", DETACH)
    except OSError:  # we run from an initramfs, or in a chroot
        mount(".", "/", None, MOVE)
        os.chroot(".")
    os.chdir("/")


# -- the rest of it


def _loopback_up() -> None:
    """The network is an empty one: what a maintainer script starts can listen to nobody."""
    siocgifflags, siocsifflags, up = 0x8913, 0x8914, 1
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        answer = fcntl.ioctl(plug, siocgifflags, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", answer)[1]
        fcntl.ioctl(plug, siocsifflags, struct.pack("16sH14x", b"lo", flags | up))


def _drop_capabilities(dropped: Mapping[str, int]) -> None:
    """From the keeper as well: the program has to hold no fewer than it, or could not see that it is in a
    chroot (/proc/1/root), which is what systemctl and ischroot ask."""
    for number in dropped.values():
        with contextlib.suppress(OSError):  # a kernel that does not know it
            call("prctl", _CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    call("capget", header, data)
    for number in dropped.values():
        word, bit = divmod(number, 32)
        for kind in range(3):
            data[word * 3 + kind] &= ~(1 << bit) & 0xFFFFFFFF
    call("capset", header, data)


def _die_with_parent() -> None:
    call("prctl", _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


__all__ = ["DeviceNode", "Entry", "Stay", "enter"]
