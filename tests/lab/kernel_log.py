"""Kernel messages for a host that shares its kernel with this machine, and so has none of its own.

A container's journal never holds what a virtual machine's kernel would have said. Those lines are
written here in journald's own format, by systemd-journal-remote, as entries of the boot that runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.root import Root

_WRITERS = ("/usr/lib/systemd/systemd-journal-remote", "/lib/systemd/systemd-journal-remote")

# What journald before version 252 can read too.
_PLAIN = {"SYSTEMD_JOURNAL_COMPACT": "0", "SYSTEMD_JOURNAL_KEYED_HASH": "0"}


def writer() -> str | None:
    """The program that writes journals, None where it is not installed."""
    return next((path for path in _WRITERS if Path(path).exists()), shutil.which("systemd-journal-remote"))


def add(root: Root, boot_id: str, lines: Sequence[str]) -> None:
    """Adds the lines to the host's persistent journal, as said by the kernel in that boot."""
    machine_id = root.read("/etc/machine-id").strip()
    program = writer()
    if program is None:
        raise FileNotFoundError("systemd-journal-remote is not installed")
    now = time.time_ns() // 1000
    entries = "".join(_entry(now + number, boot_id, machine_id, line) for number, line in enumerate(lines))
    place = root.at(f"/var/log/journal/{machine_id}/system@kernel.journal")
    command = [program, "-o", str(place), "-"]
    subprocess.run(command, env={**os.environ, **_PLAIN}, input=entries.encode(), capture_output=True, check=True)


def _entry(microseconds: int, boot_id: str, machine_id: str, line: str) -> str:
    """One entry of the journal export format (systemd's JOURNAL_EXPORT_FORMATS)."""
    fields = {
        "__REALTIME_TIMESTAMP": microseconds,
        "__MONOTONIC_TIMESTAMP": 1_000_000,
        "_BOOT_ID": boot_id,
        "_MACHINE_ID": machine_id,
        "_HOSTNAME": "host",
        "_TRANSPORT": "kernel",
        "_SOURCE_MONOTONIC_TIMESTAMP": 1_000_000,
        "SYSLOG_FACILITY": 0,
        "SYSLOG_IDENTIFIER": "kernel",
        "PRIORITY": 6,
        "MESSAGE": line,
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()) + "\n"
