"""How a call's time grows with its input: the fewest seconds of several runs, so that a pause elsewhere counts once."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 0.01  # seconds; below it, a run says nothing


def grows_with_its_input(call: Callable[[int], object], small: int, large: int, runs: int = 3) -> bool:
    """Whether ``call(large)`` takes no more than three times its share of ``call(small)``.

    Only the processor's time of this process counts."""
    allowed = 3 * (large / small) * max(min(_seconds(call, small) for _ in range(runs)), LEAST)
    return any(_seconds(call, large) < allowed for _ in range(runs))


def _seconds(call: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    call(size)
    return time.process_time() - began
