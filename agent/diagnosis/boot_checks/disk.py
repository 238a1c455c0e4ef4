"""Room on the disk, and what waits to be done at the next boot: a relabelling, a forced check, half packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.diagnosis.boot_checks import model
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.unknown import Unknown

_FORCED = ("/forcefsck", "/.unconfigured")


def checks(checked: Checked) -> Iterator[BootCheck]:
    held = checked.confirmed("disk space", "disk-full", "inodes-full")
    yield from held
    if not held:
        space = checked.target.space("/")
        if isinstance(space, Unknown) or not space.bytes_total:
            yield model.unknown("disk space", space.reason if isinstance(space, Unknown) else "its size is not told")
        else:
            yield model.ok("disk space", f"{space.bytes_available // (1024 * 1024)} MiB are available on /")
    yield from checked.confirmed("packages", "dpkg-interrupted", "rpmdb-broken")
    yield from _pending(checked)


def _pending(checked: Checked) -> Iterator[BootCheck]:
    if checked.target.exists("/.autorelabel", follow=False):
        why = "/.autorelabel: SELinux labels every file at the next boot, which takes minutes and boots once more"
        yield model.ok("pending", why)
    elif enforcing(checked):
        why = "SELinux is enforcing (/etc/selinux/config), and files that were written from outside have no label"
        fix = f"touch {checked.place}/.autorelabel"
        if not checked.target.live:
            yield model.doubt("pending", why, fix)
    for path in _FORCED:
        if checked.target.exists(path, follow=False):
            yield model.ok("pending", f"{path}: the next boot does more than usual first, and takes longer")


def enforcing(checked: Checked) -> bool:
    text = checked.target.text("/etc/selinux/config")
    found = re.findall(r"^\s*SELINUX\s*=\s*(\w+)", text, re.MULTILINE) if isinstance(text, str) else []
    off = checked.option("selinux") == "0" or checked.option("enforcing") == "0"
    return bool(found) and found[-1].lower() == "enforcing" and not off
