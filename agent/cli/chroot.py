"""agent rescue --chroot DEVICE [COMMAND ...]: a shell, or one command, inside of a disk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence

from agent.errors import UsageError
from agent.report.harmless import harmless


def run_chroot(device: str, command: Sequence[str]) -> int:
    """Exit status: that of the command, or of the shell; 128 and the signal's number when one ended it.

    ``device`` is a disk that is not mounted; a directory stands for a root that is mounted there. Errors are
    AgentErrors with a hint. Whatever ends it, nothing is left mounted or running.
    """
    from agent.rescue import chroot
    from agent.target.attend import Ended, orderly_end
    from agent.target.detect import open_target

    refusal = chroot.in_chroot_refusal(open_target("/"))
    if refusal is not None:
        raise refusal
    try:
        with orderly_end():
            status = _visit(device, command)
    except Ended as ended:
        status = -ended.number
    except KeyboardInterrupt:
        status = -signal.SIGINT
    _say(_farewell(device, bool(command)))
    return status if status >= 0 else 128 - status


def _visit(device: str, command: Sequence[str]) -> int:
    from agent.rescue import chroot
    from agent.target import Mode
    from agent.target.detect import open_target

    if not os.path.isdir(device):
        from agent.rescue import tree

        with tree.opened(device, writable=True) as target:
            return chroot.visit(target, command, _say).exit
    target = open_target(device)
    if target.mode is not Mode.OFFLINE:
        raise UsageError(f"{device} is this host's own root", "name a disk that is not mounted: /dev/sda")
    return chroot.visit(target, command, _say).exit


def _farewell(device: str, short: bool) -> Iterator[str]:
    mounted = os.path.isdir(device)
    where = f"--root {device}" if mounted else f"--device {device}"
    yield f"left {device}; " + ("it is mounted as it was before" if mounted else "everything is unmounted")
    if not short:
        yield f"What is still wrong there: agent scan {where}"
        yield "Nothing more? Boot the host from it: Cloud Manager, Reboot (out of rescue mode)."


def _say(lines: Iterable[str]) -> None:
    """To standard error: what the command says is all that standard output holds."""
    try:
        print("\n".join(harmless(line) for line in lines), file=sys.stderr, flush=True)
    except OSError:  # the terminal was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


__all__ = ["run_chroot"]
