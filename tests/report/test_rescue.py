"""The screen of rescue mode: 80 columns, harmless, the command to type in its last lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.change.model import Plan
from agent.diagnosis.bootable import BootCheck, BootState
from agent.diagnosis.happenings import Before, BootRecord, Course, Happening
from agent.facts.devices import BlockDevice
from agent.facts.filesystem import Check, Health
from agent.fixes.model import Fix, Refusal
from agent.fixes.offers import Offer, Offers
from agent.report import repairs as repairs_report
from agent.report import rescue, rescue_json
from agent.report.harmless import width
from agent.report.rescue import RootReport, size
from agent.report.style import Style
from agent.rescue.model import Disk, Examined, Role
from agent.rescue.repairs import Repair, State, Step
from agent.unknown import Unknown
from tests.diagnosis.build import finding
from tests.report.test_text import CONTROL, EVIL, scan

DOCS = Path(__file__).parents[2] / "docs"
valid_rescue, valid_scan, valid_repair = (
    fastjsonschema.compile(json.loads((DOCS / f"{name}.schema.json").read_text()))
    for name in ("rescue", "scan", "repair")
)
SDA = Disk(BlockDevice("/dev/sda", ("/dev/sda", "UUID=ab"), "ext4", 5 << 30), Role.ROOT, "Debian 12, host web")
SWAP = Disk(BlockDevice("/dev/sdb", ("/dev/sdb",), "swap", 512 << 20), Role.SWAP, "swap")
CLEAN = Check("/dev/sda", "ext4", Health.CLEAN, "", ("e2fsck", "-fn"), "", 0, 3.0)
GOOD = BootRecord("b1", 1.7e9, 1.7e9 + 60, Course.WELL, "reached multi-user.target", Unknown("-"))


def report(text: str = "plain", broken: bool = True) -> RootReport:
    one = finding(proof=text)
    found = scan(one, text=text) if broken else scan(text=text)
    fix = Fix("sendmail", "", (one.id,), lambda request: Refusal(""))
    command = "agent fix --sendmail --device /dev/sda"
    offer = Offer(fix, one, "", command, "agent undo --device /dev/sda", Plan("Moves it.", ()))
    # the offer belongs to the finding as it stands in the scan
    offers = Offers(tuple(replace(offer, finding=each) for each in found.findings))
    return RootReport(
        Examined(SDA, replace(CLEAN, why=text)),
        replace(found, offers=offers),
        boot=(
            BootCheck("kernel", BootState.OK, text),
            BootCheck("fstab", BootState.DOUBT, text, ("blkid",)),
            BootCheck("route", BootState.PROBLEM if broken else BootState.OK, text, ("ip r",), finding=one.id),
        ),
        unknowable=(text,),
        before=Before(GOOD, None, (Happening(1.7e9, text, "config", "/etc/fstab"),), 3, text),
        notes=(text,),
    )


def screen(one: RootReport, style: Style) -> list[str]:
    return [
        *rescue.disks((SDA, SWAP), style),
        *rescue.check(one.examined.check, style),
        *rescue.root(one, style),
        *rescue.closing((one,), (SDA, SWAP), style),
    ]


def test_the_last_lines_hold_the_command_to_type() -> None:
    lines = screen(report(), Style())
    assert "Next    agent fix --sendmail --device /dev/sda" in lines[-3:]
    assert any(line.startswith("Undo    agent undo --device /dev/sda") for line in lines)


def test_what_the_verdict_says_is_not_said_again_among_the_checks_of_the_boot() -> None:
    lines = screen(report("the gateway is wrong"), Style())
    assert "- route no: see above" in lines
    assert not any("ip r" in line and "Run" in line for line in lines if "ip route" not in line)


def test_a_healthy_disk_ends_with_how_to_leave() -> None:
    lines = screen(report(broken=False), Style())
    assert not any(line.startswith("What changed") for line in lines)
    assert "reboot from Cloud Manager" in " ".join(lines[-3:])
    assert any(line.startswith("Will it boot? it may fail") for line in lines)


def test_a_disk_that_cant_be_mounted_is_a_verdict_with_its_fix() -> None:
    one = RootReport(
        Examined(SDA, replace(CLEAN, health=Health.UNREADABLE)),
        None,
        why="bad superblock",
        next=("agent fix --fsck --device /dev/sda",),
        undo=("agent undo fsck",),
    )
    lines = screen(one, Style())
    assert "BROKEN at storage: /dev/sda can't be mounted" in lines
    assert "Fix     agent fix --fsck --device /dev/sda" in lines
    assert one.broken


def test_without_a_system_it_says_what_to_do() -> None:
    locked = Disk(
        BlockDevice("/dev/sdc", ("/dev/sdc",), "LVM2_member"), Role.CONTAINER, "LVM", "not opened", ("vgchange -ay",)
    )
    used = Disk(BlockDevice("/dev/sda", ("/dev/sda",), "ext4"), Role.IN_USE, "in use", "is mounted on /mnt")
    assert "commands above" in " ".join(rescue.closing((), (locked,), Style()))
    assert "umount" in " ".join(rescue.closing((), (used,), Style()))
    assert "/dev/sda" in " ".join(rescue.closing((), (SWAP,), Style()))
    assert any("vgchange -ay" in line for line in rescue.disks((locked,), Style()))
    assert any("in use: mounted on /mnt" in line for line in rescue.disks((used,), Style()))


@settings(deadline=None)
@given(st.text(max_size=300), st.booleans())
def test_no_control_character_and_no_long_line_reaches_the_terminal(text: str, utf8: bool) -> None:
    for evil in (text, EVIL):
        disk = replace(SDA, what=evil, why=evil)
        style = Style(unicode=utf8)
        lines = [*rescue.disks((disk,), style), *screen(report(evil), style)]
        for line in lines:
            assert not CONTROL.search(line.replace("\n", ""))
            # a wide letter at the edge may stick out by one, as in every program that wraps by letters
            assert not line.isascii() or width(line) <= 80 or "agent " in line or "ip r" in line


@settings(deadline=None)
@given(st.text(max_size=100))
def test_the_json_follows_its_schema(text: str) -> None:
    for evil in (text, EVIL):
        lost = RootReport(Examined(SDA, CLEAN), None, why=evil, next=(evil,))
        document = rescue_json.render((replace(SDA, what=evil), SWAP), (report(evil), lost))
        assert document.isascii()
        valid_rescue(json.loads(document))
        valid_scan(json.loads(document)["roots"][0]["scan"])


@settings(deadline=None)
@given(st.text(max_size=100))
def test_the_json_of_a_repair_follows_its_schema(text: str) -> None:
    for evil in (text, EVIL):
        step = Step(("e2fsck", "-fp", evil), 1, evil, 0.5, "undo-1", "a", "b")
        one = Repair("fsck-1", evil, "ext4", "ab", State.REPAIRED, 1.7e9, (step,), why=evil, place=evil)
        document = repairs_report.render((one,), CLEAN, evil, evil)
        valid_repair(json.loads(document))
        lines = [*repairs_report.step(step, Style()), *repairs_report.done(one, Style())]
        assert not any(CONTROL.search(line) for line in lines)


def test_an_undo_is_offered_only_where_there_is_one() -> None:
    step = Step(("e2fsck",), 1, "", 0.5, "undo-1", "a", "b")
    one = Repair("fsck-1", "/dev/sda", "ext4", "ab", State.REPAIRED, 1.7e9, (step,))
    assert any("agent undo fsck-1" in line for line in repairs_report.undo(one, Style()))
    kept = repairs_report.undo(replace(one, no_undo="XFS has no undo file"), Style())
    assert kept == ["Undo    can't be undone: XFS has no undo file"]
    assert repairs_report.undo(replace(one, steps=()), Style()) == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (512 << 20, "512 MiB"), (1288490189, "1.2 GiB"), (900 << 20, "900 MiB")]
)
def test_sizes_are_what_lsblk_would_say(count: int, text: str) -> None:
    assert size(count) == text
