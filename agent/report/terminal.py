"""What the terminal at hand can show, and a progress line that stays out of the way."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from types import TracebackType
from typing import TextIO

from agent.report.style import Style

PATIENCE = 1.0  # seconds before anything is said


def style(stream: TextIO, everything: bool = False) -> Style:
    """80 columns unless the terminal is narrower; colour only where it is sure to work.

    NO_COLOR (no-color.org), TERM=dumb or unknown, and anything that is no terminal mean no colour.
    """
    terminal = stream.isatty()
    columns = min(80, shutil.get_terminal_size((80, 24)).columns) if terminal else 80
    name = os.environ.get("TERM", "")
    colour = terminal and not os.environ.get("NO_COLOR") and name not in ("", "dumb", "unknown")
    encoding = (stream.encoding or "").lower().replace("-", "")
    return Style(max(columns, 40), colour, encoding == "utf8", everything)


class Progress:
    """Says on stderr what is being done once it takes longer than a second; silent without a terminal.

    A context manager: the line is wiped at the end. Calling it names the current step.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._step = ""
        self._shown = 0
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, step: str) -> None:
        with self._lock:
            self._step = step

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._write("")

    def _run(self) -> None:
        wait = PATIENCE
        while not self._done.wait(wait):
            wait = 0.25
            with self._lock:
                step = self._step
            self._write(f"... {step}"[:78])

    def _write(self, text: str) -> None:
        if text or self._shown:
            self._stream.write("\r" + text.ljust(self._shown) + ("" if text else "\r"))
            self._stream.flush()
            self._shown = len(text)
