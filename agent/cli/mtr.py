"""agent mtr: reads MTR reports, says what they mean, compares two, makes one."""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.mtr.model import Reading
    from agent.mtr.verdict import Judgement
    from agent.report.mtr import Judged

LARGEST = 16 << 20  # bytes of one input
CYCLES = 100
FILES = "name files with MTR reports, or paste one: agent mtr -"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "mtr",
        description="Reads MTR reports in any form, names what is wrong with the path, and what to do next.",
    )
    parser.add_argument("files", metavar="FILE", nargs="*", help="reports ('-', or none: standard input)")
    parser.add_argument("--reverse", metavar="FILE", help="the report of the other direction")
    parser.add_argument(
        "--compare", metavar=("NORMAL", "RESCUE"), nargs=2, help="the same path when booted, and in rescue mode"
    )
    parser.add_argument("--destination", metavar="ADDRESS", default="", help="where the reports go, if they don't tell")
    parser.add_argument("--run", metavar="ADDRESS", dest="target", help="make a report from here, and judge it")
    parser.add_argument("--count", metavar="N", default=None, help=f"cycles of --run ({CYCLES})")
    parser.add_argument("--tcp", action="store_true", help="--run with TCP instead of ping")
    parser.add_argument("--port", metavar="N", default=None, help="the port of --tcp (80)")
    parser.add_argument("--advice", action="store_true", help="how to make the reports that support asks for")
    place.add_arguments(parser, "take the address for --advice from")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument("--all", action="store_true", help="all notes, long lines whole")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 packets arrive, 1 trouble, 2 usage, or nothing that could be read."""
    from agent.cli.main import FINDINGS, OK, USAGE
    from agent.mtr.compare import Cause
    from agent.report import mtr as text
    from agent.report import mtr_json
    from agent.report.terminal import style

    _refuse_together(options)
    if options.advice:
        return _advise(options)
    judged = _compared(options) if options.compare else _ran(options) if options.target else _judged(options)
    if options.json:
        sys.stdout.write(mtr_json.render(judged))
    else:
        sys.stdout.write(text.render(judged, style(sys.stdout, options.all)))
    if judged.comparison is not None:
        cause = judged.comparison.cause
        return OK if cause is Cause.NONE else USAGE if cause is Cause.NOT_COMPARABLE else FINDINGS
    every = [judgement for _, judgement in judged.judgements]
    return OK if all(judgement.verdict.harmless for judgement in every) else FINDINGS


def _refuse_together(options: argparse.Namespace) -> None:
    chosen = [
        name
        for name, given in (
            ("FILE", options.files),
            ("--compare", options.compare),
            ("--run", options.target),
            ("--advice", options.advice),
        )
        if given
    ]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} exclude each other", "one thing at a time")
    if options.reverse and (options.compare or options.advice):
        raise UsageError("--reverse goes with a report, or with --run", "agent mtr REPORT --reverse BACK")
    if options.advice and options.json:
        raise UsageError("--advice has no JSON", "it prints commands for a person to copy")
    for name in ("count", "tcp", "port"):
        if getattr(options, name) and not options.target:
            raise UsageError(f"--{name} goes with --run", "agent mtr --run ADDRESS")
    if options.port and not options.tcp:
        raise UsageError("--port goes with --tcp", "agent mtr --run ADDRESS --tcp --port 22")
    if (options.root != "/" or options.device) and not options.advice:
        raise UsageError("--root and --device go with --advice", "a report is read, or made from here")


# -- reports that somebody made


def _judged(options: argparse.Namespace) -> Judged:
    from agent.mtr.compare import directions
    from agent.report.mtr import Judged

    names = options.files or ["-"]
    if names.count("-") > 1 or (options.reverse == "-" and "-" in names):
        raise UsageError("standard input can be read only once", FILES)
    readings = [read(name) for name in names]
    found = [(reading.name, each) for reading in readings for each in judge_all(reading, options.destination)]
    unread = [(reading.name, each) for reading in readings for each in reading.unread]
    both = None
    if options.reverse:
        back = read(options.reverse)
        reverse = judge_all(back)[0]
        both = directions(found[0][1], reverse)
        found.append((back.name, reverse))
        unread += [(back.name, each) for each in back.unread]
    return Judged(tuple(found), tuple(unread), directions=both)


def _compared(options: argparse.Namespace) -> Judged:
    from agent.mtr.compare import Cause, compare
    from agent.report.mtr import Judged

    if options.compare == ["-", "-"]:
        raise UsageError("standard input can be read only once", "agent mtr --compare NORMAL RESCUE")
    readings = [read(name) for name in options.compare]
    normal, rescue = (judge_all(reading, options.destination) for reading in readings)
    # A file may hold reports to several destinations: the first pair that goes to the same one.
    pairs = [compare(one, other) for one in normal[:20] for other in rescue[:20]]
    best = next((pair for pair in pairs if pair.cause is not Cause.NOT_COMPARABLE), pairs[0])
    found = ((readings[0].name, best.normal), (readings[1].name, best.rescue))
    unread = tuple((reading.name, each) for reading in readings for each in reading.unread)
    return Judged(found, unread, comparison=best)


def read(name: str) -> Reading:
    """The reports in a file; "-" is standard input. UsageError where there is none."""
    from agent.mtr.reading import read as read_reports

    try:
        if name == "-":
            if sys.stdin.isatty():
                print("paste the report, then Ctrl-D on a line of its own", file=sys.stderr)
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with pathlib.Path(name).open("rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}", FILES) from error
    shown = "standard input" if name == "-" else name
    if len(data) > LARGEST:
        raise UsageError(f"{shown} is larger than {LARGEST >> 20} MiB", "an MTR report is a few hundred lines at most")
    reading = read_reports(shown, data)
    if not reading.reports:
        raise UsageError(f"{shown}: no MTR report in it", FILES)
    return reading


def judge_all(reading: Reading, destination: str = "") -> list[Judgement]:
    """The verdict of each report."""
    from agent.mtr.judge import judge

    return [judge(report, destination) for report in reading.reports]


# -- a report of our own


def _ran(options: argparse.Namespace) -> Judged:
    from agent.mtr.compare import directions
    from agent.mtr.judge import judge
    from agent.mtr.making import Request, make
    from agent.report.mtr import Judged
    from agent.report.terminal import Progress
    from agent.target.detect import open_target

    count = _number(options.count, "--count", CYCLES, 10_000)
    port = _number(options.port, "--port", 80, 65535) if options.tcp else None
    reverse = judge_all(read(options.reverse))[0] if options.reverse else None
    with Progress() as progress:
        report = make(open_target("/"), Request(options.target, count, options.tcp, port), progress)
    found = judge(report, options.destination or options.target)
    judgements = [("this host", found)]
    if reverse is None:
        return Judged(tuple(judgements))
    return Judged((*judgements, (options.reverse, reverse)), directions=directions(found, reverse))


def _number(text: str | None, option: str, usual: int, most: int) -> int:
    if text is None:
        return usual
    if text.isascii() and text.isdecimal() and len(text) < 7 and 0 < int(text) <= most:
        return int(text)
    raise UsageError(f"{option} {text}: not a number from 1 to {most}", f"for example {option} {usual}")


# -- how others make one


def _advise(options: argparse.Namespace) -> int:
    from agent.cli.main import OK
    from agent.facts.facts import Facts
    from agent.facts.public_addresses import public_addresses
    from agent.mtr import advice
    from agent.report.style import commands, wrap
    from agent.report.terminal import style

    if options.destination:
        addresses: tuple[str, ...] = (options.destination,)
    else:
        with place.opened(options) as target:
            addresses = public_addresses(Facts(target))
    steps = tuple(advice.steps(addresses))
    shown = style(sys.stdout)
    for number, step in enumerate(steps):
        print(*([""] if number else []), *wrap(shown.safe(step.text), shown, 0), sep="\n")
        for line in commands("", step.commands, shown):
            print(line)
    return OK
