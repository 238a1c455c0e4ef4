"""The proofs of the dns rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.facts.services import Enablement, Init, Unit
from agent.target.model import Json, Mode
from tests.proofs.managed import config, facts, iface, prove
from tests.virtual import Link, Node, virtual

STUB = Link("../run/systemd/resolve/stub-resolv.conf")
RESOLVED = "systemd-resolved.service"


def unit(name: str, state: Enablement, active: str = "") -> Unit:
    wanted_by = (f"/etc/systemd/system/multi-user.target.wants/{name}",) if state is Enablement.ENABLED else ()
    return Unit(name, f"/lib/systemd/system/{name}", state, wanted_by, active)


def host(
    files: Mapping[str, Node],
    live: bool = False,
    units: Sequence[Unit] = (),
    listening: Sequence[str] = (),
) -> Facts:
    mode = Mode.LIVE if live else Mode.OFFLINE
    base: dict[str, Node] = {"/etc/hostname": "web1\n"}
    if live:
        base["/proc/uptime"] = "5000.0 1.0\n"
    found = facts(
        {**base, **files},
        enabled=[Manager.IFUPDOWN],
        configs=[config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN))],
        mode=mode,
        units=units,
    )
    sockets: list[Json] = [
        {"type": "udp", "family": 4, "address": address, "port": 53, "pid": 7, "name": "x"} for address in listening
    ]
    queries: dict[str, Json] = {"machine": {"container": ""}, "sockets": sockets} if live else {}
    found.target = virtual({**base, **files}, mode, queries=queries)
    return found


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("name", ["resolv_conf_broken", "resolver_down"])
def test_a_file_with_a_server_is_sound(name: str, live: bool) -> None:
    assert isinstance(prove(name, host({"/etc/resolv.conf": "nameserver 192.0.2.53\n"}, live)), Fails)


@pytest.mark.parametrize("live", [True, False])
def test_a_link_to_a_resolver_that_is_not_installed(live: bool) -> None:
    proof = prove("resolv_conf_broken", host({"/etc/resolv.conf": STUB}, live))
    assert isinstance(proof, Holds)
    assert "stub-resolv.conf" in proof.why


def test_offline_an_enabled_resolver_makes_its_file() -> None:
    found = host({"/etc/resolv.conf": STUB}, units=[unit(RESOLVED, Enablement.ENABLED)])
    assert isinstance(prove("resolv_conf_broken", found), Fails)
    assert isinstance(prove("resolver_down", found), Fails)


@pytest.mark.parametrize("state", [Enablement.DISABLED, Enablement.MASKED])
def test_offline_a_resolver_that_does_not_start(state: Enablement) -> None:
    found = host({"/etc/resolv.conf": STUB}, units=[unit(RESOLVED, state)])
    proofs = [prove(name, found) for name in ("resolv_conf_broken", "resolver_down")]
    assert any(isinstance(proof, Holds) for proof in proofs)
    down = proofs[1]
    if isinstance(down, Holds):
        assert down.commands is not None
        assert any("enable systemd-resolved.service" in command for command in down.commands)
        assert ("unmask" in down.commands[0]) is (state is Enablement.MASKED)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("files", [{}, {"/etc/resolv.conf": "# nothing\n"}, {"/etc/resolv.conf": "nameserver dns1\n"}])
def test_no_server_at_all(files: Mapping[str, Node], live: bool) -> None:
    assert isinstance(prove("resolv_conf_broken", host(files, live)), Holds)


@pytest.mark.parametrize("files", [{}, {"/etc/resolv.conf": ""}])
def test_offline_networkmanager_writes_the_file_when_it_runs(files: Mapping[str, Node]) -> None:
    found = facts(
        {"/etc/hostname": "web1\n", **files},
        enabled=[Manager.NETWORKMANAGER],
        configs=[config(Manager.NETWORKMANAGER, iface(Manager.NETWORKMANAGER))],
    )
    assert not isinstance(prove("resolv_conf_broken", found), Holds)


def test_live_a_resolver_at_the_default_address_answers() -> None:
    assert isinstance(prove("resolv_conf_broken", host({}, True, listening=["127.0.0.1"])), Fails)


def test_live_nobody_listens_at_the_stub() -> None:
    files = {"/etc/resolv.conf": "nameserver 127.0.0.53\n"}
    stopped = unit(RESOLVED, Enablement.DISABLED, "inactive")
    assert isinstance(prove("resolver_down", host(files, True, [stopped], ["0.0.0.0"])), Fails)
    proof = prove("resolver_down", host(files, True, [stopped]))
    assert isinstance(proof, Holds)
    assert proof.values["unit"] == RESOLVED


def test_the_cure_names_the_server_that_is_down() -> None:
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\n"}
    proof = prove("resolver_down", host(files, True, [unit("unbound.service", Enablement.ENABLED, "failed")]))
    assert isinstance(proof, Holds)
    assert proof.commands == ("systemctl restart unbound.service",)


def test_dockers_resolver_shows_no_socket() -> None:
    found = host({"/etc/resolv.conf": "nameserver 127.0.0.11\noptions ndots:0\n"}, True)
    assert isinstance(prove("resolver_down", found), Fails)


def test_an_empty_folder_has_no_dns_problem() -> None:
    found = Facts(virtual({}))
    assert found.init is Init.UNKNOWN
    assert isinstance(prove("resolv_conf_broken", found), CantTell)
    assert not isinstance(prove("resolver_down", found), Holds)
