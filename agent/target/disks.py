"""Block devices of the machine we run on, and every name by which fstab may call them.

From sysfs, udev's database and links, and (where programs may run) lsblk and blkid, which also look into
the device itself. Each source alone leaves something out: udev may not run, lsblk may be too old, blkid
wants root.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.target import command, loop
from agent.target.model import Output

Record = dict[str, object]

SYSFS = "/sys/class/block"
UDEV = "/run/udev/data"
DEV = "/dev"
_LINKS = (
    "by-uuid",
    "by-label",
    "by-partuuid",
    "by-partlabel",
    "by-id",
    "by-path",
    "by-diskseq",
    "by-designator",
)
_SECTOR = 512  # bytes; the unit of sysfs's size, whatever the device's own sector is
_TIMEOUT = 5.0  # seconds; a floppy drive that is not there keeps blkid waiting
_LIMIT = 1024 * 1024  # bytes
_UDEV_KEYS = {
    "ID_FS_TYPE": "type",
    "ID_FS_UUID_ENC": "uuid",
    "ID_FS_LABEL_ENC": "label",
    "ID_PART_ENTRY_UUID": "partuuid",
    "ID_PART_ENTRY_NAME": "partlabel",
}
_LSBLK_KEYS = {
    "fstype": "type",
    "uuid": "uuid",
    "label": "label",
    "partuuid": "partuuid",
    "partlabel": "partlabel",
    "type": "kind",
}
_BLKID_KEYS = {
    "TYPE": "type",
    "UUID": "uuid",
    "LABEL": "label",
    "PARTUUID": "partuuid",
    "PARTLABEL": "partlabel",
}
_TAGS = (("uuid", "UUID"), ("label", "LABEL"), ("partuuid", "PARTUUID"), ("partlabel", "PARTLABEL"))


@dataclass
class _Device:
    """A device while its record is gathered. ``known`` has a value's first source; later ones fill gaps."""

    kernel_name: str
    path: str
    number: str  # major:minor
    size: int
    kind: str  # disk, part, rom, loop, lvm, crypt, raid1 ... (lsblk's TYPE)
    read_only: bool
    names: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)

    def learn(self, values: Mapping[str, object], keys: Mapping[str, str]) -> None:
        for theirs, ours in keys.items():
            value = values.get(theirs)
            if isinstance(value, str) and value:
                self.known.setdefault(ours, value)


def devices(programs: bool = True) -> list[Record]:
    """Records {path, names, type, uuid, label, partuuid, partlabel, size, kind, read_only, number}.

    ``names`` has the node, all links to it and its tags (UUID=..., LABEL=..., as fstab writes them);
    ``size`` is in bytes. Only devices with a node: without one nothing can be mounted. RAM disks and
    unused loop devices are left out, and so are those on top of another device: they show that one's content
    again, UUID and all. ``programs``: lsblk and blkid may be run.
    """
    found = {device.number: device for device in _from_sysfs()}
    for device in found.values():
        _from_udev(device)
    _from_links(found)
    if programs:
        _from_lsblk(found)
        if any("type" not in device.known for device in found.values()):
            _from_blkid(found)
    return [_record(device) for device in found.values()]


def _record(device: _Device) -> Record:
    values = {key: device.known.get(key, "") for key in ("type", "uuid", "label", "partuuid", "partlabel")}
    names = set(device.names)
    names |= {f"{tag}={values[key]}" for key, tag in _TAGS if values[key]}
    return {
        "path": device.path,
        "names": [device.path, *sorted(names - {device.path})],
        **values,
        "size": device.size,
        "kind": device.known.get("kind", device.kind),
        "read_only": device.read_only,
        "number": device.number,
    }


def _from_sysfs() -> list[_Device]:
    found = []
    doubles = {name for name, _ in loop.attached() if _line(f"{SYSFS}/{name}/loop/offset") in ("", "0")}
    for name in sorted(os.listdir(SYSFS)):
        if name in doubles:
            continue
        folder = f"{SYSFS}/{name}"
        number, size = _line(f"{folder}/dev"), _line(f"{folder}/size")
        length = int(size) * _SECTOR if size.isdecimal() else 0
        if re.match(r"(ram|zram|loop|nbd|fd)\d+$", name) and (length == 0 or name.startswith("ram")):
            continue
        path = f"{DEV}/{name.replace('!', '/')}"  # sysfs writes a slash in a name as an exclamation mark
        if not _is_node(path, number):
            continue
        device = _Device(name, path, number, length, _kind(folder, name), _line(f"{folder}/ro") == "1")
        device.names.add(path)
        mapped = _line(f"{folder}/dm/name")
        if mapped:
            device.names.add(f"{DEV}/mapper/{mapped}")
            device.path = f"{DEV}/mapper/{mapped}" if os.path.exists(f"{DEV}/mapper/{mapped}") else path
        found.append(device)
    return found


def _kind(folder: str, name: str) -> str:
    if os.path.exists(f"{folder}/partition"):
        return "part"
    mapper = _line(f"{folder}/dm/uuid").partition("-")[0].lower()
    if mapper:
        return mapper
    if name.startswith("sr"):
        return "rom"
    if name.startswith("md"):
        return _line(f"{folder}/md/level") or "md"
    return "loop" if name.startswith("loop") else "disk"


def _is_node(path: str, number: str) -> bool:
    """Is there a node of that number? A container sees the host's devices in sysfs, but can't reach them."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    own = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return stat.S_ISBLK(status.st_mode) and own == number


def _from_udev(device: _Device) -> None:
    """udev's database: a text file a device, with E: for properties and S: for links below /dev."""
    properties: dict[str, str] = {}
    for line in _text(f"{UDEV}/b{device.number}").split("\n"):
        if line.startswith("E:"):
            key, _, value = line[2:].partition("=")
            properties[key] = _decoded(value)
        elif line.startswith("S:"):
            device.names.add(f"{DEV}/{line[2:]}")
    device.learn(properties, _UDEV_KEYS)


def _from_links(found: Mapping[str, _Device]) -> None:
    """The links below /dev, which a bind of /dev carries into a chroot where udev's database is not."""
    folders = [f"{DEV}/disk/{folder}" for folder in _LINKS] + [f"{DEV}/mapper"]
    with contextlib.suppress(OSError):  # volume groups: /dev/GROUP/VOLUME
        folders += [entry.path for entry in os.scandir(DEV) if entry.is_dir(follow_symlinks=False)]
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            try:
                status = os.stat(path)
            except OSError:
                continue
            device = found.get(f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")
            if device is None or not stat.S_ISBLK(status.st_mode):
                continue
            device.names.add(path)
            kind = os.path.basename(folder).partition("-")[2]
            if kind in ("uuid", "label", "partuuid", "partlabel"):
                device.known.setdefault(kind, _decoded(name))


def _from_lsblk(found: Mapping[str, _Device]) -> None:
    columns = "NAME,MAJ:MIN,TYPE,FSTYPE,UUID,LABEL,PARTUUID,PARTLABEL"
    output = command.run(("lsblk", "-J", "-b", "-a", "-o", columns), _TIMEOUT, _LIMIT)
    if not isinstance(output, Output):
        return
    try:
        todo = list(json.loads(output.stdout)["blockdevices"])
    except (ValueError, KeyError, TypeError):  # util-linux before 2.27 knows no -J
        return
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            device = found.get(str(one.get("maj:min", "")).strip())
            if device is not None:
                device.learn(one, _LSBLK_KEYS)
            children = one.get("children")
            todo += children if isinstance(children, list) else []


def _from_blkid(found: Mapping[str, _Device]) -> None:
    # -c /dev/null: neither believe nor write blkid's cache
    output = command.run(("blkid", "-c", "/dev/null", "-o", "export"), _TIMEOUT, _LIMIT)
    if not isinstance(output, Output):
        return
    by_name = {name: device for device in found.values() for name in device.names}
    for paragraph in output.stdout.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in paragraph.split("\n") if "=" in line)
        device = by_name.get(values.pop("DEVNAME", ""))
        if device is not None:
            device.learn({key: _unquoted(value) for key, value in values.items()}, _BLKID_KEYS)


def _decoded(text: str) -> str:
    r"""udev writes what is not safe in a name as \x20; shown as bytes of UTF-8."""
    if "\\x" not in text:
        return text
    raw = re.sub(
        rb"\\x([0-9a-fA-F]{2})",
        lambda match: bytes.fromhex(match[1].decode()),
        text.encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "replace")


def _unquoted(text: str) -> str:
    """blkid's export escapes for a shell with backslashes."""
    return re.sub(r"\\(.)", r"\1", text)


def _line(path: str) -> str:
    return _text(path).strip()


def _text(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
