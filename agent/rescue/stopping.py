"""What stops a repair: Ctrl-C and SIGTERM once, SIGHUP never; and a while in which nothing does."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Callable


class Killed(BaseException):
    """SIGTERM came: met like Ctrl-C."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM puts all back, as Ctrl-C does, and a second one of either changes nothing; a console that closes
    (SIGHUP) stops nothing half-way."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Killed

    with _handlers({signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: signal.SIG_IGN}):
        yield


@contextlib.contextmanager
def unstoppable() -> Iterator[None]:
    """What puts things back is not stopped."""
    with _handlers(dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN)):
        yield


@contextlib.contextmanager
def _handlers(
    wanted: dict[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers],
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
