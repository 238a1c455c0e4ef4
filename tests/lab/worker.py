"""One scenario from beginning to end, as the first process of its own namespaces.

python -m tests.lab.worker FOLDER SUITE NAME: acts it out and writes FOLDER/result.json.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.lab import dhcp, kernel_log
from tests.lab.host import Host, HostFailed, Scan
from tests.lab.isolation import enter_cgroup
from tests.lab.scenarios import ALL
from tests.lab.scenarios.model import Scenario

_SECONDS_TO_ANSWER, _SECONDS_TO_CALM, _SECONDS_TO_SAY = 15, 1.5, 15


@dataclass
class Round:
    """One boot: what systemd thought of it, whether the gateway reached it, and the two scans."""

    state: str = ""
    answers: bool = False
    unsaid: list[str] = field(default_factory=list)  # what its journal should hold and does not
    live: Mapping[str, object] | None = None
    offline: Mapping[str, object] | None = None
    complaints: list[str] = field(default_factory=list)  # what a scan said on stderr, or tracebacks
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Result:
    """What happened. ``error`` says why it could not be acted out."""

    rounds: list[Round] = field(default_factory=list)
    error: str = ""


def main(folder: Path, suite: str, name: str) -> None:
    scenario = next(scenario for scenario in ALL if scenario.name == name)
    result = Result()
    try:
        _act(folder, suite, scenario, result)
    except Exception as error:  # noqa: BLE001 - the border: the one who started us prints it
        result.error = str(error) if isinstance(error, HostFailed) else traceback.format_exc()
    (folder / "result.json").write_text(json.dumps(asdict(result)))


def enter(folder: Path, scenario: Scenario) -> None:
    """Makes the namespaces that this process was started in the scenario's own."""
    enter_cgroup(f"{folder.parent.name}-{folder.name}")
    # Whatever wants to leave something under /run leaves it here, not on this machine.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if scenario.dhcp:
        dhcp.serve()


def _act(folder: Path, suite: str, scenario: Scenario, result: Result) -> None:
    enter(folder, scenario)
    disk = folder / "disk"
    disk.mkdir()
    host = Host(disk, suite, scenario.layer, scenario.link)
    scenario.setup(host.root)
    scenario.damage(host.root)
    result.rounds.append(_round(host, scenario, folder / "first", scenario.answers))
    if scenario.repair is not None:
        scenario.repair(host.root)
        result.rounds.append(_round(host, scenario, folder / "second", True))


def _round(host: Host, scenario: Scenario, notes: Path, expected: bool | None) -> Round:
    """Boots, looks from inside, powers off, looks from outside."""
    notes.mkdir()
    done = Round()
    started = time.monotonic()
    try:
        done.state = host.boot()
        done.seconds["boot"] = _since(started)
        if scenario.kernel:
            kernel_log.add(host.root, host.boot_id(), scenario.kernel)
        done.answers = answers(host, expected)
        if scenario.whisper is not None:
            scenario.whisper(host)
        done.unsaid = wait_for(host, scenario.journal if notes.name == "first" else ())
        (notes / "journal.txt").write_text(host.journal())
        live = host.scan_live()
        done.live = _keep(live, notes, "live", done)
    finally:
        stopping = time.monotonic()
        host.stop()
        done.seconds["stop"] = _since(stopping)
    done.offline = _keep(host.scan_offline(scenario.rescue), notes, "offline", done)
    done.seconds["all"] = _since(started)
    return done


def _keep(scan: Scan, notes: Path, name: str, done: Round) -> Mapping[str, object] | None:
    (notes / f"{name}.json").write_text(json.dumps(scan.report, indent=1))
    (notes / f"{name}.stderr").write_text(scan.stderr)
    done.seconds[name] = scan.seconds
    expected = 1 if scan.report and _active(scan.report) else 0
    if scan.report is None or scan.exit != expected or scan.stderr:
        done.complaints.append(f"{name}: it ended with {scan.exit} and said {scan.stderr[-2000:]!r}")
    return scan.report


def _active(report: Mapping[str, object]) -> bool:
    """Whether there is a finding that makes the exit status 1."""
    findings = report["findings"]
    assert isinstance(findings, list)
    return any(one["status"] != "past" and one["severity"] != "info" for one in findings)


def answers(host: Host, expected: bool | None) -> bool:
    """Waits until it answers when it should; else gives it time to do what it does."""
    until = time.monotonic() + (_SECONDS_TO_ANSWER if expected else _SECONDS_TO_CALM)
    while time.monotonic() < until:
        if host.answers_ping() and expected:
            return True
        time.sleep(0.2)
    return host.answers_ping()


def wait_for(host: Host, expected: Sequence[str]) -> list[str]:
    """Waits until the journal holds what it should. Gives what it still does not hold."""
    until = time.monotonic() + _SECONDS_TO_SAY
    while True:
        host.settle()
        journal = host.journal()
        unsaid = [said for said in expected if not re.search(said, journal)]
        if not unsaid or time.monotonic() > until:
            return unsaid
        time.sleep(0.5)


def _since(moment: float) -> float:
    return round(time.monotonic() - moment, 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
