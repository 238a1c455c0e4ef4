"""Where the target is: this host, a mounted root (--root), or a disk that we mount ourselves (--device)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.target import Target


def add_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup, verb: str) -> None:
    """--root and --device. ``verb`` ends "a mounted root to ...": "examine"."""
    parser.add_argument("--root", metavar="DIR", default="/", help=f"a mounted root to {verb}, not this host")
    parser.add_argument(
        "--device",
        metavar="DISK",
        default="",
        help=f"a disk to {verb} that is not mounted: /dev/sda; mounted and unmounted for you",
    )


@contextlib.contextmanager
def opened(options: argparse.Namespace, writable: bool = False) -> Iterator[Target]:
    """The target that the options name; a disk is mounted for as long as it is looked at, where only we see it.

    AgentError with a hint when it can't be opened. A disk is mounted read-only, without replaying its journal,
    unless ``writable``.
    """
    if not options.device:
        from agent.target.detect import open_target

        if options.root.startswith("/dev/"):
            raise UsageError(f"--root {options.root}: a disk is no directory", f"did you mean --device {options.root}?")
        yield open_target(options.root)
        return
    if options.root != "/":
        raise UsageError("--root and --device exclude each other", "--device mounts the disk by itself")
    from agent.rescue import tree

    with tree.opened(options.device, writable=writable) as target:
        yield target
