"""The words of a fix: what it is called, which findings prove it, and how it plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Union

from agent.change.model import Plan
from agent.diagnosis.model import Finding
from agent.facts.facts import Facts


@dataclass(frozen=True)
class Request:
    """What a fix plans from. ``findings`` are the confirmed ones of the fix's own rules; empty only when the
    person insists with --force. ``choice`` is what was given as --flag=choice, ``name`` as --flag NAME."""

    facts: Facts
    findings: tuple[Finding, ...]
    choice: str = ""
    name: str = ""
    forced: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a fix does not act, and what the person can do instead. ``forceable``: --force may insist."""

    why: str
    hint: str = ""
    forceable: bool = False


Planned = Union[Plan, Refusal]


@dataclass(frozen=True)
class Fix:
    """One fix: a file in agent/fixes. ``plan`` reads facts and changes nothing.

    ``verify`` says what is still wrong after it was applied ("" when nothing is), from fresh facts. Without
    it, the fix is verified when none of its rules' findings is confirmed any more.
    """

    name: str  # --sendmail is "sendmail"
    help: str  # one line for `agent fix --help`
    rules: tuple[str, ...]  # ids of the rules whose confirmed finding is its proof
    plan: Callable[[Request], Planned]
    choices: tuple[str, ...] = ()  # of --flag=choice; the first word names what happens without one;
    # one in capitals ("ADDRESS[,ADDRESS]") stands for free text, and none of these happens by itself
    argument: str = ""  # metavar, when the flag takes a name: "NAME"
    verify: Callable[[Request], str] | None = None
    live_only: bool = False
    on_device: bool = False  # works on the unmounted disk itself, before anything in its tree
    after_change: bool = False  # a change made or undone in this boot is proof enough: it has to take effect
    own_proof: bool = False  # ``plan`` looks for the problem itself, and refuses without it
    lasts: tuple[tuple[str, float], ...] = ()  # choices that are undone by themselves after so many seconds, unless
    # the person says otherwise (--for)
    elsewhere: str = ""  # a hint, when it is live_only and was called for a mounted disk

    @property
    def flag(self) -> str:
        return f"--{self.name}"
