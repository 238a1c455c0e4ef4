"""The timeline and since when: from boots, packages, files, changes, findings and logins."""

from __future__ import annotations

import struct
from dataclasses import replace

from agent.diagnosis.boot_records import BootRecord, Course
from agent.diagnosis.happenings import Before, Happening
from agent.logs.model import BootSeen, Found, Sign
from agent.target import Target
from agent.ticket.model import Event, EventKind
from agent.ticket.since import CHANGED, since
from agent.ticket.timeline import MOST, timeline
from agent.unknown import Unknown
from tests.ticket import samples
from tests.virtual import virtual

NOW = samples.when("2026-11-23 19:00:00")
GOOD, BAD = samples.when("2026-11-21 06:02:00"), samples.when("2026-11-23 09:40:00")
NOTHING = Before(None, None, (), 0, "no journal, syslog or wtmp tells of a boot")


def login(user: str, host: str, time: float) -> bytes:
    """A record of wtmp: utmp(5), as glibc writes it on x86."""
    head = struct.pack("<hxxi32s4s32s256s", 7, 1, b"pts/0", b"", user.encode(), host.encode())
    return (head + struct.pack("<hhiII", 0, 0, 0, int(time), 0)).ljust(384, b"\0")


def seen(number: int, first: float, *signs: str) -> BootSeen:
    told = tuple(Sign(f"sign:{name}", first + 10, f"{name}") for name in signs)
    return BootSeen(f"{number:032x}", number, first, first + 100, told, whole=True, trusted=True)


def events(target: Target | None = None, found: Found | None = None, before: Before = NOTHING) -> tuple[Event, ...]:
    return timeline(target or virtual({}), found or Found({}, (), ()), (), (), before, NOW)


def test_boots_are_told_with_how_they_went() -> None:
    found = Found({}, (), ("journal",), boots=(seen(0, BAD, "stopped"), seen(-1, GOOD, "reached")))
    told = [event.text for event in events(found=found) if event.kind is EventKind.BOOT]
    assert told[0].startswith("booted, and came up: reached multi-user.target")
    assert told[1].startswith("boot failed: stopped in emergency mode")


def test_logins_come_from_wtmp_and_are_harmless() -> None:
    wtmp = login("admin", "198.51.100.7", BAD) + login("\x1b[2Jx", "h" * 200, BAD + 1)
    told = [event for event in events(virtual({"/var/log/wtmp": wtmp})) if event.kind is EventKind.LOGIN]
    assert told[0].text == "admin logged in from 198.51.100.7"
    assert told[1].text.isprintable()
    assert len(told[1].text) < 120


def test_packages_come_from_their_log() -> None:
    log = "\nStart-Date: 2026-11-22  14:03:00\nCommandline: apt-get -y upgrade\n"
    log += "Upgrade: grub-pc:amd64 (2.06-13, 2.06-14)\nEnd-Date: 2026-11-22  14:04:00\n"
    told = [event for event in events(virtual({"/var/log/apt/history.log": log})) if event.kind is EventKind.PACKAGE]
    assert [event.text for event in told] == ["upgraded grub-pc 2.06-13 -> 2.06-14"]


def test_our_changes_and_their_undo_are_both_told() -> None:
    told = timeline(virtual({}), Found({}, (), ()), (), samples.changes(), NOTHING, NOW)
    words = [event.text for event in told if event.kind is EventKind.CHANGE]
    assert any(text.startswith("agent fix --") for text in words)
    assert any(text.startswith("agent undo of ") for text in words)


def test_the_first_and_the_last_sign_of_a_finding_are_told() -> None:
    told = timeline(virtual({}), Found({}, (), ()), samples.findings(), (), NOTHING, NOW)
    words = [event.text for event in told if "ifup-hook-sendmail" in event.text]
    assert [text.split()[0] for text in words] == ["first", "last"]


def test_events_are_in_order_and_each_is_told_once() -> None:
    happening = Happening(BAD, "/etc/fstab changed", "config", "/etc/fstab")
    told = events(before=replace(NOTHING, happenings=(happening, happening)))
    assert [event.text for event in told] == ["/etc/fstab changed"]
    many = timeline(virtual({}), Found({}, (), ()), samples.findings(), samples.changes(), NOTHING, NOW)
    assert list(many) == sorted(many, key=lambda event: event.time)


def test_a_flood_of_logins_is_bounded_to_the_newest() -> None:
    wtmp = b"".join(login(f"u{number}", "", BAD + number) for number in range(500))
    told = [event for event in events(virtual({"/var/log/wtmp": wtmp})) if event.kind is EventKind.LOGIN]
    assert len(told) == MOST[EventKind.LOGIN]
    assert told[-1].text == "u499 logged in"


def test_old_events_and_times_that_can_not_be_are_left_out() -> None:
    wtmp = login("old", "", NOW - 400 * 86400) + login("future", "", NOW + 30 * 86400) + login("now", "", NOW)
    told = [event.text for event in events(virtual({"/var/log/wtmp": wtmp}))]
    assert told == ["now logged in"]


# -- since when


def record(first: float, course: Course, why: str) -> BootRecord:
    return BootRecord("", first, first + 100, course, why, Unknown("it still runs"))


def text(before: Before, **changed: object) -> str:
    scan = samples.scan()
    cause = scan.verdict.finding
    assert cause is not None
    verdict = replace(scan.verdict, finding=replace(cause, **changed))  # type: ignore[arg-type]
    return since(replace(scan, verdict=verdict), before, GOOD).text


def test_the_first_boot_that_failed_and_the_last_that_did_not() -> None:
    good, bad = record(GOOD, Course.WELL, "reached it"), record(BAD, Course.STOPPED, "stopped in emergency mode")
    happening = Happening(BAD - 60, "/etc/fstab changed", "config", "/etc/fstab")
    told = text(Before(good, bad, (happening,), 3, "between them"))
    assert told.startswith("Since the boot of 2026-11-23 09:40:00 UTC at the latest: stopped in emergency mode.")
    assert "that went better was that of 2026-11-21 06:02:00 UTC" in told
    assert "2026-11-23 09:39:00  /etc/fstab changed" in told.partition(CHANGED)[2]
    assert "and 3 more" in told


def test_what_no_log_tells_is_not_known() -> None:
    assert text(NOTHING, first=None, last=None).startswith("Not known: no journal")


def test_without_a_failed_boot_the_first_sign_counts() -> None:
    told = text(Before(record(GOOD, Course.WELL, "reached it"), None, (), 0, ""))
    assert "After the beginning of the boot of 2026-11-21 06:02:00 UTC, which went well" in told
    assert "first sign in the logs is of 2026-11-23 09:41:07 UTC" in told


def test_a_boot_that_went_well_and_no_sign_is_not_known_exactly() -> None:
    told = text(Before(record(GOOD, Course.WELL, "reached it"), None, (), 0, ""), first=None, last=None)
    assert told.startswith("Not known exactly")
