"""Block devices and the names by which fstab may call them."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class BlockDevice:
    """``names`` are all the ways to call it: /dev/sda, /dev/disk/by-uuid/..., UUID=..., LABEL=..."""

    path: str
    names: tuple[str, ...]
    type: str = ""  # filesystem type, "swap", "LVM2_member" ...
    size: int = 0  # bytes


def read(target: Target) -> Maybe[tuple[BlockDevice, ...]]:
    raise NotImplementedError


def find(devices: tuple[BlockDevice, ...], spec: str) -> BlockDevice | None:
    """The device that an fstab spec names; None when none does."""
    raise NotImplementedError
