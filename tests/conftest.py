"""What every test may rely on, and the tables at the end of a run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# A run in a shell's background is started with Ctrl-C ignored, and hands that on to all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Recall and false alarms on the real logs, when these tests ran."""
    ran = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "test_real_logs" in report.nodeid
    ]
    if ran:
        from tests.rules.score import table

        terminalreporter.section("real logs: recall and false alarms")
        for line in table():
            terminalreporter.write_line(line)
