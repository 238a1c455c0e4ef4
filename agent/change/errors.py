"""Why a change is not made, or not taken back."""

from __future__ import annotations

from agent.errors import AgentError


class ChangeRefused(AgentError):
    """Nothing was touched. ``differences`` are the lines that show what was edited since."""

    def __init__(self, message: str, hint: str = "", differences: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.differences = differences


class RollbackFailed(AgentError):
    """Something was touched and could not all be put back now; the change stays on record, to be undone."""
