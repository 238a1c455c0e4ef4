"""Files that changed, in a few lines: what lies together and changed together is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.diagnosis.happening import WIDTH, Happening, clip, listed, plain
from agent.facts.recent_files import Change, Copy, RecentFile

TOGETHER = 120.0  # seconds


def of_files(
    files: Sequence[RecentFile],
    copies: Sequence[Copy],
    starting: Sequence[tuple[float, float]],
    broke: float = float("inf"),
) -> Iterator[Happening]:
    """``files`` newest first. ``starting`` are the times (from, to) in which the host was coming up:
    what changed then is said to, for nobody may have typed it. ``broke``: what changed from then on is a
    repair, or hides under its time what was done before."""
    for copy in copies:
        what = "the disk was set up, restored or copied: most of /etc is of that time"
        yield Happening(copy.ended, clip(what), "config", "/etc", 0)
    groups: list[list[RecentFile]] = []
    latest: dict[tuple[object, ...], list[RecentFile]] = {}
    for file in files:
        place = _place(file.path) if file.telling else ""
        key = (file.change, file.kernel, file.telling, place, file.time >= broke)
        group = latest.get(key)
        if group is None or group[-1].time - file.time > TOGETHER:
            group = latest[key] = []
            groups.append(group)
        group.append(file)
    for group in groups:
        yield _one(group, starting, broke)


def _place(path: str) -> str:
    """/etc/ssh of /etc/ssh/sshd_config; /etc of /etc/fstab."""
    parts = path.split("/")
    return "/".join(parts[:3]) if len(parts) > 3 else "/".join(parts[:2])


def _one(group: Sequence[RecentFile], starting: Sequence[tuple[float, float]], broke: float) -> Happening:
    newest = group[0]
    suffix = f" {newest.change.value}"
    if newest.change in (Change.REMOVED, Change.MODE):
        suffix = f": {newest.change.value}"
    at_boot = any(first <= newest.time <= last for first, last in starting)
    if newest.time >= broke:
        suffix += " (after it broke)"
    elif at_boot:
        suffix += " (at boot)"
    names = sorted(file.path for file in group)
    what = f"{_names(names, WIDTH - len(suffix))}{suffix}"
    rank = 3 if newest.time >= broke else (0 if newest.telling else 1) + (1 if at_boot else 0)
    return Happening(newest.time, clip(what), "kernel" if newest.kernel else "config", plain(names[0]), rank)


def _names(paths: Sequence[str], room: int) -> str:
    """Whole paths where they fit; else the folder once, and the names in it."""
    if len(paths) == 1:
        path = plain(paths[0])
        return path if len(path) <= room else "..." + path[len(path) - room + 3 :]
    text = listed(paths, room)
    if " more" not in text:
        return text
    folder = _place(paths[0])
    if all(_place(path) == folder for path in paths) and folder != "/etc":
        return f"{len(paths)} files in {folder}"
    return text
