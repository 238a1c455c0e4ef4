"""The errors that reach a person: what went wrong, and what to do next."""

from __future__ import annotations


class AgentError(Exception):
    """A failure that the user can act on.

    ``hint`` says what to do; it is printed on a line of its own.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AgentError):
    """The command line, or a file named on it, is wrong (exit status 2)."""


class CannotLook(AgentError):
    """The target can't be examined at all (exit status 3)."""
