"""Enabling a service without systemd: OpenRC's runlevels, rcN.d links of SysV, overrides of Upstart."""

from __future__ import annotations

import re

from agent.change.model import Link, MakeFolder, Operation, Remove, WriteFile
from agent.facts.facts import Facts
from agent.facts.services import Init
from agent.target import Target
from agent.unknown import Unknown

LIMIT = 256 * 1024  # bytes
_LEVELS = "0123456"


def enable(facts: Facts, unit: str) -> tuple[Operation, ...]:
    """The operations that make the script of a unit's name start at boot; none when it does, or can't."""
    found = facts.unit(unit)
    if not found.present or found.starts_at_boot or not found.path:
        return ()
    stem = found.path.rsplit("/", 1)[1]
    if facts.init is Init.OPENRC:
        return _openrc(facts.target, stem, found.path)
    if facts.init is Init.UPSTART and found.path.endswith(".conf"):
        return _upstart(facts.target, stem[: -len(".conf")])
    if facts.init in (Init.SYSVINIT, Init.UPSTART):
        return _sysv(facts.target, stem, found.path)
    return ()


def _openrc(target: Target, stem: str, script: str, runlevel: str = "default") -> tuple[Operation, ...]:
    """rc-update(8): `rc-update add NAME default`."""
    folder = f"/etc/runlevels/{runlevel}"
    link = Link(f"{folder}/{stem}", script)
    return (link,) if target.is_dir(folder) else (MakeFolder(folder), link)


def _upstart(target: Target, stem: str) -> tuple[Operation, ...]:
    """init(5) of Upstart: "manual" in the override is what disables a job."""
    path = f"/etc/init/{stem}.override"
    job, override = target.text(f"/etc/init/{stem}.conf", LIMIT), target.read(path, LIMIT)
    if isinstance(override, Unknown) or isinstance(job, Unknown) or not re.search(r"^start\s+on\b", job, re.MULTILINE):
        return ()
    kept = b"".join(line for line in override.splitlines(keepends=True) if not re.match(rb"manual\s*(?:#|$)", line))
    return (WriteFile(path, kept),) if kept.strip() else (Remove(path),)


# -- SysV
def _sysv(target: Target, stem: str, script: str) -> tuple[Operation, ...]:
    """Start and stop links as chkconfig(8) makes them from its own header, else as update-rc.d(8) does from LSB's."""
    text = target.text(script, LIMIT)
    if isinstance(text, Unknown):
        return ()
    red_hat = re.search(r"^#\s*chkconfig:\s*([-0-6]+)\s+(\d{1,2})\s+(\d{1,2})", text, re.MULTILINE)
    if red_hat:
        start = "".join(re.findall(r"[0-6]", red_hat[1]))
        stop = "".join(level for level in _LEVELS if level not in start)
        numbers = (int(red_hat[2]), int(red_hat[3]))
    else:
        header = lsb(text)
        start = "".join(header.get("default-start", ["2", "3", "4", "5"]))
        stop = "".join(header.get("default-stop", []))
        number = _after(target, start, header.get("required-start", []) + header.get("should-start", []))
        numbers = (number, 1)
    operations: list[Operation] = []
    for level in _LEVELS + "S":
        if level in start or level in stop:
            operations += _level(target, level, stem, script, *numbers, start=level in start)
    return tuple(operations)


def lsb(text: str) -> dict[str, list[str]]:
    """The words of an init script's LSB header, by key in lower case."""
    block = re.search(r"^### BEGIN INIT INFO\s*$(.*?)^### END INIT INFO", text, re.MULTILINE | re.DOTALL)
    found: dict[str, list[str]] = {}
    for line in block[1].split("\n") if block else ():
        match = re.match(r"#\s*([\w-]+):\s*(.*)", line)
        if match:
            found[match[1].lower()] = match[2].split()
    return found


def _after(target: Target, levels: str, needed: list[str]) -> int:
    """The number that starts a script after those that it needs, as insserv(8) counts; 1 without any."""
    names = {name.lstrip("$+") for name in needed}
    numbers = [0]
    for level in levels + "S":
        for link in _listed(target, _folder(target, level)):
            match = re.fullmatch(r"S(\d\d)(.+)", link)
            if match and match[2] in names and (level != "S" or "S" in levels):
                numbers.append(int(match[1]))
    return min(max(numbers) + 1, 99)


def _folder(target: Target, level: str) -> str:
    for folder in (f"/etc/rc{level}.d", f"/etc/rc.d/rc{level}.d", f"/etc/init.d/rc{level}.d"):
        if target.is_dir(folder):
            return folder
    return ""


def _listed(target: Target, folder: str) -> tuple[str, ...]:
    names = target.list(folder) if folder else ()
    return () if isinstance(names, Unknown) else tuple(names)


def _level(
    target: Target, level: str, stem: str, script: str, first: int, last: int, *, start: bool
) -> tuple[Operation, ...]:
    folder = _folder(target, level)
    if not folder:
        return ()
    name = f"S{first:02}{stem}" if start else f"K{last:02}{stem}"
    there = [one for one in _listed(target, folder) if re.fullmatch(rf"[SK]\d\d{re.escape(stem)}", one)]
    if any(one[0] == name[0] for one in there):
        return ()
    steps = folder.count("/") - (2 if script.startswith("/etc/rc.d/") else 1)
    to = "../" * max(steps, 1) + script[len("/etc/rc.d/" if script.startswith("/etc/rc.d/") else "/etc/") :]
    return (*(Remove(f"{folder}/{one}") for one in there), Link(f"{folder}/{name}", to))
