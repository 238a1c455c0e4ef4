"""What changed before it broke: which boot is the last good one, and the short list of what came after it."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis import happening
from agent.diagnosis.boot_records import BootRecord, Course, records
from agent.diagnosis.changed_files import of_files
from agent.diagnosis.changed_packages import of_run
from agent.diagnosis.happenings import Before, choose, what_changed
from agent.facts.boots import RecordedBoot
from agent.facts.facts import Facts
from agent.facts.package_logs.model import Action, PackageChange, PackageRun
from agent.facts.recent_files import Change, RecentFile
from agent.logs.model import BootSeen, Found, Sign
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.virtual import Dir, File, Node, virtual

NO_WTMP = Unknown("no boot record in /var/log/wtmp", Why.ABSENT)
REACHED = ("reached", "Reached target multi-user.target - Multi-User System.")
SSHD = ("sshd", "Server listening on 0.0.0.0 port 22.")
EMERGENCY = ("stopped", "Reached target emergency.target - Emergency Mode.")
RESCUE = ("stopped", "Reached target rescue.target - Rescue Mode.")
MOUNTS = ("mounts", "Dependency failed for local-fs.target - Local File Systems.")
NETWORK = ("network", "Failed to start networking.service - Raise network interfaces.")
SHUTDOWN = ("shutdown", "Reached target shutdown.target - System Shutdown.")
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


T = at("2026-11-22 14:00:00")


def boot(number: int, *signs: tuple[str, str], whole: bool = True, trusted: bool = True, hours: float = 1) -> BootSeen:
    """The boot of that number; boots begin two hours apart, the newest at T."""
    first = T + number * 2 * HOUR
    given = tuple(Sign(f"sign:{name}", first + 1 + index, text) for index, (name, text) in enumerate(signs))
    return BootSeen(f"{-number:032x}", number, first, first + hours * HOUR, given, whole, trusted)


def judged(*seen: BootSeen, running: bool = False) -> list[BootRecord]:
    """Newest last."""
    return list(records(seen, NO_WTMP, running))


GOOD = boot(-1, SSHD, REACHED, SHUTDOWN)


@pytest.mark.parametrize(
    ("signs", "course", "why"),
    [
        ((SSHD, REACHED), Course.WELL, "reached multi-user.target, sshd listening"),
        ((REACHED,), Course.WELL, "reached multi-user.target"),
        ((MOUNTS, EMERGENCY), Course.STOPPED, "stopped in emergency mode: a filesystem was not mounted"),
        ((EMERGENCY,), Course.STOPPED, "stopped in emergency mode"),
        ((RESCUE,), Course.STOPPED, "stopped in rescue mode"),
        ((EMERGENCY, REACHED), Course.STOPPED, "stopped in emergency mode"),  # somebody helped it on
        ((REACHED, RESCUE), Course.WELL, "reached multi-user.target"),  # it was taken down later
        ((NETWORK, REACHED), Course.NO_NETWORK, "reached multi-user.target, but networking.service failed"),
        ((), Course.STOPPED, "no login prompt: its log ends before that"),
    ],
)
def test_how_a_boot_went_is_told_by_its_messages(signs: Sequence[tuple[str, str]], course: Course, why: str) -> None:
    newest = judged(boot(0, *signs), GOOD)[-1]
    assert (newest.course, newest.why) == (course, why)
    assert newest.good == (course is Course.WELL)


def test_a_network_that_fails_hours_later_does_not_make_a_boot_bad() -> None:
    late = boot(0, REACHED)
    late = dataclasses.replace(late, signs=(*late.signs, Sign("sign:network", T + HOUR, NETWORK[1])))
    assert judged(late)[-1].course is Course.WELL


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ((boot(0, whole=False), GOOD), "its beginning is no longer in the log"),
        ((boot(0), boot(-1)), "no boot in this log says how it went"),
    ],
)
def test_a_log_that_does_not_tell_says_so(seen: Sequence[BootSeen], why: str) -> None:
    newest = judged(*seen)[-1]
    assert isinstance(newest.good, Unknown)
    assert newest.why == why


def test_the_boot_that_still_runs_may_come_up_yet() -> None:
    newest = judged(boot(0), GOOD, running=True)[-1]
    assert isinstance(newest.good, Unknown) and isinstance(newest.clean_end, Unknown)


def test_a_boot_ended_in_order_or_was_cut_off() -> None:
    cut, ended = judged(boot(0, REACHED, SHUTDOWN), boot(-1, REACHED))
    assert (cut.clean_end, ended.clean_end) == (False, True)
    (text,) = judged(boot(0, REACHED, trusted=False))
    assert isinstance(text.clean_end, Unknown)


def test_wtmp_knows_of_boots_that_left_no_journal() -> None:
    seen = (boot(-1, REACHED),)
    wtmp = (RecordedBoot(T - 2 * HOUR + 5, "5"), RecordedBoot(T + 60, ""))
    known = records(seen, wtmp, False)
    assert [record.course for record in known] == [Course.WELL, Course.STOPPED]
    assert known[1].first == T + 60


def test_wtmp_tells_how_a_boot_went_where_the_log_does_not() -> None:
    known = records((boot(0, whole=False),), (RecordedBoot(T + 2, "3"),), False)
    assert [(record.course, record.why) for record in known] == [(Course.WELL, "reached run level 3")]


W, N, S, U = Course.WELL, Course.NO_NETWORK, Course.STOPPED, Course.UNKNOWN


@pytest.mark.parametrize(
    ("courses", "good", "bad"),
    [
        ([W, W, S, S], 1, 2),
        ([W, S, W], 2, None),  # repaired since
        ([W, W], 1, None),  # later boots left nothing
        ([W, W, U], 1, None),
        ([W, U, S], 0, 2),
        ([N, N, S], 1, 2),  # the hook has failed for years: that is not what broke it
        ([W, N, N], 0, 1),
        ([W, N, S], 1, 2),  # the newest is to be explained
        ([S, S], None, 1),
        ([N], None, 0),
        ([U, U], None, None),
        ([], None, None),
    ],
)
def test_the_last_good_boot_and_the_first_bad_one(courses: list[Course], good: int | None, bad: int | None) -> None:
    known = [BootRecord(str(n), T + n, T + n, course, "", Unknown("")) for n, course in enumerate(courses)]
    found = [None if one is None else int(one.id) for one in choose(known)]
    assert found == [good, bad]


@given(st.lists(st.sampled_from(list(Course)), max_size=8))
def test_a_good_boot_always_comes_before_a_worse_bad_one(courses: list[Course]) -> None:
    known = [BootRecord(str(n), T + n, T + n, course, "", Unknown("")) for n, course in enumerate(courses)]
    good, bad = choose(known)
    if good and bad:
        assert int(good.id) < int(bad.id) and bad.course < good.course
        between = known[int(good.id) + 1 : int(bad.id)]
        assert all(record.course is U or record.course >= good.course for record in between)


# -- the list


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d  %H:%M:%S")


def apt(moment: float, what: str, command: str = "apt-get upgrade", end: bool = True) -> str:
    text = f"Start-Date: {stamp(moment)}\nCommandline: {command}\n{what}\n"
    return text + (f"End-Date: {stamp(moment + 30)}\n\n" if end else "\n")


def etc(files: dict[str, Node] | None = None) -> dict[str, Node]:
    """A host that was set up long ago."""
    old: dict[str, Node] = {f"/etc/x/{n}": File("", mtime=T - 9e6, ctime=T - 8e6 + n * 0.01) for n in range(200)}
    return {**old, **(files or {})}


def written(moment: float) -> File:
    return File("x", mtime=moment, ctime=moment)


def changed(seen: Sequence[BootSeen], files: dict[str, Node], limit: int = 12, live: bool = False) -> Before:
    target = virtual(etc(files), mode=Mode.LIVE if live else Mode.OFFLINE)
    return what_changed(Facts(target), Found({}, (), (), boots=tuple(seen)), limit, now=T + 9 * HOUR)


BAD = boot(0, MOUNTS, EMERGENCY)


def test_the_upgrade_that_ran_in_the_last_good_boot_belongs_to_the_list() -> None:
    history = apt(T - HOUR, "Upgrade: grub-pc:amd64 (2.06-13, 2.06-14), tzdata:all (2026a, 2026b), nano:amd64 (7, 8)")
    found = changed([BAD, GOOD], {"/var/log/apt/history.log": history, "/etc/fstab": written(T - HOUR + 900)})
    assert (found.good and found.good.id, found.bad and found.bad.id) == (GOOD.id, BAD.id)
    assert [(one.what, one.kind, one.rank) for one in found.happenings] == [
        ("/etc/fstab changed", "config", 0),
        ("upgraded grub-pc 2.06-13 -> 2.06-14", "packages", 0),
        ("3 packages upgraded (apt-get upgrade)", "packages", 1),
    ]
    assert found.happenings[1].source == "/var/log/apt/history.log:1"
    assert found.why == (
        "between the boot of Nov 22 12:00 (reached multi-user.target, sshd listening) and that of "
        "Nov 22 14:00 (stopped in emergency mode: a filesystem was not mounted)"
    )


@pytest.mark.parametrize(
    ("moment", "lines"),
    [
        (T - 2 * HOUR - 60, []),
        (T - 2 * HOUR + 90, ["/etc/app/conf changed"]),
        (T - 60, ["/etc/app/conf changed"]),
        (T + 60, []),
    ],
    ids=["before the good boot", "in it", "just before the bad one", "in the bad one"],
)
def test_the_window_is_from_the_good_boots_start_to_the_bad_ones(moment: float, lines: list[str]) -> None:
    found = changed([BAD, GOOD], {"/etc/app/conf": written(moment)})
    assert [one.what for one in found.happenings] == lines


def test_a_telling_file_that_somebody_tried_to_repair_stays_in_the_list() -> None:
    files: dict[str, Node] = {"/etc/fstab": written(T + 600), "/etc/ssh/sshd_config": written(T - 600)}
    found = changed([BAD, GOOD], files)
    assert [one.what for one in found.happenings] == [
        "/etc/ssh/sshd_config changed",
        "/etc/fstab changed (after it broke)",
    ]


def test_a_boot_that_left_nothing_leaves_the_window_open() -> None:
    history = apt(T + 8 * HOUR, "Install: linux-image-6.1.0-51-amd64:amd64 (6.1.180-1, automatic)", "apt full-upgrade")
    found = changed([boot(0, REACHED, SHUTDOWN)], {"/var/log/apt/history.log": history})
    assert found.bad is None and found.good is not None
    assert [one.what for one in found.happenings] == ["installed linux-image-6.1.0-51-amd64 6.1.180-1"]
    assert found.happenings[0].kind == "kernel"
    assert found.why.endswith("the newest that left a log")


def test_what_came_before_a_boot_that_looks_good_is_shown_where_nothing_came_after() -> None:
    found = changed([boot(0, REACHED), boot(-1, REACHED)], {"/etc/network/interfaces": written(T - 60)})
    assert [one.what for one in found.happenings] == ["/etc/network/interfaces changed"]
    assert "nothing is known to have changed since" in found.why


def test_a_run_that_did_not_come_to_its_end_is_said_first() -> None:
    history = apt(T - HOUR, "Upgrade: libc6:amd64 (2.36-9, 2.36-10)", "/usr/bin/apt-get -y -q dist-upgrade", end=False)
    found = changed([BAD, GOOD], {"/var/log/apt/history.log": history})
    assert [one.what for one in found.happenings] == [
        "apt-get dist-upgrade: it did not come to its end",
        "upgraded libc6 2.36-9 -> 2.36-10",
    ]


def test_files_that_changed_while_packages_did_are_the_packages_doing() -> None:
    history = apt(T - HOUR, "Upgrade: openssh-server:amd64 (1:9.2, 1:9.3)")
    files: dict[str, Node] = {
        "/var/log/apt/history.log": history,
        "/etc/ssh/sshd_config": written(T - HOUR + 10),
        "/etc/ssh/sshd_config.d/my.conf": written(T - HOUR + 600),
    }
    found = changed([BAD, GOOD], files)
    assert [one.what for one in found.happenings] == [
        "/etc/ssh/sshd_config.d/my.conf changed",
        "upgraded openssh-server 1:9.2 -> 1:9.3",
    ]


def test_without_any_boot_the_newest_changes_are_shown_and_it_is_said() -> None:
    files: dict[str, Node] = {"/etc/fstab": written(T), "/etc/hosts": written(T - 60 * 86400)}
    found = changed([], files)
    assert [one.what for one in found.happenings] == ["/etc/fstab changed"]
    assert found.why == "no journal, syslog or wtmp tells of a boot: these are the newest changes"


def test_where_all_boots_are_alike_it_is_said() -> None:
    found = changed([boot(0, EMERGENCY), boot(-1, EMERGENCY)], {"/etc/fstab": written(T - 60)})
    assert (found.good, found.bad and found.bad.id) == (None, boot(0).id)
    assert "no boot in the logs went better than the newest (stopped in emergency mode)" in found.why


def test_what_a_boots_own_services_write_comes_behind_and_is_marked() -> None:
    found = changed(
        [BAD, GOOD], {"/etc/resolv.conf": written(T - 2 * HOUR + 10), "/etc/fstab": written(T - 2 * HOUR + 600)}
    )
    assert [one.what for one in found.happenings] == ["/etc/fstab changed", "/etc/resolv.conf changed (at boot)"]


def test_a_disk_that_was_restored_is_one_line() -> None:
    restored = T - HOUR
    files: dict[str, Node] = {f"/etc/x/{n}": File("", mtime=T - 9e6, ctime=restored + n * 0.01) for n in range(200)}
    found = changed([BAD, GOOD], files)
    assert [one.what for one in found.happenings] == ["the disk was set up, restored or copied: most of /etc is of..."]


def test_packages_that_no_log_tells_of_are_known_by_their_database() -> None:
    found = changed([BAD, GOOD], {"/var/lib/rpm/Packages": written(T - HOUR)})
    assert [(one.what, one.source) for one in found.happenings] == [
        ("packages were changed; no log says which", "/var/lib/rpm/Packages")
    ]


def test_a_long_list_is_cut_at_its_less_telling_end_and_counted() -> None:
    files: dict[str, Node] = {f"/etc/app{n}/conf": written(T - HOUR + n * 130) for n in range(20)}
    files["/etc/fstab"] = written(T - 1.9 * HOUR)
    found = changed([BAD, GOOD], files, limit=6)
    assert (len(found.happenings), found.left_out) == (6, 15)
    assert found.happenings[0].what == "/etc/fstab changed"
    times = [one.time for one in found.happenings[1:]]
    assert times == sorted(times, reverse=True)


def test_a_boot_that_only_the_kernels_messages_tell_of_is_named() -> None:
    files: dict[str, Node] = {"/var/log/dmesg": written(T + 5 * HOUR)}
    found = changed([boot(0, REACHED)], files)
    assert found.bad is None
    assert found.why.endswith("of that of Nov 22 19:00, of this boot there is only its beginning")


def test_what_could_not_be_read_is_said() -> None:
    files: dict[str, Node] = {"/var/log/dpkg.log.2.gz": File(gzip.compress(b"x" * 9000)[:20], mtime=T)}
    assert "damaged" in changed([BAD, GOOD], files).unread[0]


# -- the lines


def run(*changes: PackageChange, command: str = "apt upgrade", failed: str = "") -> PackageRun:
    return PackageRun(T, T + 60, changes, "/var/log/apt/history.log", 7, command, failed)


def upgraded(*packages: str) -> tuple[PackageChange, ...]:
    return tuple(PackageChange(Action.UPGRADED, package, "1.0", "1.1") for package in packages)


def test_a_large_upgrade_is_few_lines_with_what_tells_first() -> None:
    packages = ("bash", "openssh-server", "libc6", "grub-pc", "ifupdown", "initramfs-tools", "systemd", "udev", "vim")
    changes = upgraded("linux-image-amd64", *packages, *(f"lib{n}" for n in range(40)))
    kernels = ("linux-headers-6.1.0-51", "linux-image-6.1.0-51-amd64")
    changes += tuple(PackageChange(Action.INSTALLED, name, "", "6.1.180-1") for name in kernels)
    assert [(one.what, one.kind) for one in of_run(run(*changes))] == [
        ("upgraded linux-image-amd64 1.0 -> 1.1", "kernel"),
        ("installed linux-image-6.1.0-51-amd64 6.1.180-1", "kernel"),
        ("upgraded grub-pc, initramfs-tools, ifupdown and 4 more", "packages"),
        ("50 packages upgraded, 2 installed (apt upgrade)", "packages"),
    ]


def test_a_removal_of_what_the_network_needs_goes_before_upgrades() -> None:
    changes = (*upgraded("grub-pc", "openssh-server"), PackageChange(Action.REMOVED, "ifupdown", "0.8"))
    assert next(iter(of_run(run(*changes)))).what == "removed ifupdown, and 2 others"


@pytest.mark.parametrize(
    ("package", "kind"),
    [
        ("linux-image-6.1.0-50-cloud-amd64", "kernel"),
        ("kernel-core", "kernel"),
        ("linux-lts", "kernel"),
        ("linux", "kernel"),
        ("kernel-default", "kernel"),
        ("sys-kernel/gentoo-kernel-bin", "kernel"),
        ("linux-libc-dev", "packages"),
        ("linux-base", "packages"),
        ("kernel-headers", "packages"),
    ],
)
def test_what_is_a_kernel(package: str, kind: str) -> None:
    (one,) = of_run(run(*upgraded(package)))
    assert one.kind == kind


def test_options_take_no_room_from_what_a_command_was_for() -> None:
    changes = upgraded(*(f"p{n}" for n in range(5)))
    command = "/usr/bin/apt-get -y -o Dpkg::Options::=--force-confold --quiet=2 full-upgrade"
    (one,) = of_run(run(*changes, command=command))
    assert one.what == "5 packages upgraded (apt-get full-upgrade)"


def test_an_error_of_dpkg_is_said_with_the_command() -> None:
    failed = "Sub-process /usr/bin/dpkg returned an error code (1)"
    first = next(iter(of_run(run(*upgraded("nano"), command="apt-get -y upgrade", failed=failed))))
    assert (first.what, first.rank) == ("apt-get upgrade: dpkg returned an error code (1)", 0)


def files(*paths: str, change: Change = Change.WRITTEN, apart: float = 1) -> list[RecentFile]:
    telling = not paths[0].startswith("/etc/app")
    return [RecentFile(path, T - index * apart, change, telling) for index, path in enumerate(paths)]


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (files("/etc/fstab"), ["/etc/fstab changed"]),
        (files("/etc/ssh/a", "/etc/ssh/b"), ["/etc/ssh/a, /etc/ssh/b changed"]),
        (files(*(f"/etc/ufw/rules{n}.conf" for n in range(9))), ["9 files in /etc/ufw changed"]),
        (files("/etc/fstab", "/etc/hosts", apart=999), ["/etc/fstab changed", "/etc/hosts changed"]),
        (files("/etc/fstab", "/etc/ssh/sshd_config"), ["/etc/fstab changed", "/etc/ssh/sshd_config changed"]),
        (files("/etc/app/a", "/etc/appb/b"), ["/etc/app/a, /etc/appb/b changed"]),
        (files("/etc/netplan", change=Change.REMOVED), ["/etc/netplan: an entry was removed or renamed"]),
        (files("/etc/fstab", change=Change.MODE), ["/etc/fstab: mode, owner or name changed"]),
    ],
)
def test_files_that_lie_and_changed_together_are_one_line(given: list[RecentFile], lines: list[str]) -> None:
    assert [one.what for one in of_files(given, (), ())] == lines


NASTY = st.one_of(
    st.text(max_size=90),
    st.text(alphabet="a/\x1b[2J\n\r\u202e-. ", max_size=400),
    st.from_regex(r"\A[a-z-]{1,200}\Z"),
)


@given(
    st.lists(st.builds(PackageChange, st.sampled_from(list(Action)), NASTY, NASTY, NASTY), max_size=9),
    NASTY,
    NASTY,
    st.lists(NASTY, max_size=9),
)
def test_no_name_breaks_the_console(changes: list[PackageChange], command: str, failed: str, names: list[str]) -> None:
    lines = list(of_run(run(*changes, command=command, failed=failed)))
    for change in Change:
        lines += of_files([RecentFile(f"/etc/{name}", T, change, True) for name in names], (), [(T, T)])
    for line in lines:
        assert len(line.what) <= happening.WIDTH
        assert line.what.isprintable()


def test_a_folder_that_lost_a_file_is_told() -> None:
    found = changed([BAD, GOOD], {"/etc/netplan": Dir(mtime=T - 60, ctime=T - 60)})
    assert [one.what for one in found.happenings] == ["/etc/netplan: an entry was removed or renamed"]
