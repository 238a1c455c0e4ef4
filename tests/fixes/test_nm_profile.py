"""--nm-profile: keyfiles that NetworkManager refuses go to root alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.change.model import SetMode
from agent.diagnosis.model import Finding
from agent.facts.facts import Facts
from agent.facts.helper import NetworkHelper
from agent.facts.services import Enablement, Init, Unit
from agent.fixes.model import Request
from agent.fixes.nm_profile import FIX, FOLDER
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.fixes import hooked
from tests.fixes.left import left, runs
from tests.virtual import File, Link, Node, virtual

ETH0, ETH1 = f"{FOLDER}/eth0.nmconnection", f"{FOLDER}/eth1.nmconnection"
BASE: dict[str, Node] = {
    "/usr/sbin/NetworkManager": File("\x7fELF", 0o755),
    "/lib/systemd/system/NetworkManager.service": "[Install]\nWantedBy=multi-user.target\n",
}


def keyfile(name: str = "eth0", more: str = "") -> str:
    number = "0" if name == "eth0" else "1"
    return (
        f"[connection]\nid={name}\nuuid=0a7a3c1e-5a5b-4f0e-9c55-7f4d1d0c000{number}\ntype=ethernet\n"
        f"interface-name={name}\n{more}\n[ipv4]\nmethod=manual\naddress1=192.0.2.10/24,192.0.2.1\n"
    )


def host(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE, helper: NetworkHelper | None = None) -> Facts:
    found = Facts(virtual({**BASE, **files}, mode))
    active = "active" if mode is Mode.LIVE else ""
    unit = Unit("NetworkManager.service", "/lib/x", Enablement.ENABLED, ("/etc/x",), active)
    found._units[unit.name] = unit
    found.__dict__.update(init=Init.SYSTEMD, helper=helper or NetworkHelper("absent"))
    if mode is Mode.LIVE:
        found.__dict__["links"] = found.__dict__["routes"] = Unknown("not asked", Why.ABSENT)
    return found


def still_wrong(files: Mapping[str, Node]) -> str:
    after = host(files)
    assert FIX.verify is not None
    return FIX.verify(Request(after, hooked.findings(FIX, after)))


@pytest.mark.parametrize(
    "node, wanted",
    [
        (File(keyfile(), 0o644), SetMode(ETH0, 0o600)),
        (File(keyfile(), 0o600, uid=1000, gid=1000), SetMode(ETH0, None, 0, 0)),
        (File(keyfile(), 0o640, gid=4), SetMode(ETH0, 0o600, None, 0)),
        (File(keyfile(), 0o400, uid=1000), SetMode(ETH0, None, 0, None)),
    ],
)
def test_what_networkmanager_asks_for_and_no_more(node: File, wanted: SetMode) -> None:
    files: dict[str, Node] = {ETH0: node}
    planned = hooked.plan(FIX, host(files))
    assert planned.operations == (wanted,)
    after = left(files, planned)
    assert still_wrong(after) == ""
    assert not hooked.findings(FIX, host(after))


def test_all_rejected_profiles_of_the_hosts_network_are_given_back() -> None:
    files: dict[str, Node] = {ETH0: File(keyfile(), 0o644), ETH1: File(keyfile("eth1"), 0o666)}
    planned = hooked.plan(FIX, host(files))
    assert {one.path for one in planned.operations if isinstance(one, SetMode)} == {ETH0, ETH1}
    assert still_wrong(left(files, planned)) == ""


def test_a_link_is_left_alone() -> None:
    files: dict[str, Node] = {ETH0: Link("/srv/eth0.nmconnection"), "/srv/eth0.nmconnection": File(keyfile(), 0o644)}
    assert "link" in hooked.refusal(FIX, host(files)).why


def test_profiles_of_run_and_usr_belong_to_others() -> None:
    path = "/usr/lib/NetworkManager/system-connections/eth0.nmconnection"
    assert path in hooked.refusal(FIX, host({path: File(keyfile(), 0o644)})).why


def test_a_fault_of_the_content_is_no_matter_of_the_mode() -> None:
    files: dict[str, Node] = {ETH0: File(keyfile().replace("type=ethernet", "type=etherent"), 0o600)}
    refused = hooked.refusal(FIX, host(files))
    assert "owner or mode" in refused.why
    assert ETH0 in refused.hint


def test_a_profile_that_would_be_refused_all_the_same_is_not_touched() -> None:
    bad = keyfile().replace("type=ethernet", "type=etherent")
    assert "content" in hooked.refusal(FIX, host({ETH0: File(bad, 0o644)})).why
    both: dict[str, Node] = {ETH0: File(bad, 0o644), ETH1: File(keyfile("eth1"), 0o644)}
    planned = hooked.plan(FIX, host(both))
    assert planned.operations == (SetMode(ETH1, 0o600),)
    assert any(ETH0 in warning for warning in planned.warnings)


def test_live_networkmanager_reads_its_profiles_anew_and_after_undo_too() -> None:
    planned = hooked.plan(FIX, host({ETH0: File(keyfile(), 0o644)}, Mode.LIVE))
    assert runs(planned) == ["nmcli connection reload / nmcli connection reload"]
    assert isinstance(planned.operations[0], SetMode)


def test_a_secret_that_others_could_read_is_named_and_not_shown() -> None:
    text = keyfile(more="[802-1x]\npassword=correct-horse\n")
    planned = hooked.plan(FIX, host({ETH0: File(text, 0o644)}))
    assert any("secret" in warning for warning in planned.warnings)
    assert "correct-horse" not in str(planned)


def test_network_helper_will_write_it_anew() -> None:
    helper = NetworkHelper("on", files=(ETH0,))
    planned = hooked.plan(FIX, host({ETH0: File(keyfile(), 0o644)}, helper=helper))
    assert any("Auto-configure networking" in warning for warning in planned.warnings)


def test_ifcfg_files_without_a_reader_are_refused_with_the_way_out() -> None:
    ifcfg = "/etc/sysconfig/network-scripts/ifcfg-eth0"
    values = {"file": ifcfg, "problem": "NetworkManager here has no reader for ifcfg files"}
    rule = hooked.RULES["nm-profile-rejected"]
    found = Finding(rule, None, None, "", "", (), 0, None, values=values)  # type: ignore[arg-type]
    refused = FIX.plan(Request(host({}), (found,)))
    assert ifcfg in refused.why  # type: ignore[union-attr]
    assert "nmcli connection add" in refused.hint  # type: ignore[union-attr]


def test_a_tunnels_profile_is_nobodys_concern() -> None:
    text = keyfile().replace("interface-name=eth0", "interface-name=wg0")
    found = host({f"{FOLDER}/wg0.nmconnection": File(text, 0o644)})
    assert not hooked.findings(FIX, found)
