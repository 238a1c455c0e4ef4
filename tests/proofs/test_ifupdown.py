"""Claims about ifupdown: its unit, its configuration, its DHCP client."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.netconfig.model import ConfigProblem, Manager, Method, Origin
from agent.target.model import Mode
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove, said, unit
from tests.virtual import File, Node

IF = Manager.IFUPDOWN
MAIN = "/etc/network/interfaces"
STATIC = config(IF, iface(IF))
DHCP = config(IF, iface(IF, method=Method.DHCP))
FAILED = "Failed to start Raise network interfaces."


def test_a_unit_that_failed_live_is_proven() -> None:
    units = [unit("networking.service", "failed", "exit-code")]
    proof = prove("networking_unit_failed", facts(enabled=[IF], configs=[STATIC], mode=Mode.LIVE, units=units))
    assert isinstance(proof, Holds)
    assert "exit-code" in proof.why
    assert proof.severity is None


def test_a_unit_that_failed_while_the_network_is_up_is_a_warning() -> None:
    units = [unit("networking.service", "failed", "exit-code")]
    here = facts(enabled=[IF], configs=[STATIC], mode=Mode.LIVE, units=units, links=[link()], routes=[DEFAULT_ROUTE])
    proof = prove("networking_unit_failed", here)
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_a_unit_that_is_active_now_is_not_failed_whatever_the_log_says() -> None:
    units = [unit("networking.service")]
    here = facts(enabled=[IF], configs=[STATIC], mode=Mode.LIVE, units=units)
    assert isinstance(prove("networking_unit_failed", here, ("unit-failed", said(FAILED))), Fails)


def test_offline_the_word_of_pid_1_counts_while_the_files_are_unchanged() -> None:
    units = [unit("networking.service", live=False)]
    hit = ("unit-failed", said(FAILED, time=1000.0))
    same = facts({MAIN: File("", mtime=500.0)}, enabled=[IF], configs=[STATIC], units=units)
    assert isinstance(prove("networking_unit_failed", same, hit), Holds)
    changed = facts({MAIN: File("", mtime=1500.0)}, enabled=[IF], configs=[STATIC], units=units)
    assert isinstance(prove("networking_unit_failed", changed, hit), CantTell)


def test_offline_an_untrusted_line_or_another_pattern_proves_nothing() -> None:
    units = [unit("networking.service", live=False)]
    here = facts({MAIN: ""}, enabled=[IF], configs=[STATIC], units=units)
    injected = ("unit-failed", said(FAILED, trusted=False))
    assert isinstance(prove("networking_unit_failed", here, injected), CantTell)
    other = ("not-brought-up", said("Failed to bring up eth0."))
    assert isinstance(prove("networking_unit_failed", here, other), CantTell)
    assert isinstance(prove("networking_unit_failed", here), Fails)


def problem(fatal: bool = True, interface: str = "") -> ConfigProblem:
    return ConfigProblem("misplaced-option", f"{MAIN}:2: misplaced option", Origin(MAIN, 2), fatal, interface)


def test_a_fatal_problem_is_proven_with_its_line() -> None:
    files: dict[str, Node] = {MAIN: "auto eth0\naddress 192.0.2.10\n"}
    here = facts(files, enabled=[IF], configs=[config(IF, iface(IF), problems=[problem()])])
    proof = prove("ifupdown_config_invalid", here)
    assert isinstance(proof, Holds)
    assert proof.why == f"{MAIN}:2: misplaced option"
    assert proof.evidence[0].text == "address 192.0.2.10"
    assert proof.values["file"] == MAIN


def test_a_warning_of_the_reader_and_a_disabled_ifupdown_are_left_alone() -> None:
    warned = config(IF, iface(IF), problems=[problem(fatal=False)])
    assert isinstance(prove("ifupdown_config_invalid", facts(enabled=[IF], configs=[warned])), Fails)
    fatal = config(IF, iface(IF), problems=[problem()])
    idle = facts(enabled=[Manager.NETWORKD], installed=[IF], configs=[fatal])
    assert isinstance(prove("ifupdown_config_invalid", idle), Fails)


def test_a_problem_of_a_containers_bridge_is_not_the_hosts() -> None:
    here = facts(enabled=[IF], configs=[config(IF, iface(IF), problems=[problem(interface="docker0")])])
    assert isinstance(prove("ifupdown_config_invalid", here), Fails)


def test_no_interfaces_file_counts_only_where_nobody_else_works() -> None:
    alone = facts({"/sbin/ifup": ""}, enabled=[IF])
    assert isinstance(prove("ifupdown_config_invalid", alone), Holds)
    networkd = config(Manager.NETWORKD, iface(Manager.NETWORKD, path="/etc/systemd/network/a.network"))
    other = facts({"/sbin/ifup": ""}, enabled=[IF, Manager.NETWORKD], configs=[networkd])
    assert isinstance(prove("ifupdown_config_invalid", other), Fails)


def test_dhcp_without_any_client_is_proven() -> None:
    proof = prove("dhcp_client_missing", facts({"/sbin/ifup": ""}, enabled=[IF], configs=[DHCP]))
    assert isinstance(proof, Holds)
    assert proof.values["iface"] == "eth0"


def test_any_client_will_do() -> None:
    for path in ("/sbin/dhclient", "/usr/sbin/dhcpcd", "/sbin/udhcpc"):
        here = facts({path: File("", mode=0o755)}, enabled=[IF], configs=[DHCP])
        assert isinstance(prove("dhcp_client_missing", here), Fails)


def test_managers_with_a_client_of_their_own_need_none() -> None:
    networkd = config(Manager.NETWORKD, iface(Manager.NETWORKD, method=Method.DHCP))
    here = facts({"/sbin/x": ""}, enabled=[Manager.NETWORKD], configs=[networkd, DHCP], installed=[IF])
    assert isinstance(prove("dhcp_client_missing", here), Fails)


def test_an_interface_without_a_lease_is_proven_live() -> None:
    files: dict[str, Node] = {"/proc/uptime": "500.0 900.0"}
    here = facts(files, enabled=[IF], configs=[DHCP], mode=Mode.LIVE, links=[link(address="")])
    assert isinstance(prove("dhcp_failed", here), Holds)
    young = facts({"/proc/uptime": "20.0 9.0"}, enabled=[IF], configs=[DHCP], mode=Mode.LIVE, links=[link(address="")])
    assert isinstance(prove("dhcp_failed", young), CantTell)


def test_an_address_or_a_link_that_is_down_is_no_dhcp_failure() -> None:
    for one in (link(), link(address="", up=False)):
        here = facts(enabled=[IF], configs=[DHCP], mode=Mode.LIVE, links=[one])
        hit = ("dhclient", said("No DHCPOFFERS received."))
        assert isinstance(prove("dhcp_failed", here, hit), Fails)


def test_offline_a_trusted_client_counts_and_a_static_host_does_not() -> None:
    hit = ("dhclient", said("No DHCPOFFERS received."))
    assert isinstance(prove("dhcp_failed", facts(enabled=[IF], configs=[DHCP]), hit), Holds)
    assert isinstance(prove("dhcp_failed", facts(enabled=[IF], configs=[STATIC]), hit), Fails)
    injected = ("dhclient", said("No DHCPOFFERS received.", trusted=False))
    assert isinstance(prove("dhcp_failed", facts(enabled=[IF], configs=[DHCP]), injected), CantTell)
