"""What the kernel logs about one block device while something is tried with it (/dev/kmsg).

mount(2) gives a number, and nearly every broken filesystem gets the same; the reason is in the kernel's log.
Lines that programs wrote there are left out: anybody with root could have named the device.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from agent.target.failures import shown

KMSG = "/dev/kmsg"
_RECORD = 8192  # bytes; more than the kernel puts into one
_RECORDS = 2000
_WARNING = 4  # syslog(2): up to this severity something is wrong


class Messages:
    """Those since the beginning; none where the log is not to be had (``readable`` is False then)."""

    def __init__(self, descriptor: int, device: str) -> None:
        self._descriptor = descriptor
        # "EXT4-fs (sda): ", "EXT4-fs error (device sda): ", "BTRFS error (device sda state E): "
        self._start = re.compile(rf"[A-Za-z0-9-]+[^(:]{{0,40}}\((?:device )?{re.escape(device)}(?: [^)]{{0,40}})?\): ?")
        self._found: list[tuple[int, str]] = []

    @property
    def readable(self) -> bool:
        return self._descriptor >= 0

    def all(self) -> tuple[str, ...]:
        self._read()
        return tuple(text for _, text in self._found)

    def worst(self, count: int) -> tuple[str, ...]:
        """The first ``count`` of the warnings and errors, without the name of driver and device."""
        self._read()
        return tuple(dict.fromkeys(text for severity, text in self._found if severity <= _WARNING))[:count]

    def _read(self) -> None:
        for _ in range(_RECORDS if self._descriptor >= 0 else 0):
            try:
                record = os.read(self._descriptor, _RECORD).decode("utf-8", "replace")
            except BrokenPipeError:  # overtaken by newer ones
                continue
            except OSError:
                return
            self._take(record)

    def _take(self, record: str) -> None:
        head, _, rest = record.partition(";")
        text = rest.split("\n")[0]
        priority = head.split(",")[0]
        start = self._start.match(text)
        if priority.isdecimal() and int(priority) < 8 and start is not None:  # facility 0: the kernel
            self._found.append((int(priority) & 7, shown(text[start.end() :].strip())[:300]))


@contextlib.contextmanager
def of_device(device: str) -> Iterator[Messages]:
    """The kernel's messages about a device (by its kernel name: sda) from now on."""
    try:
        descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        descriptor = -1
    try:
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.lseek(descriptor, 0, os.SEEK_END)
        yield Messages(descriptor, device)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
