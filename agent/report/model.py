"""One examined target, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.change.model import Change
from agent.diagnosis.model import Finding, Rung, Verdict
from agent.facts.diagnostics import Diagnostic
from agent.facts.distro import Distro
from agent.fixes.offers import Offers
from agent.logs.model import Unchecked
from agent.mtr.verdict import Judgement


@dataclass(frozen=True)
class Subject:
    """What was examined. Texts are empty where not known."""

    root: str
    mode: str  # live, offline, chroot
    rescue: bool
    hostname: str
    distro: Distro
    diagnostics: str  # name of the diagnostic set
    manager: str
    init: str
    kernel: str
    logs: tuple[str, ...] = ()  # --log files, when only these were looked at
    addresses: tuple[str, ...] = ()  # by which the world can reach it


@dataclass(frozen=True)
class Scan:
    """The result of `agent scan`."""

    subject: Subject
    verdict: Verdict
    rungs: tuple[Rung, ...]
    findings: tuple[Finding, ...]
    diagnostics: tuple[Diagnostic, ...]
    next_steps: tuple[tuple[str, ...], ...]  # steps of the set that change state: shown, never run
    unchecked: tuple[Unchecked, ...]
    sources: tuple[str, ...] = ()
    looked_at_target: bool = True
    offers: Offers = field(default_factory=Offers)  # the fixes that the findings prove
    interrupted: tuple[Change, ...] = ()  # earlier fixes that somebody's death left half done
    unconfirmed: tuple[Change, ...] = ()  # on probation: undone by themselves unless confirmed
    mtr: tuple[Judgement, ...] = ()  # the reports of --mtr
    mtr_means: str = ""  # how these and the host fit together
