"""Run a function in a forked child (which may chroot, drop its rights, unshare) and bring its answer back."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534


def in_child(work: Callable[[], object]) -> object:
    """The JSON-able result of ``work``, run in a child process that ends afterwards."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as stream:
                json.dump(work(), stream)
            status = 0
        except BaseException:  # noqa: BLE001 - a forked child must not run on into the tests
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child failed: {status}"
    return json.loads(answer)


def as_nobody() -> None:
    """Drop to an ordinary user, for good."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
