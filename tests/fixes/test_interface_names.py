"""--interface-names: the kernel's names are kept from the next boot on, and nothing of an admin's is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.change.model import Link, MakeFolder, Plan, Run, WriteFile
from agent.diagnosis.model import Holds
from agent.diagnosis.proofs import naming
from agent.facts.facts import Facts
from agent.facts.managers import Managers, ManagerState
from agent.facts.netconfig.model import Manager
from agent.fixes import imagined
from agent.fixes.interface_names import FIX
from agent.fixes.model import Planned, Refusal, Request
from agent.fixes.offers import look
from agent.target.model import Mode
from tests.diagnosis.build import finding
from tests.fixes.test_boot_options import HOST, PROGRAM
from tests.lab.base import LAYERS
from tests.lab.isolation import REPOSITORY, isolated, why_not
from tests.proofs.managed import link, prove
from tests.proofs.test_names import RENAMED, kernel_said
from tests.virtual import File, Node, virtual
from tests.virtual import Link as SymbolicLink

UDEV: dict[str, Node] = {
    "/usr/lib/systemd/network/99-default.link": "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel slot path\n",
    "/usr/lib/udev/rules.d/80-net-setup-link.rules": 'IMPORT{builtin}="net_setup_link"\n',
}
INTERFACES = "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n"
DEBIAN: dict[str, Node] = {
    **HOST,
    "/etc/network/interfaces": INTERFACES,
    **UDEV,
    "/usr/sbin/update-initramfs": PROGRAM,
    "/etc/systemd/system.conf": "",
    "/etc/udev/rules.d/README": "",
}
LIVE: dict[str, Node] = {
    "/proc/cmdline": "root=/dev/sda ro console=ttyS0\n",
    "/proc/stat": "cpu 1\nbtime 1700000000\n",
    "/proc/sys/kernel/osrelease": "6.1.0-9-amd64\n",
}


def facts(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE, name: str = "ens3") -> Facts:
    found = Facts(virtual(files, mode))
    manager = Manager.IFUPDOWN
    found.__dict__["managers"] = Managers(
        {manager: ManagerState(manager, True, True, False, True, True, "networking.service")}, (manager,)
    )
    if mode is Mode.LIVE:
        found.__dict__.update(links=(link(name, ""),), routes=())
    return found


def request(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE, new: str = "ens3", **more: str) -> Request:
    values = {"old": "eth0", "iface": new, "file": "/etc/network/interfaces", **more}
    return Request(facts(files, mode, new), (replace(finding("interface-renamed"), values=values),))


def planned(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE) -> Plan:
    found = FIX.plan(request(files, mode))
    assert isinstance(found, Plan), found
    return found


def links(found: Planned) -> dict[str, str]:
    assert isinstance(found, Plan), found
    return {one.path: one.to for one in found.operations if isinstance(one, Link)}


def writes(found: Planned) -> dict[str, str]:
    assert isinstance(found, Plan), found
    return {one.path: one.content.decode() for one in found.operations if isinstance(one, WriteFile)}


def runs(found: Plan) -> list[Run]:
    return [one for one in found.operations if isinstance(one, Run)]


def test_the_guides_masks_grubs_word_and_the_initrd_are_one_plan() -> None:
    found = planned(DEBIAN)
    assert links(found) == {naming.LINK: "/dev/null", naming.RULES: "/dev/null"}
    assert set(writes(found)) == {"/etc/default/grub", "/boot/grub/grub.cfg"}
    (run,) = runs(found)
    assert run.argv == ("update-initramfs", "-u", "-k", "all")
    assert not run.required  # the kernel's command line does without
    assert found.operations[-1] is run
    assert found.reboot


def test_the_next_boot_of_the_planned_disk_keeps_the_names() -> None:
    given = request(DEBIAN)
    assert not naming.next_boot(given.facts).off
    found = FIX.plan(given)
    assert isinstance(found, Plan)
    after = Facts(imagined.after(given.facts.target, found.operations))
    assert naming.next_boot(after).options_off
    assert naming.next_boot(after).masks == (naming.LINK, naming.RULES)


def test_without_a_boot_menu_the_masks_do_it_and_the_initrd_is_required() -> None:
    files = {path: node for path, node in DEBIAN.items() if "grub" not in path}
    found = planned(files)
    assert not writes(found)
    (run,) = runs(found)
    assert run.required
    assert any("the masks alone" in warning for warning in found.warnings)


def test_masks_that_no_initrd_would_take_up_are_refused_with_what_to_do() -> None:
    files = {path: node for path, node in DEBIAN.items() if "grub" not in path and "initramfs" not in path}
    found = FIX.plan(request(files))
    assert isinstance(found, Refusal)
    assert "initrd" in found.why
    assert "=config" in found.hint


def test_folders_that_are_missing_are_made_first() -> None:
    files = {path: node for path, node in DEBIAN.items() if not path.startswith(("/etc/systemd", "/etc/udev"))}
    found = planned(files)
    made = [one.path for one in found.operations if isinstance(one, MakeFolder)]
    assert made == ["/etc/systemd", "/etc/systemd/network", "/etc/udev", "/etc/udev/rules.d"]


def test_an_admins_own_default_link_loses_its_policy_for_names_alone() -> None:
    text = "# ours\n[Match]\nOriginalName=*\n[Link]\nNamePolicy=onboard slot\nMACAddressPolicy=none\n"
    found = planned({**DEBIAN, naming.LINK: text})
    assert writes(found)[naming.LINK] == text.replace("NamePolicy=onboard", "#NamePolicy=onboard")
    assert naming.LINK not in links(found)
    after = Facts(imagined.after(virtual({**DEBIAN, naming.LINK: text}), found.operations))
    assert naming.masked(after, naming.LINK)


def test_the_file_by_which_debian_9_kept_the_names_is_left_alone() -> None:
    found = planned({**DEBIAN, naming.LINK: "# This machine is most likely a virtualized guest\n"})
    assert naming.LINK not in {**links(found), **writes(found)}


def test_own_link_files_keep_the_rules_that_apply_them() -> None:
    own = {"/etc/systemd/network/10-mtu.link": "[Match]\nOriginalName=eth*\n[Link]\nMTUBytes=1400\n"}
    found = planned({**DEBIAN, **own})
    assert links(found) == {naming.LINK: "/dev/null"}
    assert any("10-mtu.link" in warning for warning in found.warnings)


def test_an_admins_own_rules_file_is_left_alone() -> None:
    found = planned({**DEBIAN, naming.RULES: 'ACTION=="add", NAME="x"\n'})
    assert naming.RULES not in links(found)
    assert any(naming.RULES in warning for warning in found.warnings)


def test_the_rules_of_systemd_219_are_masked_where_they_are_shipped() -> None:
    assert naming.SLOT not in links(planned(DEBIAN))
    assert naming.SLOT in links(planned({**DEBIAN, "/usr/lib/udev/rules.d/80-net-name-slot.rules": "x"}))


def test_a_kernel_of_linodes_gets_the_masks_and_a_word_about_its_command_line() -> None:
    files = {**DEBIAN, **LIVE, "/proc/sys/kernel/osrelease": "6.2.9-x86_64-linode160\n"}
    found = planned(files, Mode.LIVE)
    assert set(links(found)) == {naming.LINK, naming.RULES}
    assert not writes(found)
    assert not runs(found)
    assert any("Linode supplies" in warning for warning in found.warnings)


@pytest.mark.parametrize("new", ["eth1", "wan0x"])
def test_a_name_that_udevs_policy_did_not_give_is_refused(new: str) -> None:
    found = FIX.plan(request(DEBIAN, new=new))
    assert isinstance(found, Refusal)
    assert "=config" in found.hint


def test_a_configuration_by_predictable_names_would_break_and_is_refused() -> None:
    files = {**DEBIAN, "/etc/network/interfaces": INTERFACES + "auto ens4\niface ens4 inet dhcp\n"}
    found = FIX.plan(request(files))
    assert isinstance(found, Refusal)
    assert "ens4" in found.why
    assert found.forceable


def test_a_file_that_gives_just_this_name_is_named() -> None:
    files = {**DEBIAN, "/etc/systemd/network/70-x.link": "[Match]\nOriginalName=*\n[Link]\nName=ens3\n"}
    found = FIX.plan(request(files))
    assert isinstance(found, Refusal)
    assert "/etc/systemd/network/70-x.link" in found.why


def test_a_container_is_refused() -> None:
    given = request({**DEBIAN, **LIVE}, Mode.LIVE)
    target = virtual({**DEBIAN, **LIVE}, Mode.LIVE, queries={"machine": {"container": "systemd-nspawn"}})
    given.facts.target = target
    assert isinstance(FIX.plan(given), Refusal)


def test_rules_of_a_firewall_by_the_present_name_are_named() -> None:
    found = planned({**DEBIAN, "/etc/nftables.conf": "iif ens3 drop\n"})
    assert any("/etc/nftables.conf" in warning for warning in found.warnings)


# What scan says afterwards.


def applied(files: Mapping[str, Node], mode: Mode) -> dict[str, Node]:
    """The files as the plan leaves them, made now; its commands are taken to have built the initrd."""
    after = dict(files)
    for one in planned(files, mode).operations:
        if isinstance(one, WriteFile):
            after[one.path] = File(one.content, mtime=1.8e9)
        elif isinstance(one, Link):
            after[one.path] = SymbolicLink(one.to)
        elif isinstance(one, Run):
            after["/boot/initrd.img-6.1.0-9-amd64"] = File("new", mtime=1.8e9)
    return after


def test_after_it_scan_says_that_a_reboot_is_pending_and_a_second_fix_says_so_too() -> None:
    broken = {**DEBIAN, **LIVE}
    before = prove("interface_renamed", facts(broken, Mode.LIVE))
    assert isinstance(before, Holds)
    assert "pending" not in before.values
    repaired = applied(broken, Mode.LIVE)
    proof = prove("interface_renamed", facts(repaired, Mode.LIVE))
    assert isinstance(proof, Holds)  # the network is down until then
    assert "reboot is pending" in proof.why
    assert proof.commands == ("reboot",)
    again = request(repaired, Mode.LIVE, pending="reboot")
    found = FIX.plan(again)
    assert isinstance(found, Refusal)
    assert found.hint == "reboot"
    assert FIX.verify is not None
    assert FIX.verify(again) == ""
    named = replace(again.findings[0], rule=replace(again.findings[0].rule, fix=FIX.flag))
    offers = look(again.facts, (named,), (FIX,))
    assert not offers.offered  # so that the verdict's next step stays the proof's: reboot
    assert len(offers.withheld) == 1
    assert FIX.verify(request(broken, Mode.LIVE)) != ""


def test_what_was_there_when_the_host_booted_is_no_repair() -> None:
    files = {**DEBIAN, **LIVE, naming.LINK: File("", mtime=1.6e9)}  # btime is 1.7e9
    proof = prove("interface_renamed", facts(files, Mode.LIVE))
    assert isinstance(proof, Holds)
    assert "pending" not in proof.values


def test_a_mask_newer_than_the_initrd_keeps_no_name() -> None:
    files = {path: node for path, node in DEBIAN.items() if "grub" not in path}
    files[naming.LINK] = File("", mtime=2000.0)
    files["/boot/initrd.img-6.1.0-9-amd64"] = File("old", mtime=1000.0)
    proof = prove("interface_renamed", facts(files), ("kernel", kernel_said(RENAMED, 3000.0)))
    assert isinstance(proof, Holds)
    assert any("update-initramfs" in command for command in proof.commands or ())
    found = planned(files)
    assert naming.LINK not in links(found)
    assert len(runs(found)) == 1
    files["/boot/initrd.img-6.1.0-9-amd64"] = File("new", mtime=2500.0)
    assert not isinstance(prove("interface_renamed", facts(files), ("kernel", kernel_said(RENAMED, 3000.0))), Holds)


def test_offline_the_proof_fails_once_the_plan_is_on_the_disk() -> None:
    match = ("kernel", kernel_said(RENAMED))
    assert isinstance(prove("interface_renamed", facts(DEBIAN), match), Holds)
    assert not isinstance(prove("interface_renamed", facts(applied(DEBIAN, Mode.OFFLINE)), match), Holds)


# A real Debian with a kernel, initramfs-tools and GRUB: applied, looked into, taken back.


@pytest.mark.lab
def test_a_real_initrd_holds_the_masks_and_a_real_grub_keeps_the_word(tmp_path: Path) -> None:
    if why_not():
        pytest.skip(why_not())
    from tests.lab.base import Log, prepare

    assert "boot" in LAYERS
    prepare(["bookworm"], ["boot"], Log())
    job = [sys.executable, "-m", "tests.fixes.real_initrd", str(tmp_path)]
    done = subprocess.run(
        isolated(job, network=True), cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["state"] == "verified", seen
    assert seen["initrd before"] == {"99-default.link": True, "80-net-setup-link.rules": True}
    assert seen["initrd after"] == {"99-default.link": False, "80-net-setup-link.rules": False}  # there, and empty
    assert seen["menu"] == [3, 3]  # kernel lines, and those with the word
    assert seen["menu made anew"] == [3, 3]
    assert seen["undone"] == "undone"
    assert seen["differences after undo"] == []
