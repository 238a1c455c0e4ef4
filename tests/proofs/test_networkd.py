"""Claims about systemd-networkd and netplan."""

from __future__ import annotations

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.netconfig.model import ConfigProblem, Manager, Method, Origin
from agent.facts.services import Init
from agent.target.model import Mode
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove, said, unit
from tests.virtual import File, Node

ND = Manager.NETWORKD
FILE = "/etc/systemd/network/05-eth0.network"
STATIC = config(ND, iface(ND, path=FILE))


def test_a_file_without_an_enabled_daemon_is_proven() -> None:
    proof = prove("networkd_disabled", facts({FILE: ""}, installed=[ND], configs=[STATIC]))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.CRITICAL
    assert proof.commands == ("systemctl --root=/media/sda enable systemd-networkd.service",)
    assert proof.undo == ("systemctl --root=/media/sda disable systemd-networkd.service",)


def test_a_masked_daemon_is_unmasked_first() -> None:
    proof = prove("networkd_disabled", facts({FILE: ""}, masked=[ND], configs=[STATIC]))
    assert isinstance(proof, Holds)
    assert proof.commands is not None
    assert "unmask" in proof.commands[0]


def test_another_manager_in_charge_excuses_the_file() -> None:
    ifupdown = config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN))
    here = facts({FILE: ""}, installed=[ND], enabled=[Manager.IFUPDOWN], configs=[STATIC, ifupdown])
    assert isinstance(prove("networkd_disabled", here), Fails)
    nm = facts({FILE: ""}, installed=[ND], enabled=[Manager.NETWORKMANAGER], configs=[STATIC])
    assert isinstance(prove("networkd_disabled", nm), Fails)


def test_ifupdown_with_only_lo_does_not_excuse_it() -> None:
    here = facts({FILE: ""}, installed=[ND], enabled=[Manager.IFUPDOWN], configs=[STATIC])
    assert isinstance(prove("networkd_disabled", here), Holds)


@pytest.mark.parametrize(
    "path",
    ["/usr/lib/systemd/network/80-container-host0.network", "/run/systemd/network/10-netplan-eth0.network"],
)
def test_files_that_others_ship_or_generate_ask_for_nothing(path: str) -> None:
    here = facts({path: ""}, installed=[ND], configs=[config(ND, iface(ND, path=path))])
    assert isinstance(prove("networkd_disabled", here), Fails)


def test_a_bridge_of_containers_or_another_init_asks_for_nothing() -> None:
    docker = facts({FILE: ""}, installed=[ND], configs=[config(ND, iface(ND, "docker0", FILE))])
    assert isinstance(prove("networkd_disabled", docker), Fails)
    sysv = facts({FILE: ""}, installed=[ND], configs=[STATIC], init=Init.SYSVINIT)
    assert isinstance(prove("networkd_disabled", sysv), Fails)


def test_a_host_whose_network_is_up_without_it_is_left_alone() -> None:
    here = facts({FILE: ""}, installed=[ND], configs=[STATIC], mode=Mode.LIVE, links=[link()], routes=[DEFAULT_ROUTE])
    assert isinstance(prove("networkd_disabled", here), Fails)


def test_a_link_that_networkd_gave_up_is_proven_by_its_state_file() -> None:
    files: dict[str, Node] = {"/run/systemd/netif/links/2": "# private\nADMIN_STATE=failed\nOPER_STATE=off\n"}
    units = [unit("systemd-networkd.service")]
    here = facts(files, enabled=[ND], configs=[STATIC], mode=Mode.LIVE, links=[link(address="")], units=units)
    proof = prove("networkd_failed", here)
    assert isinstance(proof, Holds)
    assert proof.values["iface"] == "eth0"
    healthy: dict[str, Node] = {"/run/systemd/netif/links/2": "ADMIN_STATE=configured\n"}
    well = facts(healthy, enabled=[ND], configs=[STATIC], mode=Mode.LIVE, links=[link()], units=units)
    assert isinstance(prove("networkd_failed", well, ("link-failed", said("eth0: Failed", iface="eth0"))), Fails)


def test_offline_networkds_own_word_counts() -> None:
    units = [unit("systemd-networkd.service", live=False)]
    here = facts({FILE: File("", mtime=1.0)}, enabled=[ND], configs=[STATIC], units=units)
    hit = ("link-failed", said("eth0: Failed", iface="eth0"))
    assert isinstance(prove("networkd_failed", here, hit), Holds)
    injected = ("link-failed", said("eth0: Failed", trusted=False, iface="eth0"))
    assert isinstance(prove("networkd_failed", here, injected), CantTell)


def problem(code: str, text: str, fatal: bool, line: int = 0, name: str = "") -> ConfigProblem:
    return ConfigProblem(code, text, Origin(FILE, line), fatal, name)


def test_an_unreadable_file_is_proven_and_its_mode_can_be_taken_back() -> None:
    text = f"Failed to open configuration file '{FILE}': Permission denied"
    broken = config(ND, problems=[problem("unreadable", text, True)])
    here = facts({FILE: File("", mode=0o600)}, enabled=[ND], configs=[broken])
    proof = prove("networkd_config_invalid", here)
    assert isinstance(proof, Holds)
    assert proof.severity is None
    assert proof.commands == (f"chmod 644 {{root}}{FILE}",)
    assert proof.undo == (f"chmod 600 {{root}}{FILE}",)


def test_it_is_a_warning_where_another_file_configures_the_interface() -> None:
    text = f"{FILE}: No valid settings found in the [Match] section, ignoring file."
    other = iface(ND, "eth0", "/etc/systemd/network/10-eth0.network")
    broken = config(ND, other, problems=[problem("no-match", text, True, name="eth0")])
    proof = prove("networkd_config_invalid", facts({FILE: ""}, enabled=[ND], configs=[broken]))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_a_typing_error_counts_only_where_no_address_remains() -> None:
    text = f"{FILE}:9: Unknown key 'Adress' in section [Network], ignoring."
    bare = iface(ND, path=FILE, address="", method=Method.NONE)
    lost = config(ND, bare, problems=[problem("unknown-key", text, False, 9)])
    assert isinstance(prove("networkd_config_invalid", facts({FILE: ""}, enabled=[ND], configs=[lost])), Holds)
    kept = config(ND, iface(ND, path=FILE), problems=[problem("unknown-key", text, False, 9)])
    assert isinstance(prove("networkd_config_invalid", facts({FILE: ""}, enabled=[ND], configs=[kept])), Fails)


def test_a_newer_option_on_an_older_version_is_left_alone() -> None:
    text = f"{FILE}:9: Unknown key 'ManageForeignNextHops' in section [Network], ignoring."
    bare = iface(ND, path=FILE, address="", method=Method.NONE)
    newer = config(ND, bare, problems=[problem("unknown-key", text, False, 9)])
    assert isinstance(prove("networkd_config_invalid", facts({FILE: ""}, enabled=[ND], configs=[newer])), Fails)


def test_a_daemon_that_does_not_run_reads_nothing() -> None:
    broken = config(ND, problems=[problem("no-match", "x", True)])
    assert isinstance(prove("networkd_config_invalid", facts({FILE: ""}, installed=[ND], configs=[broken])), Fails)


YAML = "/etc/netplan/01-netcfg.yaml"
TAB = ConfigProblem(
    "invalid-yaml", f"{YAML}:6:1: Invalid YAML: tabs are not allowed for indent:", Origin(YAML, 6), True
)


def test_yaml_that_the_generator_refuses_is_proven() -> None:
    broken = config(Manager.NETPLAN, problems=[TAB])
    here = facts({YAML: "a\nb\nc\nd\ne\n\tdhcp4: yes\n"}, enabled=[Manager.NETPLAN, ND], configs=[broken])
    proof = prove("netplan_invalid", here)
    assert isinstance(proof, Holds)
    assert proof.evidence[0].text == "\tdhcp4: yes"
    assert proof.values["line"] == "6"


def test_yaml_without_netplan_or_with_warnings_alone_is_left_alone() -> None:
    broken = config(Manager.NETPLAN, problems=[TAB])
    assert isinstance(prove("netplan_invalid", facts({YAML: ""}, enabled=[ND], configs=[broken])), Fails)
    warning = ConfigProblem("permissions", "too open", Origin(YAML), False)
    warned = config(Manager.NETPLAN, problems=[warning])
    here = facts({YAML: ""}, enabled=[Manager.NETPLAN], configs=[warned])
    assert isinstance(prove("netplan_invalid", here), Fails)
