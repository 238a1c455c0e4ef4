"""What `agent firewall` says: does the packet get in, which rule decides, the way there, and what opens it.

A serial console shows 24 lines: what matters most of one packet fits on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.firewall.anybody import Answer, Path
from agent.firewall.opening import Opening
from agent.firewall.packet import Question
from agent.firewall.reading import Reading
from agent.firewall.result import Place, Result, Step, Verdict
from agent.report.harmless import cut
from agent.report.style import BOLD, GREEN, RED, YELLOW, Style, commands, labelled, wrap

CLOUD = (
    "nothing here stops it: if it does not arrive, look at Cloud Firewall, which is outside and can't be seen from here"
)
_WORDS = {
    Answer.OPEN: ("accept", GREEN),
    Answer.RATED: ("accept", GREEN),
    Answer.SOME: ("drop", RED),
    Answer.UNKNOWN: ("unknown", YELLOW),
}
_DONE = {Verdict.DROP: "dropped", Verdict.REJECT: "rejected", Verdict.ACCEPT: "accepted", Verdict.UNKNOWN: "unknown"}
_UNCHECKED = 3  # sentences that are shown without --all


@dataclass(frozen=True)
class Asked:
    """One packet and its path. ``notes`` is what was taken for granted; ``file`` and ``line`` are where the rule is
    saved, or stands in the text; "" and 0 for rules in force."""

    path: Path
    notes: tuple[str, ...] = ()
    owner: str = ""
    file: str = ""
    line: int = 0
    opening: Opening = field(default_factory=Opening)
    to_add: str = ""  # a line for that file


@dataclass(frozen=True)
class Report:
    """``where`` is the host or the text that was read; ``fix`` the command that opens it for you, or "";
    ``overview``: several packets were asked about, and not one that a person named."""

    where: str
    reading: Reading
    asked: tuple[Asked, ...]
    overview: bool = False
    fix: str = ""

    @property
    def shown(self) -> Asked | None:
        """The packet that is told in full: the first that does not get in, else the first."""
        stopped = [one for one in self.asked if verdict(one.path) is not Verdict.ACCEPT]
        return next(iter(stopped or self.asked), None)


def verdict(path: Path) -> Verdict:
    """One word: where it hangs on the sender, what becomes of most; below its rate a packet gets in."""
    if path.answer in (Answer.OPEN, Answer.RATED):
        return Verdict.ACCEPT
    return Verdict.UNKNOWN if path.answer is Answer.UNKNOWN else path.shown.verdict


def render(report: Report, style: Style) -> str:
    """The whole answer."""
    reading = report.reading
    rules = sum(len(chain.rules) for table in reading.ruleset.tables for chain in table.chains)
    programs = f", rules of {', '.join(reading.managers)}" if reading.managers else ""
    lines = wrap(style.safe(f"{report.where}: {rules} firewall rule{'' if rules == 1 else 's'}{programs}"), style, 2)
    if report.overview:
        lines += _table(report, style)
    shown = report.shown
    if shown is not None and not (report.overview and verdict(shown.path) is Verdict.ACCEPT):
        lines += ["", *_one(report, shown, style)]
    elif shown is not None:
        lines += ["", *labelled("Next", [CLOUD], style)]
    if reading.unchecked:
        kept = reading.unchecked if style.everything else reading.unchecked[:_UNCHECKED]
        more = len(reading.unchecked) - len(kept)
        lines += ["", *labelled("Unread", [*kept, *([f"and {more} more: --all"] if more else [])], style)]
    return "\n".join(lines) + "\n"


def _table(report: Report, style: Style) -> list[str]:
    lines = [""]
    for one in report.asked:
        word, colour = _word(one.path)
        why = "" if verdict(one.path) is Verdict.ACCEPT else _where(one)
        if one.path.answer is Answer.RATED:
            why = "up to the rate that a rule allows"
        name = f"{one.path.what}, IPv{one.path.question.family}"
        line = f"{name:<24}{word:<9}{cut(style.safe(why), max(10, style.columns - 33))}"
        lines.append(line.replace(word, style.paint(word, colour), 1) if style.colour else line.rstrip())
    return lines


def _word(path: Path) -> tuple[str, str]:
    known = _WORDS.get(path.answer)
    if known and path.answer is not Answer.SOME:
        return known
    return path.shown.verdict.value, RED


def _one(report: Report, asked: Asked, style: Style) -> list[str]:
    path = asked.path
    found = verdict(path)
    lines = wrap(_headline(path), style, 2)
    colour = {Verdict.ACCEPT: GREEN, Verdict.UNKNOWN: YELLOW}.get(found, RED)
    lines = [style.paint(line, colour if index == 0 else BOLD) for index, line in enumerate(lines)]
    place = path.place
    if place is not None and (place.chain or place.text):
        lines += labelled("Rule", [_rule(asked, place)], style)
        if place.number:
            lines += labelled("", [place.text], style)
    if found is Verdict.UNKNOWN:
        lines += labelled("Why", [_sentence(path.shown.why)], style)
    lines += labelled("Means", [_meaning(asked)], style)
    lines += labelled("Way", [" > ".join(way(path.shown))], style) if path.shown.trace else []
    if path.allowed is not None and path.allowed.place is not None and path.answer in (Answer.BLOCKED, Answer.SOME):
        lines += labelled("But", [f"some addresses get in by: {path.allowed.place.text}"], style)
    lines += labelled("Note", asked.notes, style)
    if found is Verdict.ACCEPT:
        return lines + labelled("Next", [CLOUD], style)
    if found is not Verdict.UNKNOWN:
        lines += _cure(report, asked, style)
    return lines


def _cure(report: Report, asked: Asked, style: Style) -> list[str]:
    lines = commands("Let in", asked.opening.commands, style)
    if asked.opening.undo:
        lines += commands("Undo", asked.opening.undo, style)
    if report.fix:
        lines += commands("Or", [report.fix], style)
    if asked.file:
        before = (
            f"before line {asked.line} of {asked.file}" if asked.line else f"to {asked.file}, at the end of the chain"
        )
        lines += labelled("Add", [f"{before}, and keep a copy of it:"], style) if asked.to_add else []
        lines += commands("", [asked.to_add], style) if asked.to_add else labelled("Where", [before], style)
    return lines


def _headline(path: Path) -> str:
    return f"{_DONE[verdict(path)].upper()}: {describe(path.question)}"


def describe(question: Question) -> str:
    """The packet in words: "tcp to port 22 from anywhere, IPv4"."""
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}.get(question.protocol, f"protocol {question.protocol}")
    if name.startswith("icmp") and question.kind is None:
        name = "ping"
    port = f" to port {question.destination_port}" if question.destination_port is not None else ""
    to = f" to {question.destination}" if question.destination else ""
    by = f" by {question.arrives}" if question.arrives else ""
    sender = f"from {question.source}" if question.source else "from anywhere"
    return f"{name}{to}{port} {sender}{by}, IPv{question.family}"


def _where(asked: Asked) -> str:
    place = asked.path.place
    if place is None or not place.chain:
        return asked.path.shown.why
    return _rule(asked, place)


def _rule(asked: Asked, place: Place) -> str:
    what = f"rule {place.number}" if place.number else place.text or "the end"
    owner = f", of {asked.owner}" if asked.owner else ""
    at = f", line {asked.line}" if asked.line and not asked.file else ""
    return f"{what} of chain {place.chain}, table {place.table} ({place.backend.value}{owner}){at}"


def _meaning(asked: Asked) -> str:
    """The decision in words that need no manual."""
    path = asked.path
    found, shown = verdict(path), path.shown
    if path.answer is Answer.RATED:
        return "it gets in, as long as there are not more in a time than this rule allows"
    if found is Verdict.ACCEPT:
        return "the packet gets to the program, and its answer gets out"
    if found is Verdict.UNKNOWN:
        return "this rule can't be judged without knowing more; it may get in or not"
    what = "the packet gets in, but its answer" if path.answer is Answer.NO_REPLY else "it"
    if shown.verdict is Verdict.REJECT:
        return f"{what} is refused: the other side hears so at once" + (f" ({shown.answer})" if shown.answer else "")
    if shown.place is not None and shown.place.number == 0:
        return f"no rule let it through, and then {what} is thrown away: the other side waits in vain"
    return f"{what} is thrown away: the other side waits in vain"


def way(result: Result) -> list[str]:
    """The chains in the order in which the packet meets them; an empty base chain is no news."""
    return list(dict.fromkeys(step_name(step) for step in result.trace))


def step_name(step: Step) -> str:
    return f"{step.table} {step.chain}"


def _sentence(text: str) -> str:
    return text or "not known"


def notes_of(asked: Sequence[Asked]) -> tuple[str, ...]:
    """What was taken for granted of any of them, each once."""
    return tuple(dict.fromkeys(note for one in asked for note in one.notes))
