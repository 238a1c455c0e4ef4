"""The host of a round trip: booted as a real machine would boot it, judged by its ping, its scan and its whole tree."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.lab import kernel_log
from tests.lab.host import Host, Ran, Scan
from tests.lab.judge import alarms, findings, healthy
from tests.lab.scenarios.model import Scenario
from tests.lab.trip import Leg
from tests.lab.worker import answers, wait_for
from tests.manifest import STORE, Manifest, differences, manifest

# What a host writes by itself while it runs. A trip that boots between fix and undo compares all but this.
LIVING = (
    STORE,
    "/var/log",
    "/var/backups",  # at midnight, by dpkg-db-backup.timer
    "/var/lib/logrotate",
    "/var/tmp",
    "/var/lib/systemd",
    "/var/lib/NetworkManager",
    "/var/lib/dhcp",
    "/var/lib/private",
    "/var/lib/fstab-units",
    "/run",
    "/tmp",
    "/opt/lish-agent",
)
_DIFFERENCES_SHOWN, _CHARACTERS_SHOWN = 20, 4000


class Trip:
    """The host of a trip, and what is done to it and asked of it."""

    def __init__(self, folder: Path, suite: str, scenario: Scenario) -> None:
        folder.mkdir()
        self.scenario = scenario
        self.host = Host(folder, suite, scenario.layer, scenario.link)
        scenario.setup(self.host.root)
        scenario.damage(self.host.root)
        self.finnix = False

    def boot(self) -> str:
        """What a real machine's kernel and udev would do, then systemd."""
        self.scenario.before_boot(self.host.root)
        if self.scenario.card is not None:
            self.host.link = self.scenario.card(self.host.root)
        return self.host.boot()

    def boot_broken(self, leg: Leg, step: str) -> None:
        """Boots, and finds it broken: by what it does, by its journal, and by a scan from inside."""
        scenario = self.scenario
        state = self.boot()
        if scenario.state not in ("", state):
            leg.problems.append(f"{step}: systemd is {state}, not {scenario.state}")
        if scenario.kernel:
            self.tell_the_kernels_lines()
        if scenario.whisper is not None:
            scenario.whisper(self.host)
        self.expect_broken(leg, step)

    def expect_broken(self, leg: Leg, step: str) -> None:
        scenario = self.scenario
        does = answers(self.host, True) if scenario.answers else self.host.answers_ping()
        if scenario.answers is not None and does is not scenario.answers:
            leg.problems.append(f"{step}: it {'answers' if does else 'does not answer'} ping")
        unsaid = wait_for(self.host, scenario.journal)
        leg.problems += [f"{step}: its journal does not hold {said!r}" for said in unsaid]
        leg.problems += [f"{step}: {problem}" for problem in self.not_found(leg, self.host.scan_live(), "live")]

    def tell_the_kernels_lines(self) -> None:
        if self.host.link == self.scenario.link:  # else the kernel did not rename it
            kernel_log.add(self.host.root, self.host.boot_id(), self.scenario.kernel)

    def not_found(self, leg: Leg, scan: Scan, way: str) -> Iterator[str]:
        """What is wrong with the finding of the breakage and the fix that it names."""
        found = [one for one in findings(scan.report or {"findings": []}) if one["id"] == self.scenario.finding]
        if not found:
            yield f"{self.scenario.finding} was not found, by a scan that ended with {scan.exit}: {scan.stderr[-500:]}"
            leg.said.append(json.dumps(scan.report, indent=1)[-_CHARACTERS_SHOWN:])
        flag = self.scenario.fix[0].partition("=")[0]
        offers = [str(one["fix"]["command"]) for one in found if isinstance(one["fix"], dict)]
        if not any(one["status"] == "confirmed" for one in found):
            yield from (f"{one['id']} is {one['status']}: {one['proof']}" for one in found)
        elif way in self.scenario.offered and not any(re.match(rf"agent fix {flag}[ =]", f"{one} ") for one in offers):
            yield f"{self.scenario.finding} names {offers or 'no fix'}, not agent fix {flag}"
            inside = way == "live"
            words = ("fix", *self.scenario.fix, "--dry-run")
            leg.said.append((self.host.agent(*words) if inside else self.host.agent_outside(*words)).said)

    def boot_healthy(self, leg: Leg, step: str) -> None:
        """Boots, and finds that it answers and that a scan from inside has nothing to say."""
        state = self.boot()
        if self.scenario.kernel:
            self.tell_the_kernels_lines()
        if state == "maintenance":
            leg.problems.append(f"{step}: systemd is in {state}")
        self.expect_healthy(leg, step)

    def expect_healthy(self, leg: Leg, step: str) -> None:
        if not answers(self.host, True):
            leg.problems.append(f"{step}: it does not answer ping: {self.links()}")
        self.host.settle()
        scan = self.host.scan_live()
        if scan.report is None:
            leg.problems.append(f"{step}: the scan ended with {scan.exit}: {scan.stderr[-2000:]}")
            return
        ids = {str(one["id"]) for one in alarms(scan.report)}
        if ids - self.scenario.left:
            leg.problems += [f"{step}: {problem}" for problem in healthy(scan.report)]

    def links(self) -> str:
        """For the report of a failure: what the host itself says of its network."""
        done = self.host.inside("ip", "-brief", "address")
        return " ".join(done.stdout.split())

    def run(self, leg: Leg, step: str, inside: bool, *words: str) -> Ran:
        """Runs a verb of the program, which must succeed."""
        if not inside and self.scenario.rescue and not self.finnix:
            self.host.wear_finnix()
            self.finnix = True
        ran = self.host.agent(*words) if inside else self.host.agent_outside(*words)
        where = "inside" if inside else "outside"
        leg.said.append(f"$ agent {' '.join(words)}   # {where}, {ran.seconds} s\n{ran.said[-_CHARACTERS_SHOWN:]}")
        if ran.exit != 0:
            leg.problems.append(f"{step}: agent {' '.join(words)} ended with {ran.exit}: {first_line(ran)}")
        return ran

    def fix(self, leg: Leg, step: str, inside: bool, *more: str) -> None:
        known = len(self.states())
        self.run(leg, step, inside, "fix", *self.scenario.fix, "--yes", *more)
        states = self.states()[known:]
        if states != ["verified"]:
            leg.problems.append(f"{step}: of its change the disk says {states}, not verified")

    def undo(self, leg: Leg, step: str, inside: bool) -> None:
        self.run(leg, step, inside, "undo")
        if self.states()[-1:] != ["undone"]:
            leg.problems.append(f"{step}: of its change the disk says {self.states()}, not undone")

    def refuse_undo(self, leg: Leg, step: str, inside: bool) -> None:
        """What can't be taken back is not taken back by half."""
        before = self.look()
        ran = self.host.agent("undo") if inside else self.host.agent_outside("undo")
        leg.said.append(f"$ agent undo\n{ran.said}")
        if ran.exit != 1 or "refused" not in ran.stdout or self.states()[-1:] == ["undone"]:
            leg.problems.append(f"{step}: agent undo ended with {ran.exit}, and the disk says {self.states()}")
        self.compare(leg, step, before, booted=inside)

    def states(self) -> list[str]:
        """Of all changes that the disk knows, oldest first."""
        folder = self.host.root.at(f"{STORE}/changes")
        found = sorted(folder.glob("*/change.json"), key=lambda path: int(path.parent.name.partition("-")[0]))
        return [str(json.loads(path.read_text())["state"]) for path in found]

    def look(self) -> Manifest:
        return manifest(self.host.root.path)

    def compare(self, leg: Leg, step: str, before: Manifest, booted: bool) -> None:
        """Whether all is as it was: every path, or after a boot every path that a boot leaves alone."""
        now = self.look()
        written = (*LIVING, *self.scenario.living) if booted else self.scenario.living
        different = differences(at_rest(before, written), at_rest(now, written))
        leg.problems += [f"{step}: not as before: {line}" for line in different[:_DIFFERENCES_SHOWN]]
        if len(different) > _DIFFERENCES_SHOWN:
            leg.problems.append(f"{step}: and {len(different) - _DIFFERENCES_SHOWN} more are not as before")


def at_rest(entries: Manifest, written: tuple[str, ...] = LIVING) -> Manifest:
    """Without what is written by itself, and without the times of the folders that hold it."""
    holders = {os.path.dirname(path) for path in written}
    return {
        path: replace(entry, mtime=None) if path in holders else entry
        for path, entry in entries.items()
        if not any(path == living or path.startswith(f"{living}/") for living in written)
    }


def first_line(ran: Ran) -> str:
    return next((line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()), "it said nothing")
