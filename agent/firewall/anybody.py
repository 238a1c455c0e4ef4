"""Packets from anybody: what becomes of one that may come from anywhere in the world.

Five public addresses of five regions stand for the world: what rules say of all of them, they say of it. (Addresses for
documentation would not do: lists of bogons drop them.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from agent.firewall import evaluate
from agent.firewall.host import Host
from agent.firewall.model import Ruleset
from agent.firewall.packet import Question, packet
from agent.firewall.result import Place, Result, Verdict

ANYBODY = {
    4: ("24.48.0.37", "81.2.69.142", "126.10.20.30", "177.20.30.40", "105.16.20.30"),
    6: ("2600:8800::37", "2a02:8100::42", "2400:4050::30", "2804:14c::40", "2c0f:f248::30"),
}
BLOCKED = frozenset((Verdict.DROP, Verdict.REJECT))

# Rules that let so much through in a time: whoever keeps below gets in.
_RATE = re.compile(r"\b(?:hashlimit|connlimit|recent|limit:? |limit rate|ct count|meter |quota|(?:add|update) @)|#conn")


class Answer(Enum):
    """What becomes of a packet from anybody."""

    OPEN = "open"
    BLOCKED = "blocked"
    NO_REPLY = "no reply"  # it gets in, its answer does not get out
    SOME = "some"  # depends on where it comes from
    RATED = "rated"  # up to so many in a time
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Path:
    """One question and its answer. ``shown`` is the result that says most; ``allowed`` one that got through, or may,
    where others did not."""

    what: str  # "ssh (tcp 22)"
    question: Question
    answer: Answer
    shown: Result
    allowed: Result | None = None

    @property
    def place(self) -> Place | None:
        return self.shown.place


def path(what: str, question: Question, ruleset: Ruleset, host: Host) -> Path:
    """A packet in, and its answer back; from anybody where the question names no sender."""
    if question.source is not None:
        found = _settled(evaluate.inbound_and_back(ruleset, packet(question, host), host))
        return Path(what, question, answer([found]), found)
    asked = [packet(replace(question, source=source), host) for source in ANYBODY[question.family]]
    results = [_settled(evaluate.inbound_and_back(ruleset, one, host)) for one in asked]
    of_all = answer(results)
    shown = next((one for one in results if one.verdict in BLOCKED), results[0])
    allowed = next((one for one in results if one.verdict is Verdict.ACCEPT), None)
    if of_all is Answer.BLOCKED:
        whole = evaluate.inbound_and_back(ruleset, packet(question, host), host)
        allowed = whole if Verdict.ACCEPT in whole.possible else None
    if of_all in (Answer.UNKNOWN, Answer.RATED):
        shown = next((one for one in results if one.verdict is Verdict.UNKNOWN), shown)
    return Path(what, question, of_all, shown, allowed)


def answer(results: Sequence[Result]) -> Answer:
    """One answer of several results."""
    verdicts = {one.verdict for one in results}
    if verdicts == {Verdict.ACCEPT}:
        return Answer.OPEN
    if verdicts <= BLOCKED:
        return Answer.NO_REPLY if all(one.reply for one in results) else Answer.BLOCKED
    doubts = [one for one in results if one.verdict is Verdict.UNKNOWN]
    if doubts and all(_is_rated(one) for one in doubts):
        return Answer.RATED
    return Answer.UNKNOWN if doubts else Answer.SOME


def _settled(result: Result) -> Result:
    """Whether it is dropped or rejected may hang on what nobody knows: it is stopped all the same."""
    if result.verdict is Verdict.UNKNOWN and result.possible and result.possible <= BLOCKED:
        return replace(result, verdict=Verdict.DROP)
    return result


def _is_rated(result: Result) -> bool:
    return Verdict.ACCEPT in result.possible and result.place is not None and bool(_RATE.search(result.place.text))
