"""The diagnostic sets, who gets which, and what running one gives."""

from __future__ import annotations

import pytest

from agent.facts import diagnostics
from agent.facts.diagnostic_choices import CHOICES
from agent.facts.diagnostic_sets import GUIDE_SETS, SETS, choose
from agent.facts.distro import Distro
from agent.facts.netconfig.model import Manager
from agent.target.model import Mode, Output
from agent.unknown import Unknown, Why
from tests.virtual import virtual

GUIDE = {
    "debian7-ubuntu1404": (
        ["service network status", "cat /etc/network/interfaces", "ip a", "ip r"],
        "ifdown eth0 && ifup eth0",
    ),
    "debian8-ubuntu1604": (
        [
            "systemctl status networking.service -l",
            "journalctl -u networking --no-pager | tail -20",
            "cat /etc/network/interfaces",
            "ip a",
            "ip r",
        ],
        "ifdown eth0 && ifup eth0",
    ),
    "ubuntu1804": (
        [
            "networkctl status",
            "systemctl status systemd-networkd -l",
            "journalctl -u systemd-networkd --no-pager | tail -20",
            "cat /etc/systemd/network/05-eth0.network",
            "ip a",
            "ip r",
        ],
        "netplan apply",
    ),
    "arch-coreos": (
        [
            "systemctl status systemd-networkd -l",
            "journalctl -u systemd-networkd --no-pager | tail -20",
            "cat /etc/systemd/network/05-eth0.network",
            "ip a",
            "ip r",
        ],
        "",
    ),
    "centos6": (
        ["service network status", "cat /etc/sysconfig/network-scripts/ifcfg-eth0", "ip a", "ip r"],
        "ifdown eth0 && ifup eth0",
    ),
    "centos7-fedora": (
        [
            "systemctl status NetworkManager -l",
            "journalctl -u NetworkManager --no-pager | tail -20",
            "nmcli",
            "cat /etc/sysconfig/network-scripts/ifcfg-eth0",
            "ip a",
            "ip r",
        ],
        "ifdown eth0 && ifup eth0",
    ),
}


@pytest.mark.parametrize("name", GUIDE)
def test_the_six_sets_are_as_the_guide_lists_them(name: str) -> None:
    steps, following = GUIDE[name]
    assert [step.text for step in SETS[name].reading] == steps
    assert SETS[name].next_step == following


def test_there_are_exactly_six_of_the_guide() -> None:
    assert set(GUIDE_SETS) == set(GUIDE)


CHOSEN = [
    ("debian", "6.0.10", "debian7-ubuntu1404"),
    ("debian", "7", "debian7-ubuntu1404"),
    ("debian", "8", "debian8-ubuntu1604"),
    ("debian", "9", "debian8-ubuntu1604"),
    ("debian", "10", "debian10"),
    ("debian", "13", "debian10"),
    ("debian", "", "debian10"),
    ("raspbian", "9", "debian8-ubuntu1604"),
    ("kali", "2024.1", "debian10"),
    ("devuan", "4", "devuan"),
    ("ubuntu", "10.04", "debian7-ubuntu1404"),
    ("ubuntu", "14.04", "debian7-ubuntu1404"),
    ("ubuntu", "14.10", "debian7-ubuntu1404"),
    ("ubuntu", "16.04", "debian8-ubuntu1604"),
    ("ubuntu", "17.04", "debian8-ubuntu1604"),
    ("ubuntu", "17.10", "ubuntu1804"),
    ("ubuntu", "18.04", "ubuntu1804"),
    ("ubuntu", "20.04", "ubuntu2004"),
    ("ubuntu", "26.04", "ubuntu2004"),
    ("arch", "", "arch-coreos"),
    ("coreos", "2512.3.0", "arch-coreos"),
    ("flatcar", "3510.2.0", "flatcar"),
    ("centos", "5.11", "centos6"),
    ("centos", "6.10", "centos6"),
    ("rhel", "6.10", "centos6"),
    ("centos", "7", "centos7-fedora"),
    ("ol", "7.9", "centos7-fedora"),
    ("scientific", "7.9", "centos7-fedora"),
    ("cloudlinux", "6.10", "centos6"),
    ("almalinux", "8.9", "rhel8"),
    ("ol", "8.9", "rhel8"),
    ("rocky", "9.3", "rhel9"),
    ("centos", "9", "rhel9"),
    ("rhel", "10.0", "rhel10"),
    ("fedora", "30", "centos7-fedora"),
    ("fedora", "35", "centos7-fedora"),
    ("fedora", "36", "fedora36"),
    ("fedora", "42", "fedora36"),
    ("amzn", "2018.03", "amazon1"),
    ("amzn", "2", "amazon2"),
    ("amzn", "2023", "amazon2023"),
    ("opensuse-leap", "15.5", "opensuse"),
    ("opensuse-leap", "16.0", "opensuse16"),
    ("opensuse", "13.2", "opensuse"),
    ("opensuse", "42.3", "opensuse"),
    ("sles", "11.4", "sles11"),
    ("sles", "12.5", "opensuse"),
    ("sles", "15.4", "opensuse"),
    ("opensuse-tumbleweed", "20240101", "opensuse16"),
    ("alpine", "3.19.0", "alpine"),
    ("gentoo", "", "gentoo"),
    ("slackware", "14.2", "slackware"),
    ("void", "", "void"),
]


@pytest.mark.parametrize(("identity", "version", "name"), CHOSEN)
def test_a_distribution_gets_its_set(identity: str, version: str, name: str) -> None:
    assert choose(Distro(identity, version, "")).name == name


def test_fedora_coreos_is_no_container_linux() -> None:
    assert choose(Distro("fedora", "40", "", variant="coreos")).name == "fedora36"


def test_a_derivative_gets_the_set_of_its_base() -> None:
    assert choose(Distro("linuxmint", "17", "", ("ubuntu", "debian"), base="trusty")).name == "debian7-ubuntu1404"
    assert choose(Distro("linuxmint", "22", "", ("ubuntu", "debian"), base="noble")).name == "ubuntu2004"
    assert choose(Distro("linuxmint", "6", "", ("debian",), base="bookworm")).name == "debian10"


def test_every_choice_names_a_set() -> None:
    assert {choice.set for choice in CHOICES} <= set(SETS)


@pytest.mark.parametrize("manager", list(Manager))
def test_an_unknown_distribution_gets_a_set_by_its_managers(manager: Manager) -> None:
    found = choose(Distro("frobnix", "1", ""), [manager])
    assert found.name.startswith("generic")
    assert [step.text for step in found.reading][-2:] == ["ip a", "ip r"]


def test_nothing_known_at_all_still_shows_addresses_and_routes() -> None:
    found = choose(Distro("", "", ""))
    assert (found.name, [step.text for step in found.steps]) == ("generic", ["ip a", "ip r"])


def test_an_unknown_member_of_a_family_gets_the_newest_set_of_the_family() -> None:
    assert choose(Distro("frobnix", "1", "", ("debian",))).name == "debian10"


def test_another_interface_adds_its_file_and_is_the_one_to_restart() -> None:
    found = choose(Distro("centos", "7", ""), interface="ens3")
    texts = [step.text for step in found.reading]
    assert "cat /etc/sysconfig/network-scripts/ifcfg-eth0" in texts
    assert "cat /etc/sysconfig/network-scripts/ifcfg-ens3" in texts
    assert found.next_step == "ifdown ens3 && ifup ens3"


def test_the_guides_sets_stay_as_they_are_whatever_manager_is_found() -> None:
    plain = choose(Distro("debian", "9", ""))
    assert choose(Distro("debian", "9", ""), [Manager.NETWORKD]).steps == plain.steps


def test_a_set_of_ours_also_shows_the_manager_that_is_there() -> None:
    found = choose(Distro("debian", "12", ""), [Manager.NETWORKD])
    assert found.name == "debian10"
    assert "networkctl status" in [step.text for step in found.reading]
    assert "networkctl" in found.next_step


def test_opensuse_follows_the_manager_on_disk() -> None:
    assert choose(Distro("opensuse-tumbleweed", "20180101", ""), [Manager.WICKED]).name == "opensuse"
    assert choose(Distro("opensuse-leap", "15.5", ""), [Manager.NETWORKMANAGER]).name == "opensuse16"


@pytest.mark.parametrize("name", SETS)
def test_no_step_that_changes_state_is_among_those_that_run(name: str) -> None:
    changing = ("ifdown", "ifup", "apply", "restart", "reload", "reapply", "reconfigure")
    for step in SETS[name].reading:
        assert not any(word in step.text.split() for word in changing)


def test_offline_a_file_is_read_and_a_command_says_why_not() -> None:
    target = virtual({"/etc/network/interfaces": "auto lo\n"})
    found = {" ".join(each.command): each for each in diagnostics.run(target, SETS["debian8-ubuntu1604"])}
    assert found["cat /etc/network/interfaces"].output == "auto lo\n"
    assert found["cat /etc/network/interfaces"].exit == 0
    assert found["ip a"].exit is None and found["ip a"].error


def test_live_the_tail_is_kept_and_nothing_that_changes_state_runs() -> None:
    lines = "".join(f"line {number}\n" for number in range(50))
    journal = ("journalctl", "-u", "networking", "--no-pager", "-n", "20")
    status = ("systemctl", "status", "networking.service", "-l")
    target = virtual(
        {},
        Mode.LIVE,
        {
            journal: lines,
            status: Output(status, 3, "failed\n", "", 0.1),
            ("ip", "a"): "a\n",
            ("ip", "r"): "r\n",
        },
    )
    found = {" ".join(each.command): each for each in diagnostics.run(target, SETS["debian8-ubuntu1604"])}
    tail = found["journalctl -u networking --no-pager | tail -20"]
    assert tail.output.splitlines() == [f"line {number}" for number in range(30, 50)]
    assert found["systemctl status networking.service -l"].exit == 3
    assert not any(argv[0] in ("ifup", "ifdown") for argv in target.door.calls)  # type: ignore[attr-defined]


def test_a_glob_step_shows_each_file() -> None:
    target = virtual({"/etc/netplan/01.yaml": "network: {}\n", "/etc/netplan/50.yaml": "x\n"})
    found = [each for each in diagnostics.run(target, SETS["ubuntu2004"]) if "netplan" in each.command[-1]]
    assert [each.command[-1] for each in found] == ["/etc/netplan/01.yaml", "/etc/netplan/50.yaml"]


def test_a_huge_output_is_cut() -> None:
    target = virtual({}, Mode.LIVE, {("ip", "a"): "x" * 1_000_000})
    found = next(each for each in diagnostics.run(target, SETS["centos6"]) if each.command == ("ip", "a"))
    assert len(found.output) <= diagnostics.LIMIT and found.error


def test_a_command_that_hangs_is_given_with_its_reason() -> None:
    target = virtual({}, Mode.LIVE, {("nmcli",): Unknown("nmcli: no answer in 10 s", Why.TIMEOUT)})
    found = next(each for each in diagnostics.run(target, SETS["rhel9"]) if each.command == ("nmcli",))
    assert found.exit is None and found.error == "nmcli: no answer in 10 s"


def test_steps_after_the_whole_budget_are_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "TOTAL", 0.0)
    found = diagnostics.run(virtual({}, Mode.LIVE, {("ip", "a"): "x"}), SETS["centos6"])
    assert all(each.exit is None for each in found if each.command[0] != "cat")
    assert any("budget" in each.error or "time" in each.error for each in found)


def test_managers_may_be_named_by_plain_words() -> None:
    plain = choose(Distro("frobnix", "1", ""), ["NetworkManager", "something else"])  # type: ignore[list-item]
    assert plain == choose(Distro("frobnix", "1", ""), [Manager.NETWORKMANAGER])
    assert plain.name == "generic-networkmanager"
