"""Whether what a scan said is what was done to the host, and the table of all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.lab.scenarios.model import Scenario


@dataclass(frozen=True)
class Outcome:
    """One scenario on one suite. ``problems`` is empty when all was as it must be."""

    suite: str
    scenario: Scenario
    live: str
    offline: str
    problems: tuple[str, ...]
    seconds: float = 0.0


def judge(suite: str, scenario: Scenario, result: Mapping[str, object]) -> Outcome:
    """Compares a result of the worker with what the scenario says."""
    rounds = result.get("rounds", [])
    assert isinstance(rounds, list)
    problems = [f"could not be acted out: {result['error']}"] if result["error"] else []
    wanted = 2 if scenario.repair else 1
    if len(rounds) != wanted:
        return Outcome(suite, scenario, "-", "-", tuple(problems) or ("no result",))
    for number, one in enumerate(rounds):
        repaired = number == 1
        label = "after repair, " if repaired else ""
        problems += [f"{label}{problem}" for problem in _round(scenario, one, repaired)]
    seconds = sum(one["seconds"]["all"] for one in rounds)
    last = rounds[-1]
    return Outcome(suite, scenario, _said(last["live"]), _said(last["offline"]), tuple(problems), seconds)


def _round(scenario: Scenario, one: Mapping[str, object], repaired: bool) -> Iterator[str]:
    unsaid = one["unsaid"]
    assert isinstance(unsaid, list)
    yield from (f"the breakage is not real: its journal does not hold {said!r}" for said in unsaid)
    expected = True if repaired else scenario.answers
    if expected is not None and one["answers"] is not expected:
        yield f"the breakage is not real: it {'answers' if one['answers'] else 'does not answer'} ping"
    complaints = one["complaints"]
    assert isinstance(complaints, list)
    yield from complaints
    if not repaired and scenario.state not in ("", one["state"]):
        yield f"the breakage is not real: systemd is {one['state']}, not {scenario.state}"
    for where in ("live", "offline"):
        report = one[where]
        if not isinstance(report, dict):
            continue
        wanted = scenario.finding if where == "live" or scenario.offline is None else scenario.offline
        if repaired or not scenario.finding:
            found = healthy(report)
        elif not wanted:
            found = _no_false_alarm(scenario, report)
        else:
            found = _names_the_cause(scenario, report, wanted)
        yield from (f"{where}: {problem}" for problem in found)


def healthy(report: Mapping[str, object]) -> Iterator[str]:
    """What speaks against a host that must be well."""
    verdict = _mapping(report["verdict"])
    if verdict["state"] != "healthy":
        yield f"the verdict is {verdict['state']}: {verdict['summary']}"
    for finding in alarms(report):
        yield f"false alarm {_line(finding)}"


def _no_false_alarm(scenario: Scenario, report: Mapping[str, object]) -> Iterator[str]:
    for finding in alarms(report):
        if finding["id"] != scenario.finding and finding["id"] not in scenario.consequences:
            yield f"false alarm {_line(finding)}"


def _names_the_cause(scenario: Scenario, report: Mapping[str, object], wanted: str) -> Iterator[str]:
    verdict = _mapping(report["verdict"])
    if verdict["finding"] != wanted or (wanted == scenario.finding and verdict["layer"] != scenario.rung):
        yield (
            f"the verdict names {verdict['finding']} ({verdict['layer']}, {verdict['state']}),"
            f" not {wanted} ({scenario.rung}): {verdict['summary']}"
        )
    causes = [finding for finding in findings(report) if finding["id"] == wanted]
    if not causes:
        yield f"{wanted} was not found"
    for cause in causes:
        if cause["status"] != "confirmed":
            yield f"{_line(cause)}: not confirmed"
        if not cause["root_cause"]:
            yield f"{_line(cause)}: not the root cause, but {cause['explained_by']}"
    for finding in alarms(report):
        if finding["id"] == wanted:
            continue
        if finding["id"] not in scenario.consequences:
            yield f"false alarm {_line(finding)}"
        elif finding["root_cause"] and finding["status"] == "confirmed":
            yield f"a consequence is taken for a root cause: {_line(finding)}"


def alarms(report: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Findings that a person would worry about."""
    return [item for item in findings(report) if item["severity"] != "info" and item["status"] != "past"]


def findings(report: Mapping[str, object]) -> list[Mapping[str, object]]:
    """All that a report found."""
    found = report["findings"]
    assert isinstance(found, list)
    return [_mapping(finding) for finding in found]


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, dict)
    return value


def _line(finding: Mapping[str, object]) -> str:
    return f"{finding['id']} ({finding['status']}, {finding['severity']}): {finding['title']}: {finding['proof']}"


def _said(report: object) -> str:
    """A verdict in a few words."""
    if not isinstance(report, dict):
        return "-"
    verdict = _mapping(report["verdict"])
    name = verdict["finding"]
    if name is None:
        past = sorted({str(item["id"]) for item in findings(report) if item["status"] == "past"})
        return f"{verdict['state']}{f' (past: {past[0]})' if past else ''}"
    status = next((item["status"] for item in findings(report) if item["id"] == name), "?")
    return f"{name}{'' if status == 'confirmed' else f' ({status})'}"


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Scenario, suite, live verdict, offline verdict; then what is wrong with them."""
    rows = [("scenario", "suite", "live", "offline", "", "")]
    for one in outcomes:
        right = "ok" if not one.problems else "WRONG"
        rows.append((one.scenario.name, one.suite, one.live, one.offline, right, f"{one.seconds:.0f} s"))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
    for one in outcomes:
        for problem in one.problems:
            yield f"{one.suite}, {one.scenario.name}: {problem}"
    wrong = sum(1 for one in outcomes if one.problems)
    yield f"{len(outcomes)} hosts, {wrong} wrong"
