"""Judged MTR reports for an 80-column console: the answer first, then a compact table of the hops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.mtr import owners
from agent.mtr.compare import Cause, Comparison, Directions
from agent.mtr.loss import lossy
from agent.mtr.model import Hop, Report, Unread
from agent.mtr.path import Path
from agent.mtr.verdict import Judgement, Verdict
from agent.report.harmless import cut
from agent.report.style import BOLD, GREEN, RED, YELLOW, Style, labelled, wrap

NOTES = 4  # shown without --all
LONG = 30  # columns from which on a file's name is shortened
BAD, HARMLESS = "!", "~"
_CAUSES = {Cause.NONE: GREEN, Cause.UNCLEAR: YELLOW, Cause.NOT_COMPARABLE: YELLOW, Cause.RESCUE_ONLY: YELLOW}


@dataclass(frozen=True)
class Judged:
    """All that `agent mtr` has to say. ``name`` is the file of each judgement."""

    judgements: tuple[tuple[str, Judgement], ...]
    unread: tuple[tuple[str, Unread], ...] = ()
    comparison: Comparison | None = None
    directions: Directions | None = None


def render(judged: Judged, style: Style) -> str:
    """The whole answer."""
    lines: list[str] = []
    if judged.comparison is not None:
        lines += comparison(judged.comparison, style)
    if judged.directions is not None:
        lines += directions(judged.directions, style)
    for name, each in judged.judgements:
        lines += [""] if lines else []
        lines += judgement(each, style, name if len(judged.judgements) > 1 else "")
    for name, unread in judged.unread:
        where = f"{name}, line {unread.line}" if name else f"line {unread.line}"
        lines += wrap(style.safe(f"Not understood: {where}: {cut(unread.text.strip(), 40)} ({unread.why})"), style, 2)
    return "\n".join(lines) + "\n"


def judgement(found: Judgement, style: Style, name: str = "") -> list[str]:
    """One report: verdict, reasons, what to do, notes, hops."""
    lines = [cut(style.safe(head(found.report, name)), style.columns)]
    lines += _painted(headline(found), GREEN if found.verdict.harmless else RED, style)
    lines += labelled("Why", [sentence(reason) for reason in found.reasons], style)
    if found.ambiguity:
        lines += labelled("But", [sentence(found.ambiguity)], style)
    steps = found.advice
    if found.verdict.harmless or len(steps) == 1:
        lines += labelled("Next", steps, style)
    else:
        lines += labelled("Next", [f"{number}. {step}" for number, step in enumerate(steps, 1)], style)
    shown = found.notes if style.everything else found.notes[:NOTES]
    lines += labelled("Note", [sentence(note) for note in shown], style)
    if len(found.notes) > len(shown):
        lines += labelled("", [f"and {len(found.notes) - len(shown)} more: --all"], style)
    return [*lines, "", *table(found, style)] if found.report.hops else lines


def comparison(found: Comparison, style: Style) -> list[str]:
    """The comparison with rescue mode."""
    name = found.cause.value.replace("_", " ").upper()
    lines = ["Booted from the disk, against rescue mode"]
    lines += _painted(f"{name}: {found.summary}", _CAUSES.get(found.cause, RED), style)
    return [*lines, *_reasons(found.reasons, found.advice, style)]


def directions(found: Directions, style: Style) -> list[str]:
    """What the report of the other direction adds."""
    fine = found.forward.verdict.harmless and found.reverse.verdict.harmless
    lines = ["Both directions", *_painted(found.summary, GREEN if fine else RED, style)]
    return [*lines, *_reasons(found.reasons, found.advice, style)]


def _reasons(reasons: Sequence[str], advice: Sequence[str], style: Style) -> list[str]:
    return [
        *labelled("Why", [sentence(reason) for reason in reasons], style),
        *labelled("Next", [f"{number}. {step}" for number, step in enumerate(advice, 1)], style),
    ]


def _painted(text: str, colour: str, style: Style) -> list[str]:
    return [style.paint(line, colour) for line in wrap(style.safe(text), style, indent=2)]


def head(report: Report, name: str = "") -> str:
    """Which report it is: from whom to whom, when, with what."""
    way = f"MTR from {report.source} to" if report.source else "MTR to"
    words = [f"{way} {Path(report).goal}", f"{len(report.hops)} hop{'' if len(report.hops) == 1 else 's'}"]
    if report.cycles:
        words.append(f"{report.cycles} probe{'' if report.cycles == 1 else 's'} each")
    if report.protocol_told:
        words.append(report.protocol.value.upper())
    if report.started:
        words.append(report.started)
    text = ", ".join(words)
    name = name if len(name) <= LONG else f"...{name[3 - LONG :]}"
    return f"{name}:{report.line}: {text}" if name else text


def headline(found: Judgement) -> str:
    """ "PERSISTENT LOSS at hop 3: Packets are lost ..."."""
    where = "" if found.hop is None else f" {_PREPOSITION.get(found.verdict, 'at')} hop {found.hop}"
    return f"{found.verdict.value.replace('_', ' ').upper()}{where}: {found.summary}"


_PREPOSITION = {Verdict.PERSISTENT_LOSS: "from", Verdict.UNRESPONSIVE_TO_END: "after", Verdict.LOOP: "from"}


def sentence(text: str) -> str:
    """With a capital letter, where it begins with a word."""
    return text[:1].upper() + text[1:]


# -- the hops


def table(found: Judgement, style: Style) -> list[str]:
    """A line for each hop; the bad ones are marked."""
    lines = [style.paint("  Hop   Loss   Sent     Avg    Best    Wrst  Who", BOLD)]
    for hop in found.report.hops:
        mark = mark_of(hop, found)
        numbers = [f"{mark} {hop.number:>3}", f"{hop.loss:>5.1f}%", f"{_count(hop.sent):>6}"]
        numbers += [f"{_time(value, hop):>7}" for value in (hop.average, hop.best, hop.worst)]
        line = f"{' '.join(numbers)}  {_who(hop)}".rstrip()
        line = style.safe(line)
        line = line if style.everything else cut(line, style.columns)
        lines.append(style.paint(line, RED) if mark == BAD else line)
    marks = {mark_of(hop, found) for hop in found.report.hops}
    words = [text for mark, text in ((BAD, "! trouble"), (HARMLESS, "~ harmless")) if mark in marks]
    return [*lines, ", ".join(words)] if words else lines


def mark_of(hop: Hop, found: Judgement) -> str:
    """ "!" where the verdict is about this hop, "~" for a blemish without importance, else a blank."""
    if _is_bad(hop, found):
        return BAD
    return HARMLESS if hop.silent or lossy(hop) else " "


def _is_bad(hop: Hop, found: Judgement) -> bool:
    if found.hop is None:
        return False
    if found.verdict is Verdict.PERSISTENT_LOSS:
        return hop.number >= found.hop and not hop.silent
    if found.verdict is Verdict.UNRESPONSIVE_TO_END:
        return hop.number > found.hop or (hop.number == found.hop and hop is found.report.hops[-1])
    return hop.number >= found.hop


def _who(hop: Hop) -> str:
    if not hop.routers:
        return "???"
    owner = owners.owner(hop)
    network = hop.asn if hop.asn and "?" not in hop.asn else ""
    told = " ".join(word for word in (network, owner.name if owner else "") if word)
    more = f" +{len(hop.routers) - 1}" if len(hop.routers) > 1 else ""
    return f"{hop.router}{more}" + (f" [{told}]" if told else "")


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _time(value: float | None, hop: Hop) -> str:
    if value is None or hop.silent:
        return "-"
    return f"{value:.1f}" if value < 10000 else f"{value:.0f}"
