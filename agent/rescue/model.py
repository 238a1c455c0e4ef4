"""The words of rescue mode: a disk and what it is for, the health of a filesystem, and what was repaired."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.facts.devices import BlockDevice
from agent.facts.filesystem import Check


class Role(Enum):
    """What a block device is for, as far as a rescue has to know."""

    ROOT = "root"  # a system lives on it
    BOOT = "boot"  # kernels and a boot loader's menu, without the rest
    DATA = "data"  # a filesystem with neither
    SWAP = "swap"
    RESCUE = "rescue"  # the medium that the rescue system itself runs from
    IN_USE = "in use"  # mounted, swapped to, or held by another device: left alone
    CONTAINER = "container"  # holds others: partitions, LVM, RAID, LUKS
    DAMAGED = "damaged"  # a filesystem that can't be mounted
    EMPTY = "empty"  # no signature that anybody knows


@dataclass(frozen=True)
class Disk:
    """One block device. ``what`` is for the table: "Debian GNU/Linux 12 (bookworm), host web".

    ``why`` says why it is left alone, or what to do to get at what it holds, in one clause; ``commands`` are
    those that do it (`vgchange -ay`). ``subvolume`` is the btrfs subvolume that the root is in, "" for none.
    """

    device: BlockDevice
    role: Role
    what: str = ""
    why: str = ""
    commands: tuple[str, ...] = ()
    subvolume: str = ""
    hostname: str = ""


@dataclass(frozen=True)
class Examined:
    """A disk with a root (or one that is too damaged to show whether it has one), and its check."""

    disk: Disk
    check: Check
