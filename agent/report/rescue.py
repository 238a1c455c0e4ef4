"""What `agent rescue` says: the disks, each root's verdict, what changed before it broke, and whether it will boot.

A serial console keeps 24 lines and no more: what matters most stands last, and all of it fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.diagnosis.bootable import BootCheck, BootState
from agent.diagnosis.happenings import Before
from agent.diagnosis.model import LayerState, VerdictState
from agent.facts.filesystem import Check, Health
from agent.fixes.offers import invocation
from agent.report import text
from agent.report.harmless import cut
from agent.report.model import Scan
from agent.report.style import BOLD, GREEN, LABEL, PLAIN, RED, YELLOW, Style, commands, labelled, moment, wrap
from agent.rescue.model import Disk, Examined, Role

HEALTHS = {
    Health.CLEAN: GREEN,
    Health.UNFINISHED: YELLOW,
    Health.DAMAGED: RED,
    Health.UNREADABLE: RED,
    Health.BUSY: YELLOW,
    Health.UNCHECKED: YELLOW,
}
CHANGES = 5  # lines of what changed
STATES = {BootState.OK: "ok", BootState.PROBLEM: "no", BootState.DOUBT: "may fail", BootState.UNKNOWN: "not known"}
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True)
class RootReport:
    """One disk with a system on it, examined. ``scan`` is None where it could not be mounted; then ``why``
    says so, and ``next`` what to run."""

    examined: Examined
    scan: Scan | None
    boot: tuple[BootCheck, ...] = ()
    unknowable: tuple[str, ...] = ()
    before: Before | None = None
    why: str = ""
    next: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # about its fstab and its other disks

    @property
    def broken(self) -> bool:
        """Is there anything that keeps it from booting, or from being reached?"""
        if self.scan is None or self.scan.verdict.state in (VerdictState.BROKEN, VerdictState.DEGRADED):
            return True
        return any(check.state is BootState.PROBLEM for check in self.boot)


def size(count: int) -> str:
    """Bytes for a table: "1.2 GiB"."""
    for unit, name in UNITS:
        if count >= unit:
            number = count / unit
            return f"{number:.0f} {name}" if number >= 100 or count % unit == 0 else f"{number:.1f} {name}"
    return f"{count} B"


def disks(found: Sequence[Disk], style: Style) -> list[str]:
    """The table of disks: what each is, and why one is left alone."""
    lines = [style.paint("Disks", BOLD)]
    width = max((len(style.safe(disk.device.path)) for disk in found), default=8)
    for disk in found:
        what = disk.what or disk.role.value
        line = f"  {style.safe(disk.device.path):<{width}}  {size(disk.device.size):>8}  {_kind(disk, style):<6} {what}"
        if disk.why:
            line += f": {disk.why[3:] if disk.why.startswith('is ') else disk.why}"
        wrapped = wrap(style.safe(line).rstrip(), style, indent=width + 21)
        lines += wrapped if style.everything else wrapped[:3]
        if disk.commands:
            lines += commands(f"{'':<{width + 4}}", disk.commands, style)
    return lines


def _kind(disk: Disk, style: Style) -> str:
    known = {"LVM2_member": "LVM", "linux_raid_member": "RAID", "crypto_LUKS": "LUKS", "iso9660": "ISO"}
    return cut(style.safe(known.get(disk.device.type, disk.device.type) or "-"), 8)


def check(one: Check, style: Style) -> list[str]:
    """One line about a filesystem's check."""
    state = style.paint(one.health.value, HEALTHS.get(one.health, PLAIN))
    how = f" ({' '.join(one.command[:2])}, {one.seconds:.0f} s)" if one.command and one.exit is not None else ""
    why = f": {one.why}" if one.why and one.health is not Health.CLEAN else ""
    plain = f"Check   {one.device} {one.health.value}{why}{how}"
    lines = wrap(style.safe(plain), style, indent=LABEL)
    if not style.everything and len(lines) > 3:
        lines = [*lines[:2], cut(f"{lines[2]} ...", style.columns)]
    return [lines[0].replace(f"{one.device} {one.health.value}", f"{one.device} {state}", 1), *lines[1:]]


def root(report: RootReport, style: Style) -> list[str]:
    """All about one root, the verdict first."""
    device = report.examined.disk.device.path
    if report.scan is None:
        lines = [style.paint(f"BROKEN at storage: {style.safe(device)} can't be mounted", RED)]
        lines += labelled("Proof", [report.why], style)
        lines += commands("Fix", report.next, style) if report.next else []
        lines += commands("Undo", report.undo, style) if report.undo else []
        return lines
    lines = text.answer(report.scan, style)
    lines += _ladder(report.scan, style) if not style.everything else ["", *text.ladder(report.scan, style)]
    lines += [line for note in report.notes for line in labelled("Note", [note], style)]
    if report.before is not None and (report.broken or style.everything):
        lines += _before(report.before, style)
    lines += _boot(report, style)
    if style.everything:
        lines += ["", *text.rest(report.scan, style)]
    return lines


def _ladder(scan: Scan, style: Style) -> list[str]:
    """The rungs in a line or two: what is sound, what is not, what a disk can't show."""
    words = []
    for state in (LayerState.BROKEN, LayerState.WARNING, LayerState.OK, LayerState.UNCHECKED):
        names = [rung.layer.value for rung in scan.rungs if rung.state is state]
        if names:
            words.append(f"{state.value}: {', '.join(names)}")
    return labelled("Layers", ["; ".join(words)], style)


def _before(before: Before, style: Style) -> list[str]:
    """What changed between the last boot that went well and the first that did not."""
    if not before.happenings:
        return labelled("Changed", [before.why], style)[: None if style.everything else 2] if before.why else []
    since = moment(before.good.first, "%b %d %H:%M") if before.good else ""
    lines = [style.paint("What changed before it broke", BOLD)]
    if since:
        lines[0] += style.safe(f" (since the better boot of {since} UTC)")
    shown = before.happenings if style.everything else before.happenings[:CHANGES]
    lines += [cut(style.safe(f"  {moment(one.time, '%b %d %H:%M')}  {one.what}"), style.columns) for one in shown]
    more = before.left_out + len(before.happenings) - len(shown)
    if more:
        lines.append(f"  and {more} more: agent rescue --all")
    return lines


def _boot(report: RootReport, style: Style) -> list[str]:
    """Will it boot? What was checked, and what can't be known from here."""
    problems = [one for one in report.boot if one.state is BootState.PROBLEM]
    if report.scan is not None and not style.everything:  # consequences go with what explains them
        explained = {finding.id for finding in report.scan.findings if finding.explained_by}
        problems = [one for one in problems if one.finding not in explained] or problems
    doubts = [one for one in report.boot if one.state is BootState.DOUBT]
    good = [one.what for one in report.boot if one.state is BootState.OK]
    unknown = [one.what for one in report.boot if one.state is BootState.UNKNOWN]
    if problems:
        answer, colour = "no", RED
    elif doubts:
        answer, colour = "it may fail", YELLOW
    elif good:
        answer, colour = "yes, as far as the disk shows", GREEN
    else:
        answer, colour = "not known", YELLOW
    lines = [f"{style.paint('Will it boot?', BOLD)} {style.paint(answer, colour)}"]
    for one in (*problems, *doubts):
        lines += _found(one, report.scan, style)
    if good:
        lines += labelled("  sound", [", ".join(dict.fromkeys(good))], style)
    if unknown:
        lines += labelled("  not", [f"known: {', '.join(dict.fromkeys(unknown))}"], style)
    if style.everything:
        rest = [one for one in report.boot if one not in (*problems, *doubts)]
        lines += [line for one in rest for line in _found(one, report.scan, style)]
        lines += [line for sentence in report.unknowable for line in wrap(f"- {style.safe(sentence)}", style, 2)]
    return lines


def _found(one: BootCheck, scan: Scan | None, style: Style) -> Iterator[str]:
    """A check, with what repairs it: the fix where there is one. What the verdict has said is not said again."""
    known = [finding for finding in scan.findings if finding.id == one.finding] if scan else []
    if known and scan and scan.verdict.finding is known[0]:
        yield from wrap(style.safe(f"- {one.what} {STATES[one.state]}: see above"), style, indent=2)
        return
    lines = wrap(style.safe(f"- {one.what} {STATES[one.state]}: {one.why}"), style, indent=2)
    yield from (
        lines if style.everything else [*lines[:2], *(cut(" ".join(lines[2:]), style.columns) for _ in lines[2:3])]
    )
    offer = scan.offers.of(known[0]) if scan and known else None
    if offer is not None:
        yield from commands("  Fix", [offer.command], style)
    elif one.commands and (one.state is BootState.PROBLEM or (style.everything and one.state is not BootState.OK)):
        yield from commands("  Run", one.commands, style)


def closing(reports: Sequence[RootReport], found: Sequence[Disk], style: Style) -> list[str]:
    """What to do now, in order: the screen's last lines."""
    if not reports:
        return labelled("Next", _nothing_found(found), style)
    lines: list[str] = []
    for report in reports:
        command, then = _next(report)
        label = "Next" if not lines else ""
        lines += commands(label, [command], style) if command else []
        lines += labelled("" if command else label, [then], style)
    return lines


def _next(report: RootReport) -> tuple[str, str]:
    """The command to type, "" for none, and what comes after it."""
    device = report.examined.disk.device.path
    again = "then agent rescue again; reboot when it finds nothing more"
    if report.scan is None:
        return (report.next[0], again) if report.next else ("", "what to do is said above")
    if report.scan.interrupted:
        change = report.scan.interrupted[0]
        return invocation("undo", str(change.number), root=device), again
    finding = report.scan.verdict.finding
    offer = report.scan.offers.of(finding) if finding else None
    if offer is not None:
        return offer.command, again
    if report.broken:
        return "", f"do what is said above, then agent rescue again; a shell inside: agent rescue --chroot {device}"
    leave = "leave rescue mode: reboot from Cloud Manager. Still not reached? At Lish, on the running host: agent scan"
    return "", f"{leave}. No password? Cloud Manager, Settings, Reset Root Password"


def _nothing_found(found: Sequence[Disk]) -> list[str]:
    if any(disk.role is Role.CONTAINER and disk.commands for disk in found):
        return ["open what holds others with the commands above, then agent rescue again"]
    if any(disk.role is Role.IN_USE for disk in found):
        return ["unmount what is in use (umount DIR), then agent rescue again; or agent scan --root DIR"]
    return [
        "no disk here holds a system. In Cloud Manager, Rescue, assign the Linode's disk to /dev/sda and reboot"
        " into rescue mode"
    ]
