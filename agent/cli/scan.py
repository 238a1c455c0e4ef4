"""agent scan: examines one target and says what is broken."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agent.cli import place
from agent.errors import CannotLook, UsageError

if TYPE_CHECKING:
    from agent.change.model import Change
    from agent.diagnosis.model import Rule
    from agent.facts.facts import Facts
    from agent.logs.journal_readers import OwnJournalctl
    from agent.logs.model import Found, Unchecked
    from agent.mtr.verdict import Judgement
    from agent.report.model import Scan, Subject
    from agent.report.terminal import Progress
    from agent.target import Target

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "scan",
        description="Examines the host and names the first broken layer, with proof. Changes nothing.",
    )
    place.add_arguments(parser, "examine")
    parser.add_argument(
        "--log",
        metavar="FILE",
        action="append",
        default=[],
        help="look only at this log ('-': standard input)",
    )
    parser.add_argument(
        "--mtr", metavar="FILE", action="append", default=[], help="an MTR report of the path to this host (agent mtr)"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--all", action="store_true", help="show all that was read, commands' output too")
    parser.add_argument("--since", metavar="TIME", help="logs from then on: 2h, 3d, 2026-11-22, '2026-11-22 14:00'")
    parser.add_argument("--rules", metavar="DIR", action="append", default=[], help="more rules")
    parser.add_argument("--record", metavar="FILE", help="write all that was read to FILE, for --replay")
    parser.add_argument("--replay", metavar="FILE", help="examine a recording, not this host")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 nothing wrong, 1 findings, 3 it could not look."""
    from agent.cli.main import COULD_NOT_LOOK, FINDINGS, OK
    from agent.diagnosis.model import Severity, Status, VerdictState
    from agent.report import json as json_report
    from agent.report import text as text_report
    from agent.report.terminal import Progress, style

    with Progress() as progress:
        from agent.diagnosis.loader import load

        progress("reading the rules")
        rules = load([Path(folder) for folder in options.rules])
        since = None if options.since is None else parse_since(options.since, time.time())
        if options.log:
            _refuse_with_log(options)
            scan = scan_logs(options.log, rules, progress)
        else:
            traces = _traces(options.mtr)  # before the scan, which takes seconds: a wrong name is told at once
            scan = _with_traces(_scan_target(options, rules, since, progress), traces)
    if options.json:
        sys.stdout.write(json_report.render(scan))
    else:
        sys.stdout.write(text_report.render(scan, style(sys.stdout, options.all)))
    active = [
        finding
        for finding in scan.findings
        if finding.status is not Status.PAST and finding.severity is not Severity.INFO
    ]
    if active or (scan.mtr and scan.verdict.state is VerdictState.DEGRADED):
        return FINDINGS
    return COULD_NOT_LOOK if scan.verdict.state is VerdictState.UNKNOWN and not options.log else OK


def _refuse_with_log(options: argparse.Namespace) -> None:
    if options.mtr:
        raise UsageError("--log and --mtr exclude each other", "agent mtr FILE reads the report alone")
    for name in ("record", "replay"):
        if getattr(options, name):
            raise UsageError(f"--log and --{name} exclude each other", "--log looks at nothing but the log")
    if options.root != "/" or options.device:
        raise UsageError(
            "--log and --root exclude each other",
            "a scan of --root reads that disk's own logs; run the two one after the other",
        )


def _traces(names: Sequence[str]) -> tuple[Judgement, ...]:
    """The judged reports of --mtr."""
    from agent.cli import mtr

    return tuple(judgement for name in names for judgement in mtr.judge_all(mtr.read(name)))


def _with_traces(scan: Scan, traces: tuple[Judgement, ...]) -> Scan:
    """The scan with the path in mind."""
    from dataclasses import replace

    from agent.diagnosis.with_path import with_path

    if not traces:
        return scan
    subject = scan.subject
    together = with_path(scan.verdict, scan.rungs, scan.findings, traces, subject.hostname, subject.addresses)
    return replace(scan, verdict=together.verdict, rungs=together.rungs, mtr=traces, mtr_means=together.means)


def _scan_target(options: argparse.Namespace, rules: Sequence[Rule], since: float | None, progress: Progress) -> Scan:
    if options.replay:
        from agent.target.record import replay

        try:
            data = Path(options.replay).read_bytes()
        except OSError as error:
            raise UsageError(
                f"{options.replay}: {error.strerror}", "name a file that agent scan --record wrote"
            ) from error
        return _recorded(options, replay(data), rules, since, progress)
    with place.opened(options) as target:
        return _recorded(options, target, rules, since, progress)


def _recorded(
    options: argparse.Namespace, target: Target, rules: Sequence[Rule], since: float | None, progress: Progress
) -> Scan:
    """The scan, and its recording where one is wanted."""
    if not options.record:
        return scan_target(target, rules, since, progress)
    from agent.target.record import record

    target, recording = record(target)
    scan = scan_target(target, rules, since, progress)
    try:
        Path(options.record).write_bytes(recording.dump())
    except OSError as error:
        raise UsageError(f"{options.record}: {error.strerror}", "name a file that can be written") from error
    return scan


def scan_target(
    target: Target,
    rules: Sequence[Rule],
    since: float | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Examines a target: facts, diagnostics, logs, findings, verdict."""
    from agent.facts.facts import Facts

    return examined(Facts(target), rules, since, progress)[0]


def examined(
    facts: Facts,
    rules: Sequence[Rule],
    since: float | None = None,
    progress: Callable[[str], None] | None = None,
    own: OwnJournalctl | None = None,
) -> tuple[Scan, Found]:
    """The scan of a target by its facts, and what its logs hold. ``own``: the target's own journalctl, for `agent
    rescue` alone."""
    from agent.cli import examine
    from agent.diagnosis.evaluation import evaluate
    from agent.diagnosis.ladder import ladder
    from agent.diagnosis.verdict import judge, relate
    from agent.facts import diagnostics
    from agent.facts.diagnostic_sets import choose
    from agent.fixes import offers, repaired
    from agent.report.model import Scan
    from agent.unknown import Unknown

    target = facts.target
    say = progress or (lambda step: None)
    say("reading the configuration")
    chosen = choose(facts.distro, facts.managers.in_charge)
    say(f"running the diagnostics of {chosen.name}")
    outputs = diagnostics.run(target, chosen)
    found = examine.search_logs(target, rules, say, since, own)
    if not target.live:
        earlier = examine.earlier_changes(target)
        facts.repaired = {} if isinstance(earlier, Unknown) else repaired.since(rules, earlier)
    evaluated = evaluate(facts, rules, found, say)
    findings = relate(evaluated.findings)
    rungs = ladder(facts, findings)
    say("planning the fixes")
    offered = offers.look(facts, findings)
    unfinished, unconfirmed, unread = _earlier(target)
    scan = Scan(
        subject=_subject(facts, chosen.name),
        verdict=offers.with_fix(judge(findings, rungs), offered),
        rungs=rungs,
        findings=findings,
        diagnostics=outputs,
        next_steps=tuple(step.argv for step in chosen.steps if step.changes_state),
        unchecked=(*_limits(target), *found.unchecked, *evaluated.unchecked, *unread),
        sources=found.sources,
        offers=offered,
        interrupted=unfinished,
        unconfirmed=unconfirmed,
    )
    return scan, found


def _earlier(target: Target) -> tuple[tuple[Change, ...], tuple[Change, ...], tuple[Unchecked, ...]]:
    """Earlier changes that were interrupted, those on probation, and why these could not be read."""
    from agent.cli.examine import earlier_changes
    from agent.logs.model import Unchecked
    from agent.unknown import Unknown

    changes = earlier_changes(target)
    if isinstance(changes, Unknown):
        return (), (), (Unchecked("earlier changes", changes.reason),)
    return (
        tuple(change for change in changes if change.state.interrupted),
        tuple(change for change in changes if change.on_probation),
        (),
    )


def _limits(target: Target) -> Iterator[Unchecked]:
    from agent.logs.model import Unchecked

    if not target.root_user:
        yield Unchecked("what only root may read", "not run as root: use sudo")


def _subject(facts: Facts, diagnostics: str) -> Subject:
    from agent.facts.public_addresses import public_addresses
    from agent.report.model import Subject
    from agent.unknown import Unknown

    main = facts.managers.main
    return Subject(
        root=facts.target.name,
        mode=facts.target.mode.value,
        rescue=facts.target.rescue,
        hostname="" if isinstance(facts.hostname, Unknown) else facts.hostname,
        distro=facts.distro,
        diagnostics=diagnostics,
        manager=main.value if main else "",
        init="" if facts.init.value == "unknown" else facts.init.value,
        kernel="" if isinstance(facts.kernel, Unknown) else facts.kernel,
        addresses=public_addresses(facts),
    )


def scan_logs(names: Sequence[str], rules: Sequence[Rule], progress: Progress | None = None) -> Scan:
    """Looks only at captured logs: a finding can at most be suspected."""
    from agent.diagnosis.evaluation import all_patterns, suspect
    from agent.diagnosis.model import Layer, LayerState, Rung, VerdictState
    from agent.diagnosis.verdict import judge, relate
    from agent.facts.distro import Distro
    from agent.logs.console import search_console
    from agent.logs.model import merge
    from agent.report.model import Scan, Subject

    found = []
    for name in names:
        if progress:
            progress(f"reading {name}")
        with _open_log(name) as stream:
            found.append(search_console(name, stream, all_patterns(rules)))
    together = merge(found)
    findings = relate(suspect(rules, together))
    rungs = tuple(Rung(layer, LayerState.UNCHECKED, "only a log was given") for layer in Layer)
    suspected = {finding.rule.layer: finding.title for finding in reversed(findings)}
    rungs = tuple(
        Rung(rung.layer, LayerState.WARNING, f"suspected: {suspected[rung.layer]}") if rung.layer in suspected else rung
        for rung in rungs
    )
    verdict = judge(findings, rungs)
    if verdict.state is VerdictState.UNKNOWN:
        from dataclasses import replace

        verdict = replace(verdict, summary="No known problem in this log; the host itself was not looked at")
    return Scan(
        subject=Subject("", "offline", False, "", Distro("", "", ""), "", "", "", "", logs=tuple(names)),
        verdict=verdict,
        rungs=rungs,
        findings=findings,
        diagnostics=(),
        next_steps=(),
        unchecked=together.unchecked,
        sources=together.sources,
        looked_at_target=False,
    )


@contextlib.contextmanager
def _open_log(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - the caller shall see errors of reading, not of opening
    except OSError as error:
        raise CannotLook(f"{name}: {error.strerror}", "name a log file, or - for standard input") from error
    with stream:
        yield stream


def parse_since(text: str, now: float) -> float:
    """A point in time, in seconds since the epoch: 90m, 2h, 3d (ago), a date, or a date and time (UTC)."""
    ago = re.fullmatch(r"(\d{1,6}) ?(s|m|min|h|d|w)( ago)?", text.strip())
    if ago:
        return now - int(ago[1]) * UNITS[ago[2]]
    midnight = datetime.fromtimestamp(now, timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    words = {"today": midnight, "yesterday": midnight - timedelta(days=1)}
    if text.strip().lower() in words:
        return words[text.strip().lower()].timestamp()
    try:
        parsed = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(
            f"--since: {text!r} is no time", "write 2h, 3d, yesterday, 2026-11-22 or '2026-11-22 14:00'"
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
