"""Which disk a person means, and why it can't be the one."""

from __future__ import annotations

import os

from agent.errors import AgentError
from agent.facts import devices
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.rescue.disks import survey
from agent.rescue.model import Disk, Role
from agent.target import Kind, Stat
from agent.target.failures import shown
from agent.target.hold import DeviceBusy
from agent.unknown import Unknown

_LIST = "agent rescue lists the disks"


def chosen(facts: Facts, name: str) -> Disk:
    """The disk with a root that is meant: by a path, a link, UUID=..., LABEL=...; "" for the only one.

    ``facts`` are those of the running system. AgentError with a hint where there is none, or more than one.
    """
    if not name:
        return _only(survey(facts))
    device = named(facts, name)
    for disk in survey(facts, (device.path,)):
        if disk.role is Role.ROOT:
            return disk
        raise _refusal(disk)
    raise AgentError(f"{shown(device.path)} is no disk that holds a system", _LIST)


def damaged(device: BlockDevice, reason: str) -> AgentError:
    return AgentError(f"{device.path} ({device.type}): {reason}", f"agent fix --fsck --device {device.path}")


def _only(disks: tuple[Disk, ...]) -> Disk:
    roots = [disk for disk in disks if disk.role is Role.ROOT]
    if len(roots) == 1:
        return roots[0]
    if roots:
        listed = "; ".join(f"{disk.device.path} ({disk.what})" for disk in roots)
        raise AgentError(f"several disks hold a system: {listed}", "name the one that you mean")
    broken = [disk for disk in disks if disk.role is Role.DAMAGED]
    if broken:
        raise damaged(broken[0].device, broken[0].why)
    shut = [disk for disk in disks if disk.role is Role.CONTAINER and disk.commands]
    if shut:
        raise _refusal(shut[0])
    raise AgentError("no disk here holds a system", _LIST)


def named(facts: Facts, name: str) -> BlockDevice:
    """The device of that name, whatever is on it; AgentError with a hint where there is none, or several."""
    found = facts.devices
    if isinstance(found, Unknown):
        raise AgentError(f"the disks can't be listed: {found.reason}", "run it as root, in rescue mode itself")
    named = [device for device in found if devices.find((device,), name) is not None]
    if not named:
        named = _by_number(facts, name, found)
    if len(named) > 1:
        raise AgentError(
            f"{shown(name)} is the name of several disks: {', '.join(device.path for device in named)}",
            "name the one that you mean by its path",
        )
    if not named:
        raise AgentError(f"{shown(name)}: there is no such disk", _LIST)
    return named[0]


def _by_number(facts: Facts, name: str, found: tuple[BlockDevice, ...]) -> list[BlockDevice]:
    """A node or a link that nobody lists."""
    status = facts.target.stat(name) if name.startswith("/") else None
    if not isinstance(status, Stat):
        return []
    if status.kind is Kind.DIR:
        raise AgentError(f"{shown(name)} is a directory, not a disk", f"did you mean --root {shown(name)}?")
    if status.kind is Kind.FILE:
        raise AgentError(
            f"{shown(name)} is a file, not a disk",
            f"losetup --find --show {shown(name)} makes a disk of an image, and says how it is called",
        )
    number = f"{os.major(status.rdev)}:{os.minor(status.rdev)}"
    return [device for device in found if status.kind is Kind.BLOCK and device.number == number]


def _refusal(disk: Disk) -> AgentError:
    path = disk.device.path
    if disk.role is Role.DAMAGED:
        return damaged(disk.device, disk.why)
    if disk.role is Role.IN_USE:
        if disk.why.startswith("is mounted on / ") or disk.why == "is mounted on /":
            return AgentError(f"{path} is mounted at /: it is the running system's own root", "leave --device out")
        return DeviceBusy(path, disk.why)
    why = f": {disk.why}" if disk.why else ""
    if disk.role is Role.CONTAINER:
        hint = " && ".join(disk.commands) if disk.commands else "name what is on it"
        return AgentError(f"{path} holds {disk.what}{why}", hint)
    return AgentError(f"{path} holds no system ({disk.what}{why})", _LIST)
