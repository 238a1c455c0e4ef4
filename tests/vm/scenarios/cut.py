"""The plug is pulled while something is being changed."""

from __future__ import annotations

from tests.vm.disk import Disk
from tests.vm.model import LOGIN, Scenario
from tests.vm.play import Play
from tests.vm.scenarios.network import NAMES, predictable_names
from tests.vm.system import HELPER, INTERFACES, PASSWORD

_PACKAGE = "/root/office-network"
_STANZA = "/etc/network/interfaces.d/eth0"
_SECONDS = 12  # that its new version takes to convert its configuration
_POSTINST = f"""\
#!/bin/sh
set -e
[ -z "$2" ] || {{ echo "converting the configuration of eth0 ..."; sleep {_SECONDS}; }}
cp /usr/share/office-network/eth0 {_STANZA}
"""
_PREINST = f'#!/bin/sh\n[ "$1" != upgrade ] || rm -f {_STANZA}\n'
# Every rename of the program takes two seconds more, and shows on the console when it begins.
_SLOWLY = "strace -f -qq -e signal=none -e trace=/rename -e inject=/rename:delay_exit=2000000"


def packages(disk: Disk) -> None:
    """A package of the owner's brings eth0's stanza, and its next version is at hand."""
    head, _, stanza = HELPER.partition("auto eth0\n")
    with disk.opened() as root:
        root.write(INTERFACES, head)
        for version in ("1.0", "2.0"):
            place = f"{_PACKAGE}-{version}"
            control = f"Package: office-network\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\n"
            root.write(f"{place}/DEBIAN/control", f"{control}Description: how this office names its networks\n")
            root.write(f"{place}/DEBIAN/postinst", _POSTINST, 0o755)
            root.write(f"{place}/DEBIAN/preinst", _PREINST, 0o755)
            root.write(f"{place}/usr/share/office-network/eth0", f"auto eth0\n{stanza}")
            root.run("dpkg-deb", "--build", "--root-owner-group", place)
        root.run("dpkg", "--install", f"{_PACKAGE}-1.0.deb")


def upgrade_cut_short(play: Play) -> None:
    """dpkg has unpacked the new version, and is half-way through setting it up."""
    with play.phase("upgrade"), play.machine("A healthy host is upgraded, and loses its power") as machine:
        machine.log_in(PASSWORD)
        machine.type(f"dpkg -i {_PACKAGE}-2.0.deb")
        machine.expect("converting the configuration")
        machine.pause(2)
    with play.phase("broken boot"), play.machine("The broken disk boots") as machine:
        machine.log_in(PASSWORD)
        if machine.answers(3):
            play.problem("the broken machine is reachable")
        machine.type("apt-get install --yes nano")
        machine.expect(play.scenario.shows)
        play.outcome.shown = machine.cross_the_line()
        machine.prompt()
        machine.power_off()
    play.rescue()
    play.reach()


def fix_cut_short(play: Play) -> None:
    """The host's owner repairs it at Lish, and the power fails between the first file and the last."""
    play.before = {path: play.disk.read(path) for path in NAMES}
    with play.phase("broken boot"), play.machine("The owner repairs at Lish, and the power fails") as machine:
        machine.expect(play.scenario.shows, seconds=play.scenario.patience)
        play.outcome.shown = machine.cross_the_line()
        machine.log_in(PASSWORD)
        if machine.answers(1):
            play.problem("the broken machine is reachable")
        machine.type(f"{_SLOWLY} agent fix --interface-names")
        machine.expect(r'rename[^\n]*"grub\.cfg"', seconds=180)
        machine.pause(1)
    play.rescue()
    if not any("agent undo" in fix for fix in play.outcome.fixes):
        play.problem("the fix that was cut short was never taken back")
    play.reach()


def unknown_password(disk: Disk) -> None:
    """Nobody knows root's password any more; all else is well."""
    with disk.opened() as root:
        root.run("usermod", "-p", "$6$forgotten$" + "x" * 86, "root")


def refused_at_the_door(play: Play) -> None:
    """It is no job of the program's: it says so, and where."""
    with play.phase("broken boot"), play.machine("Nobody knows the password") as machine:
        machine.expect(LOGIN, seconds=play.scenario.patience)
        machine.type("root")
        machine.expect("Password: ")
        machine.type(PASSWORD)
        machine.expect(play.scenario.shows)
        play.outcome.shown = machine.cross_the_line()
    with play.rescue_system() as machine:
        said = play.examine(machine, first=True)
        play.outcome.verdict = play.verdict(said)
        told = said.output + machine.run("agent rescue --help").output
        if "Reset Root Password" not in told:
            play.problem(f"where the root password is reset is not said:\n{said.output}")
        play.outcome.fixes.append("none of its own: Cloud Manager, Reset Root Password")
    play.reach()  # by key


SCENARIOS = (
    Scenario(
        "c",
        "dpkg was killed half-way through an upgrade",
        packages,
        shows="dpkg was interrupted, you must",
        ends=LOGIN,
        finding="dpkg",
        fix="--dpkg",
        play=upgrade_cut_short,
    ),
    Scenario(
        "h",
        "nobody knows root's password",
        unknown_password,
        shows="Login incorrect",
        ends=LOGIN,
        finding="",
        fix="",
        play=refused_at_the_door,
    ),
    Scenario(
        "j",
        "the power failed in the middle of agent fix",
        predictable_names,
        shows=r"renamed from eth0",
        ends=LOGIN,
        finding=r"interrupted|undo",
        fix="--interface-names",
        play=fix_cut_short,
    ),
)
