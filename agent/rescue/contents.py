"""What a mounted filesystem is: a system's root, its /boot, or data. Whatever the distribution, and by looking
only: nothing here follows a link that leads out, since all goes through a Target."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.facts import boot, distro
from agent.rescue.model import Role
from agent.target import Kind, Stat, Target
from agent.target.detect import open_target
from agent.unknown import Unknown

# Any of these makes a directory with an /etc a system; links count, since what they lead to may be on /usr.
_INIT = (
    "/sbin/init",
    "/usr/sbin/init",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/bin/sh",
    "/usr/bin/sh",
    "/bin/busybox",
)
# Without them (a /usr of its own, an init that is gone) these files still are nobody else's.
_CONFIGURATION = ("/etc/fstab", "/etc/inittab", "/etc/os-release", "/etc/hostname", "/etc/shadow")
_SUBVOLUMES = ("@", "root", "@rootfs", "@root", "rootfs")  # Ubuntu and openSUSE, Fedora, Debian's installer
_SUBVOLUME = 256  # the inode number of a subvolume's root directory (BTRFS_FIRST_FREE_OBJECTID)
_NAMES = 100  # in the top directory of a btrfs
_BOOT = ("/grub/grub.cfg", "/grub2/grub.cfg", "/grub/menu.lst", "/loader/entries", "/extlinux.conf", "/syslinux.cfg")
_KERNELS = ("/vmlinuz*", "/vmlinux*", "/bzImage*", "/kernel-*", "/Image*")
_LOOKS_LIKE = (  # names in the top directory, and what such a filesystem is as a rule
    (("log", "lib", "spool"), "a /var"),
    (("bin", "lib", "share"), "a /usr"),
)


@dataclass(frozen=True)
class Contents:
    """``what`` is for people; ``subvolume`` what "subvol=" takes, "" for the one mounted by default."""

    role: Role
    what: str
    hostname: str = ""
    subvolume: str = ""


def look(directory: str) -> Contents:
    """What the filesystem mounted at a directory of this machine holds. AgentError where it can't be looked at."""
    target = open_target(directory)
    if is_root(target):
        return _root(target)
    if any(target.exists(path, follow=False) for path in _BOOT) or any(target.glob(kind) for kind in _KERNELS):
        return Contents(Role.BOOT, "kernels and boot menu")
    if target.is_dir("/EFI") or target.is_dir("/efi"):
        return Contents(Role.BOOT, "EFI system partition")
    for wanted, what in _LOOKS_LIKE:
        if all(target.is_dir(f"/{name}") for name in wanted):
            return Contents(Role.DATA, what)
    return Contents(Role.DATA, "data")


def look_in_subvolumes(directory: str) -> Contents | None:
    """The root in one of a btrfs' subvolumes, where its top (subvolid=5) is mounted; None when none has one."""
    top = open_target(directory)
    names = top.list("/")
    others = [] if isinstance(names, Unknown) else [name for name in names if name not in _SUBVOLUMES][:_NAMES]
    for name in (*_SUBVOLUMES, *others):
        found = top.stat(f"/{name}", follow=False)
        if not isinstance(found, Stat) or found.kind is not Kind.DIR or found.inode != _SUBVOLUME or "," in name:
            continue
        target = open_target(f"{directory}/{name}")
        if is_root(target):
            return replace(_root(target), subvolume=name)
    return None


def is_root(target: Target) -> bool:
    """Does a system live here: is there an /etc, and an init or what only a system's /etc holds?"""
    if not target.is_dir("/etc"):
        return False
    if any(target.exists(path, follow=False) for path in _INIT):
        return True
    return sum(target.exists(path, follow=False) for path in _CONFIGURATION) >= 2


def _root(target: Target) -> Contents:
    release, name = distro.read(target), boot.hostname(target)
    words = [release.name or "a system of unknown distribution"]
    host = "" if isinstance(name, Unknown) else name
    if host:
        words.append(f"host {host}")
    return Contents(Role.ROOT, ", ".join(words), host)
