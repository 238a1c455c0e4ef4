"""agent rescue: from a disk that does not boot to a verdict, and the command that repairs it.

Finds the disks, checks each filesystem, mounts read-only what holds a system, scans it, says what changed
before it broke and whether it will boot. Changes nothing on any disk.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agent.errors import AgentError, CannotLook

if TYPE_CHECKING:
    from agent.diagnosis.bootable import BootCheck
    from agent.diagnosis.model import Rule
    from agent.facts.filesystem import Check
    from agent.report.rescue import RootReport
    from agent.report.style import Style
    from agent.rescue.inside import Said
    from agent.rescue.model import Disk, Examined
    from agent.target import Target

DESCRIPTION = """\
In rescue mode (Finnix): finds the disks, checks their filesystems, mounts
read-only what holds a system, and says what is broken and what repairs it.
Nothing is written to any disk, and everything is unmounted again."""
EPILOG = """\
Examples:
  agent rescue                         all disks
  agent rescue /dev/sda                this one
  agent fix --fstab --device /dev/sda  repair what was found
  agent rescue --chroot /dev/sda       a shell inside of the disk
  agent rescue --chroot /dev/sda update-grub

A lost root password is reset in Cloud Manager: power the Linode off, then
Settings, Reset Root Password.

Exit status: 0 nothing wrong, 1 findings, 2 usage, 3 it could not look."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "rescue",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="agent rescue [DEVICE] [--no-check] [--all] [--json] | --chroot DEVICE [COMMAND ...]",
        allow_abbrev=False,
    )
    parser.add_argument("disk", nargs="?", default="", metavar="DEVICE", help="only this disk: /dev/sda, LABEL=...")
    parser.add_argument("--no-check", action="store_true", help="don't check the filesystems first, which takes long")
    parser.add_argument("--all", action="store_true", help="show all that was read")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument(
        "--chroot",
        nargs=argparse.REMAINDER,
        metavar="DEVICE [COMMAND ...]",
        help="a shell, or a command, inside of the disk; unmounted again at its end",
    )
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 nothing wrong, 1 findings, 3 it could not look."""
    from agent.rescue.chroot import in_chroot_refusal
    from agent.target.detect import open_target

    host = open_target("/")
    refusal = in_chroot_refusal(host)
    if refusal is not None:
        raise refusal
    if not host.root_user:
        raise CannotLook("only root can open disks", "sudo agent rescue")
    if options.chroot is not None:
        return _chroot(options)
    return _examine_all(options, host)


def _chroot(options: argparse.Namespace) -> int:
    from agent.cli.chroot import run_chroot

    device, *command = options.chroot or [options.disk]
    if command[:1] == ["--"]:
        command = command[1:]
    return run_chroot(device, command)


class _Printer:
    """Says each part as soon as it is known: a check takes minutes. Nothing where JSON is wanted."""

    def __init__(self, silent: bool, style: Style) -> None:
        self.style = style
        self._silent = silent

    def __call__(self, lines: Sequence[str]) -> None:
        if not self._silent and lines:
            print("\n".join(lines), flush=True)


def _examine_all(options: argparse.Namespace, host: Target) -> int:
    from agent.cli.main import COULD_NOT_LOOK, FINDINGS, OK
    from agent.diagnosis.loader import load
    from agent.facts.facts import Facts
    from agent.report import rescue as screen
    from agent.report import rescue_json
    from agent.report.terminal import Progress, style
    from agent.rescue import disks

    say = _Printer(options.json, style(sys.stdout, options.all))
    facts = Facts(host)
    with Progress() as progress:
        progress("looking at the disks")
        rules = load([])
        found = disks.survey(facts)
    wanted = _wanted(found, options.disk)
    say(screen.disks(found, say.style))
    reports = [_examine(disk, rules, options, say) for disk in wanted]
    if options.json:
        sys.stdout.write(rescue_json.render(found, reports))
    else:
        say(["", *screen.closing(reports, found, say.style)])
    if not reports:
        return COULD_NOT_LOOK
    return FINDINGS if any(report.broken for report in reports) else OK


def _wanted(found: Sequence[Disk], name: str) -> list[Disk]:
    """The disks to examine: those with a system, and those too damaged to tell; or the one that was named."""
    from agent.facts import devices
    from agent.rescue.model import Role

    if not name:
        return [disk for disk in found if disk.role in (Role.ROOT, Role.DAMAGED)]
    device = devices.find(tuple(disk.device for disk in found), name)
    for disk in found:
        if device is not None and disk.device.path == device.path:
            if disk.role in (Role.ROOT, Role.DAMAGED):
                return [disk]
            what = disk.why or f"it is {disk.what or disk.role.value}"
            hint = f"first: {disk.commands[0]}" if disk.commands else "agent rescue alone lists the disks"
            raise CannotLook(f"{name} can't be examined: {what}", hint)
    raise CannotLook(f"{name}: there is no such disk", "agent rescue alone lists the disks")


def _examine(
    disk: Disk,
    rules: Sequence[Rule],
    options: argparse.Namespace,
    say: _Printer,
) -> RootReport:
    """Check, mount read-only, scan. A disk that can't be mounted is a verdict of its own."""
    from agent.facts.filesystem import Check, Health
    from agent.report import rescue as screen
    from agent.report.terminal import Progress
    from agent.rescue import check

    path = disk.device.path
    if options.no_check:
        checked = Check(path, disk.device.type, Health.UNCHECKED, "not checked, as you wished")
    else:
        with Progress() as progress:
            progress(f"checking {path}")
            checked = check.check(disk.device, progress)
    say(screen.check(checked, say.style))
    with Progress() as progress:
        report = _report(disk, checked, rules, progress)
    say(["", *screen.root(report, say.style)])
    return report


def _report(disk: Disk, checked: Check, rules: Sequence[Rule], progress: Callable[[str], None]) -> RootReport:
    from agent.fixes.offers import invocation
    from agent.report.rescue import RootReport
    from agent.rescue import tree
    from agent.rescue.model import Examined

    examined = Examined(disk, checked)
    path = disk.device.path
    notes: list[str] = []
    try:
        with tree.opened(path, say=notes.append) as target:
            return _inside(target, examined, rules, notes, progress)
    except AgentError as error:
        fsck = invocation("fix", "--fsck", root=path)
        if checked.sound and fsck not in error.hint:
            return RootReport(examined, None, why=error.message, next=(error.hint,) if error.hint else ())
        why = error.message if checked.sound else f"{error.message}; {checked.why}"
        return RootReport(examined, None, why=why, next=(fsck,), undo=("agent undo fsck",))


def _inside(
    target: Target, examined: Examined, rules: Sequence[Rule], notes: list[str], progress: Callable[[str], None]
) -> RootReport:
    """All about one mounted root."""
    from agent.cli.scan import examined as scanned
    from agent.diagnosis import bootable
    from agent.diagnosis.happenings import what_changed
    from agent.facts.facts import Facts
    from agent.report.rescue import RootReport
    from agent.rescue import inside
    from agent.rescue.journal import own_journalctl

    facts = Facts(target, examined.check)
    scan, found = scanned(facts, rules, progress=progress, own=own_journalctl(target))
    progress("asking the disk's own programs")
    boot = (*bootable.checks(facts, found), *_answers(inside.asked(target)))
    progress("looking for what changed")
    return RootReport(
        examined,
        scan,
        boot=boot,
        unknowable=bootable.unknowable(facts),
        before=what_changed(facts, found),
        notes=tuple(notes),
    )


def _answers(said: Sequence[Said]) -> Iterator[BootCheck]:
    """What the disk's own programs answered, among the checks of the next boot."""
    from agent.diagnosis.bootable import BootCheck, BootState
    from agent.rescue.inside import Answer

    states = {Answer.OK: BootState.OK, Answer.PROBLEM: BootState.DOUBT, Answer.CANT_TELL: BootState.UNKNOWN}
    for one in said:
        yield BootCheck(one.command, states[one.answer], one.words or one.what)
