"""The course of a scenario: break the disk, boot it, see it fail, rescue, do what is said, boot it again, reach it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vm import alpine, rescue, system
from tests.vm.disk import Disk, admit, install_program, make_key
from tests.vm.machine import Boot, Machine, Ran
from tests.vm.model import LOGIN, Outcome, Scenario

_NEXT = re.compile(r"^(?:Next|Hint +first:)\s+(agent (?:fix|undo) .+)$", re.MULTILINE)
_VERDICT = re.compile(r"^(?:BROKEN|DEGRADED|HEALTHY|NOTHING|OK|UNKNOWN|No |Nothing ).*", re.MULTILINE)
_ROUNDS = 4  # of "agent rescue" and what it says, before one gives up
_SECONDS_TO_ANSWER, _SECONDS_OF_SILENCE = 90, 3
# What a command may not leave behind in the rescue system.
_LEFT = "grep -E '^/dev/(sd|loop[2-9])|lish-agent/' /proc/mounts; losetup -l -n | grep sd; pgrep -a fsck"
_STATE = "ip -br address; systemctl --failed --no-pager; journalctl -b -p 4 --no-pager | tail"


class Play:
    """One scenario on its own disks in ``folder``, with its console's transcript.

    ``program``: the program as it was when the run began.
    """

    def __init__(self, scenario: Scenario, folder: Path, program: Path) -> None:
        self.program = program
        self.scenario = scenario
        self.folder = folder
        self.outcome = Outcome(scenario.letter, scenario.title)
        self.before: dict[str, str] = {}  # files as they must be again after an undo
        self.transcript = folder / "console.txt"
        self.key = make_key(folder)
        image = alpine.alpine_folder() if scenario.image == "alpine" else system.system_folder()
        self.disk = Disk(folder, image / "disk.img")
        self.swap = system.make_swap(folder)

    def act(self) -> Outcome:
        with self.phase("break"):
            self.prepare()
            self.scenario.damage(self.disk)
        if self.scenario.play is not None:
            self.scenario.play(self)
            return self.outcome
        self.see_it_fail()
        self.rescue()
        self.reach()
        return self.outcome

    def prepare(self) -> None:
        with self.disk.opened() as root:
            admit(root, self.key)
            if self.scenario.image == "system":
                install_program(root, self.program)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.outcome.seconds[name] = self.outcome.seconds.get(name, 0) + time.monotonic() - started

    def problem(self, text: str) -> None:
        self.outcome.problems.append(text)

    def machine(self, title: str, boot: Boot | None = None) -> Machine:
        """Switched on, from its own disk unless told otherwise."""
        return Machine(boot or system.from_disk(), [self.disk.path, self.swap], self.transcript, title)

    def see_it_fail(self) -> None:
        """Boots the broken disk: the console shows why, and nobody gets in."""
        scenario = self.scenario
        with self.phase("broken boot"), self.machine("The broken disk boots") as machine:
            if not scenario.looks:
                machine.expect(scenario.shows, seconds=scenario.patience)
                self.outcome.shown = machine.cross_the_line()
            machine.expect(scenario.ends, seconds=scenario.patience)
            if machine.answers(_SECONDS_OF_SILENCE):
                self.problem("the broken machine is reachable")
            if scenario.looks or scenario.polite:
                machine.log_in_now(system.PASSWORD)
            if scenario.looks:
                machine.type(scenario.looks)
                machine.expect(scenario.shows)
                self.outcome.shown = machine.cross_the_line()
                machine.prompt()
            if scenario.polite:
                machine.power_off()

    @contextmanager
    def rescue_system(self) -> Iterator[Machine]:
        medium = self.folder / "rescue.iso"
        if not medium.exists():
            rescue.make_medium(self.folder, self.program / "program.squashfs")
        folder = rescue.rescue_folder()
        boot = Boot(
            kernel=folder / "vmlinuz",
            initrd=folder / "initrd.img",
            command_line=rescue.COMMAND_LINE,
            medium=medium,
        )
        started = time.monotonic()
        with self.machine("Rescue mode", boot) as machine:
            machine.prompt()
            self.outcome.seconds["rescue boot"] = time.monotonic() - started
            yield machine

    def rescue(self) -> None:
        """In rescue mode: does what the program says, until it has nothing more to say."""
        with self.rescue_system() as machine:
            said = self.examine(machine, first=True)
            self.outcome.verdict = self.verdict(said)
            if not re.search(self.scenario.finding, said.output):
                self.problem(f"the verdict is not about {self.scenario.finding}:\n{said.output}")
            offered = said.output
            by_hand = [self.scenario.by_hand] if self.scenario.by_hand else []
            for _ in range(_ROUNDS):
                command = next_command(said) or (by_hand.pop() if by_hand else "")
                if not command:
                    break
                self.outcome.fixes.append(command)
                with self.phase("fix"):
                    ran = machine.run(command, answer=self.scenario.answer)
                if ran.exit != 0 and next_command(ran):  # something else comes first
                    said = ran
                    continue
                if ran.exit != 0:
                    self.problem(f"{command} ended with {ran.exit}:\n{ran.output}")
                    break
                if command.startswith("agent undo"):
                    self.compare()
                said = self.examine(machine)
                offered += said.output
            if self.scenario.fix not in offered:
                self.problem(f"{self.scenario.fix} was never offered:\n{said.output}")
            elif "Will it boot? yes" not in said.output:
                self.problem(f"after the fix it does not say that it will boot:\n{said.output}")
            left = machine.run(_LEFT).output.strip()
            if left:
                self.problem(f"left behind in the rescue system:\n{left}")

    def compare(self) -> None:
        """After an undo: each file is as it was."""
        for path, text in self.before.items():
            if self.disk.read(path) != text:
                self.problem(f"{path} is not as it was before")

    def examine(self, machine: Machine, first: bool = False) -> Ran:
        """agent rescue; which leaves every byte of the disk as it was."""
        before = self.disk.digest() if first else ""
        with self.phase("agent rescue"):
            ran = machine.run("agent rescue")
        if ran.exit not in (0, 1):
            self.problem(f"agent rescue ended with {ran.exit}:\n{ran.output}")
        if first and self.disk.digest() != before:
            self.problem("agent rescue has changed the disk")
        return ran

    @staticmethod
    def verdict(said: Ran) -> str:
        """The line with the answer."""
        found = _VERDICT.search(said.output)
        return found[0] if found else ""

    def reach(self) -> None:
        """Boots from the disk: it answers, and lets its owner in."""
        with self.phase("boot again"), self.machine("The repaired disk boots") as machine:
            machine.expect(LOGIN, seconds=self.scenario.patience)
            why = machine.reachable(self.key, _SECONDS_TO_ANSWER)
            self.outcome.reachable = "no: " + why if why else "tcp and ssh"
            if why:
                machine.log_in_now(system.PASSWORD)
                state = machine.run(_STATE)
                self.problem(f"not reachable after the fix: {why}\n{state.output}")


def next_command(said: Ran) -> str:
    """What a person would type: the command beside Next, or that which must come first."""
    found = _NEXT.search(said.output)
    return found[1].strip() if found else ""
