"""--networkd: enables and unmasks systemd-networkd, and starts it on the live host."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.change.model import Link, MakeFolder, Plan, Remove
from agent.facts.facts import Facts
from agent.facts.services import Enablement, Init, Unit
from agent.fixes.model import Refusal, Request
from agent.fixes.networkd import FIX
from agent.target.model import Json, Mode
from agent.unknown import Unknown, Why
from tests.fixes import hooked
from tests.fixes.left import left, runs
from tests.virtual import Dir, File, Node, virtual
from tests.virtual import Link as Symlink

NETWORK = "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\nDNS=192.0.2.53\n"
ETC = "/etc/systemd/system"
BASE: dict[str, Node] = {
    "/sbin/init": Symlink("/lib/systemd/systemd"),
    "/lib/systemd/systemd": File("\x7fELF", 0o755),
    "/lib/systemd/systemd-networkd": File("\x7fELF", 0o755),
    "/lib/systemd/system/systemd-networkd.service": (
        "[Install]\nWantedBy=multi-user.target\nAlso=systemd-networkd.socket\nAlias=dbus-org.freedesktop.network1.service\n"
    ),
    "/lib/systemd/system/systemd-networkd.socket": "[Install]\nWantedBy=sockets.target\n",
    f"{ETC}/multi-user.target.wants": Dir(),
    "/etc/systemd/network/05-eth0.network": NETWORK,
}
LINKS = (
    Link(f"{ETC}/dbus-org.freedesktop.network1.service", "/lib/systemd/system/systemd-networkd.service"),
    Link(f"{ETC}/multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service"),
    MakeFolder(f"{ETC}/sockets.target.wants"),
    Link(f"{ETC}/sockets.target.wants/systemd-networkd.socket", "/lib/systemd/system/systemd-networkd.socket"),
)
MASK: dict[str, Node] = {f"{ETC}/systemd-networkd.service": Symlink("/dev/null")}
NM: dict[str, Node] = {
    "/usr/sbin/NetworkManager": File("\x7fELF", 0o755),
    "/lib/systemd/system/NetworkManager.service": "[Install]\nWantedBy=multi-user.target\n",
    f"{ETC}/multi-user.target.wants/NetworkManager.service": Symlink("/lib/systemd/system/NetworkManager.service"),
}
RELOAD = "systemctl daemon-reload / systemctl daemon-reload"


def host(files: Mapping[str, Node] | None = None, mode: Mode = Mode.OFFLINE) -> Facts:
    queries: dict[str, Json] = {"links": [], "routes": [], "machine": {"container": ""}} if mode is Mode.LIVE else {}
    found = Facts(virtual({**BASE, **(files or {})}, mode, queries=queries))
    found.__dict__["init"] = Init.SYSTEMD
    if mode is Mode.LIVE:
        found.__dict__["links"] = found.__dict__["routes"] = Unknown("not asked", Why.ABSENT)
    return found


def test_offline_the_links_of_systemctl_enable_and_nothing_else() -> None:
    planned = hooked.plan(FIX, host())
    assert planned.operations == LINKS
    assert planned.reboot
    assert not hooked.findings(FIX, host(left(BASE, planned)))


def test_a_mask_is_taken_away_first() -> None:
    planned = hooked.plan(FIX, host(MASK))
    assert planned.operations == (Remove(f"{ETC}/systemd-networkd.service"), *LINKS)
    assert "nmasks" in planned.summary
    after = Facts(virtual(left({**BASE, **MASK}, planned)))
    after.__dict__["init"] = Init.SYSTEMD
    assert not hooked.findings(FIX, after)


def test_a_mask_of_the_vendor_is_not_ours_to_take_away() -> None:
    vendor: dict[str, Node] = {"/lib/systemd/system/systemd-networkd.service": Symlink("/dev/null")}
    refused = hooked.refusal(FIX, host(vendor))
    assert "masked in /lib/systemd/system" in refused.why


def test_live_it_starts_and_undo_stops_the_socket_too() -> None:
    planned = hooked.plan(FIX, host(mode=Mode.LIVE))
    assert runs(planned) == [
        RELOAD,
        "systemctl start systemd-networkd.service / systemctl stop systemd-networkd.socket systemd-networkd.service",
    ]
    assert [one for one in planned.operations if isinstance(one, (Link, MakeFolder))] == list(LINKS)
    assert not planned.reboot


def test_netplans_files_need_the_same_service() -> None:
    files = {
        **{path: node for path, node in BASE.items() if not path.endswith(".network")},
        **MASK,
        "/usr/libexec/netplan/generate": File("\x7fELF", 0o755),
        "/lib/systemd/system-generators/netplan": File("\x7fELF", 0o755),
        "/etc/netplan/50-cloud-init.yaml": (
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [192.0.2.10/24]\n"
        ),
    }
    found = Facts(virtual(files))
    found.__dict__["init"] = Init.SYSTEMD
    planned = hooked.plan(FIX, found)
    assert planned.operations[0] == Remove(f"{ETC}/systemd-networkd.service")


def test_where_networkmanager_is_in_charge_two_would_fight() -> None:
    found = host(NM)
    assert not hooked.findings(FIX, found)  # so there is no proof
    refused = FIX.plan(Request(found, ()))
    assert isinstance(refused, Refusal)
    assert "NetworkManager" in refused.why
    assert refused.forceable
    forced = FIX.plan(Request(found, (), forced=True))
    assert isinstance(forced, Plan)
    assert any("NetworkManager" in warning for warning in forced.warnings)


def test_where_it_is_enabled_already_there_is_nothing_to_do() -> None:
    found = host({f"{ETC}/{link.path[len(ETC) + 1 :]}": Symlink(link.to) for link in LINKS if isinstance(link, Link)})
    assert isinstance(FIX.plan(Request(found, (), forced=True)), Refusal)


@pytest.mark.parametrize("init", [Init.OPENRC, Init.SYSVINIT])
def test_without_systemd_there_is_no_networkd(init: Init) -> None:
    found = host()
    found.__dict__["init"] = init
    assert isinstance(FIX.plan(Request(found, (), forced=True)), Refusal)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_resolver_is_named_and_left_alone(enabled: bool) -> None:
    found = host({"/etc/resolv.conf": Symlink("../run/systemd/resolve/stub-resolv.conf")})
    state = Enablement.ENABLED if enabled else Enablement.DISABLED
    found._units["systemd-resolved.service"] = Unit("systemd-resolved.service", "/lib/x", state)
    planned = hooked.plan(FIX, found)
    assert planned.operations == LINKS
    assert any("--resolv-conf=systemd-resolved" in line for line in planned.next) is not enabled
