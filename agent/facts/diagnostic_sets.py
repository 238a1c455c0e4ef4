"""The diagnostic sets: what to look at first, by distribution. Data; diagnostics.py runs them.

The first six are those of Linode's guide on connection issues, step by step as it lists them. The others
are ours, in the same shape. A step that changes state is never run: it is shown as the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Callable

from agent.facts.diagnostic_choices import CODENAMES, NEWEST, name_for
from agent.facts.distro import Distro
from agent.facts.netconfig.model import Manager

GUIDE_INTERFACE = "eth0"  # the name that the guide, and so the data below, uses


@dataclass(frozen=True)
class Step:
    """One command. ``file`` is what a ``cat`` shows (may be a glob); ``tail`` keeps the last lines only."""

    argv: tuple[str, ...]
    changes_state: bool = False
    file: str | None = None
    tail: int | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The words as a person would type them."""
        return (*self.argv, "|", "tail", f"-{self.tail}") if self.tail else self.argv

    @property
    def text(self) -> str:
        return " ".join(self.command)


@dataclass(frozen=True)
class DiagnosticSet:
    """``covers`` are the managers whose state the steps show."""

    name: str
    steps: tuple[Step, ...]
    covers: tuple[Manager, ...] = ()

    @property
    def reading(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.changes_state)

    @property
    def next_step(self) -> str:
        """What the guide says to do then: "ifdown eth0 && ifup eth0"; "" when it has nothing."""
        return " && ".join(step.text for step in self.steps if step.changes_state)


def _run(text: str, tail: int | None = None) -> Step:
    return Step(tuple(text.split()), tail=tail)


def _cat(path: str) -> Step:
    return Step(("cat", path), file=path)


def _change(text: str) -> Step:
    return Step(tuple(text.split()), changes_state=True)


def _journal(unit: str) -> Step:
    return _run(f"journalctl -u {unit} --no-pager", tail=20)


_ADDRESSES = (_run("ip a"), _run("ip r"))
_IFUP = (_change("ifdown eth0"), _change("ifup eth0"))
_INTERFACES = "/etc/network/interfaces"
_NETWORK_FILE = "/etc/systemd/network/05-eth0.network"
_IFCFG = "/etc/sysconfig/network-scripts/ifcfg-eth0"
_KEYFILES = "/etc/NetworkManager/system-connections/*.nmconnection"
_NM_UP = (_change("nmcli connection reload"), _change("nmcli device reapply eth0"))

_NETWORKING = (_run("systemctl status networking.service -l"), _journal("networking"))
_NETWORKD = (_run("systemctl status systemd-networkd -l"), _journal("systemd-networkd"))
_NETWORKMANAGER = (
    _run("systemctl status NetworkManager -l"),
    _journal("NetworkManager"),
    _run("nmcli"),
)
_NETWORK_SCRIPTS = (_run("systemctl status network -l"), _journal("network"))
_WICKED = (
    _run("systemctl status wicked.service -l"),
    _journal("wicked"),
    _run("wicked ifstatus --verbose all"),
)
_SUSE_FILES = (
    _cat("/etc/sysconfig/network/ifcfg-eth0"),
    _cat("/etc/sysconfig/network/routes"),
    _cat("/etc/sysconfig/network/ifroute-eth0"),
)

# -- the six of the guide
_GUIDE = (
    DiagnosticSet(
        "debian7-ubuntu1404",
        (_run("service network status"), _cat(_INTERFACES), *_ADDRESSES, *_IFUP),
        (Manager.IFUPDOWN,),
    ),
    DiagnosticSet(
        "debian8-ubuntu1604",
        (*_NETWORKING, _cat(_INTERFACES), *_ADDRESSES, *_IFUP),
        (Manager.IFUPDOWN,),
    ),
    DiagnosticSet(
        "ubuntu1804",
        (
            _run("networkctl status"),
            *_NETWORKD,
            _cat(_NETWORK_FILE),
            *_ADDRESSES,
            _change("netplan apply"),
        ),
        (Manager.NETWORKD, Manager.NETPLAN),
    ),
    DiagnosticSet("arch-coreos", (*_NETWORKD, _cat(_NETWORK_FILE), *_ADDRESSES), (Manager.NETWORKD,)),
    DiagnosticSet(
        "centos6",
        (_run("service network status"), _cat(_IFCFG), *_ADDRESSES, *_IFUP),
        (Manager.IFCFG_RH,),
    ),
    DiagnosticSet(
        "centos7-fedora",
        (*_NETWORKMANAGER, _cat(_IFCFG), *_ADDRESSES, *_IFUP),
        (Manager.NETWORKMANAGER, Manager.IFCFG_RH),
    ),
)

# -- ours
_OURS = (
    DiagnosticSet(
        "debian10",
        (
            *_NETWORKING,
            _cat(_INTERFACES),
            _cat(f"{_INTERFACES}.d/*"),
            *_ADDRESSES,
            *_IFUP,
        ),
        (Manager.IFUPDOWN,),
    ),
    DiagnosticSet(
        "devuan",
        (
            _run("service networking status"),
            _cat(_INTERFACES),
            _cat(f"{_INTERFACES}.d/*"),
            *_ADDRESSES,
            *_IFUP,
        ),
        (Manager.IFUPDOWN,),
    ),
    DiagnosticSet(
        "ubuntu2004",
        (
            _run("networkctl status"),
            *_NETWORKD,
            _cat(_NETWORK_FILE),
            _cat("/etc/netplan/*.yaml"),
            *_ADDRESSES,
            _change("netplan apply"),
        ),
        (Manager.NETWORKD, Manager.NETPLAN),
    ),
    DiagnosticSet(
        "rhel8",
        (*_NETWORKMANAGER, _cat(_IFCFG), *_ADDRESSES, *_NM_UP),
        (Manager.NETWORKMANAGER, Manager.IFCFG_RH),
    ),
    DiagnosticSet(
        "rhel9",
        (*_NETWORKMANAGER, _cat(_KEYFILES), _cat(_IFCFG), *_ADDRESSES, *_NM_UP),
        (Manager.NETWORKMANAGER, Manager.IFCFG_RH),
    ),
    DiagnosticSet(
        "rhel10",
        (*_NETWORKMANAGER, _cat(_KEYFILES), *_ADDRESSES, *_NM_UP),
        (Manager.NETWORKMANAGER,),
    ),
    DiagnosticSet(
        "fedora36",
        (*_NETWORKMANAGER, _cat(_KEYFILES), *_ADDRESSES, *_NM_UP),
        (Manager.NETWORKMANAGER,),
    ),
    DiagnosticSet(
        "amazon1",
        (_run("service network status"), _cat(_IFCFG), *_ADDRESSES, *_IFUP),
        (Manager.IFCFG_RH,),
    ),
    DiagnosticSet("amazon2", (*_NETWORK_SCRIPTS, _cat(_IFCFG), *_ADDRESSES, *_IFUP), (Manager.IFCFG_RH,)),
    DiagnosticSet(
        "amazon2023",
        (
            _run("networkctl status"),
            *_NETWORKD,
            _cat("/etc/systemd/network/*.network"),
            *_ADDRESSES,
            _change("networkctl reload"),
            _change("networkctl reconfigure eth0"),
        ),
        (Manager.NETWORKD,),
    ),
    DiagnosticSet(
        "flatcar",
        (
            _run("networkctl status"),
            *_NETWORKD,
            _cat(_NETWORK_FILE),
            *_ADDRESSES,
            _change("networkctl reload"),
            _change("networkctl reconfigure eth0"),
        ),
        (Manager.NETWORKD,),
    ),
    DiagnosticSet(
        "opensuse",
        (*_WICKED, *_SUSE_FILES, *_ADDRESSES, _change("wicked ifreload eth0")),
        (Manager.WICKED,),
    ),
    DiagnosticSet(
        "sles11",
        (_run("service network status"), *_SUSE_FILES, *_ADDRESSES, *_IFUP),
        (Manager.WICKED,),
    ),
    DiagnosticSet(
        "opensuse16",
        (*_NETWORKMANAGER, _cat(_KEYFILES), *_ADDRESSES, *_NM_UP),
        (Manager.NETWORKMANAGER,),
    ),
    DiagnosticSet(
        "alpine",
        (_run("rc-service networking status"), _cat(_INTERFACES), *_ADDRESSES, *_IFUP),
        (Manager.IFUPDOWN,),
    ),
    DiagnosticSet(
        "gentoo",
        (
            _run("rc-service net.eth0 status"),
            _cat("/etc/conf.d/net"),
            *_ADDRESSES,
            _change("rc-service net.eth0 restart"),
        ),
        (Manager.NETIFRC,),
    ),
    DiagnosticSet(
        "slackware",
        (_cat("/etc/rc.d/rc.inet1.conf"), *_ADDRESSES, _change("/etc/rc.d/rc.inet1 eth0_restart")),
        (Manager.SLACKWARE,),
    ),
    DiagnosticSet(
        "void",
        (_run("sv status dhcpcd"), _cat("/etc/dhcpcd.conf"), _cat("/etc/rc.local"), *_ADDRESSES),
    ),
)

# What shows one manager's state: for an unknown distribution, and beside a set of ours without it.
_OF_MANAGER: dict[Manager, tuple[Step, ...]] = {
    Manager.IFUPDOWN: (*_NETWORKING, _cat(_INTERFACES), _cat(f"{_INTERFACES}.d/*")),
    Manager.NETWORKD: (_run("networkctl status"), *_NETWORKD, _cat("/etc/systemd/network/*.network")),
    Manager.NETPLAN: (_cat("/etc/netplan/*.yaml"),),
    Manager.NETWORKMANAGER: (*_NETWORKMANAGER, _cat(_KEYFILES)),
    Manager.IFCFG_RH: (_cat(_IFCFG),),
    Manager.WICKED: (*_WICKED, *_SUSE_FILES),
    Manager.NETIFRC: (_run("rc-service net.eth0 status"), _cat("/etc/conf.d/net")),
    Manager.SLACKWARE: (_cat("/etc/rc.d/rc.inet1.conf"),),
}
_NEXT_OF_MANAGER: dict[Manager, tuple[Step, ...]] = {
    Manager.IFUPDOWN: _IFUP,
    Manager.NETWORKD: (_change("networkctl reload"), _change("networkctl reconfigure eth0")),
    Manager.NETPLAN: (_change("netplan apply"),),
    Manager.NETWORKMANAGER: _NM_UP,
    Manager.IFCFG_RH: _IFUP,
    Manager.WICKED: (_change("wicked ifreload eth0"),),
    Manager.NETIFRC: (_change("rc-service net.eth0 restart"),),
    Manager.SLACKWARE: (_change("/etc/rc.d/rc.inet1 eth0_restart"),),
}

SETS: dict[str, DiagnosticSet] = {found.name: found for found in (*_GUIDE, *_OURS)}
GUIDE_SETS: tuple[str, ...] = tuple(found.name for found in _GUIDE)


def choose(distro: Distro, managers: Sequence[Manager] = (), interface: str | None = None) -> DiagnosticSet:
    """The set for a distribution; for an unknown one, by the managers found on disk (the main one first).

    ``interface`` is the main interface's real name: the steps for it join those for eth0. A set of ours
    also shows those of ``managers`` that it does not cover; the guide's six stay as the guide has them.
    """
    known = {manager.value: manager for manager in Manager}
    managers = [known[manager] for manager in managers if manager in known]
    name = _name(distro, managers)
    found = SETS[name] if name else _by_managers(managers)
    if name and name not in GUIDE_SETS:
        found = _widened(found, managers)
    return _for_interface(found, interface or GUIDE_INTERFACE)


def _name(distro: Distro, managers: Sequence[Manager]) -> str:
    based = CODENAMES.get(distro.base)
    if based and distro.id not in ("debian", "ubuntu"):
        return name_for(*based)
    version = distro.release or NEWEST
    if distro.id == "devuan" or "devuan" in distro.like:
        return "devuan"
    if distro.id in ("debian", "ubuntu") and not distro.release and distro.codename in CODENAMES:
        version = CODENAMES[distro.codename][1]
    if distro.id == "gentoo" and managers and Manager.NETIFRC not in managers:
        return ""  # Gentoo with systemd-networkd or NetworkManager
    if distro.id in ("opensuse-tumbleweed", "opensuse-leap", "sles") and managers:
        # openSUSE changed from wicked to NetworkManager at its own pace: what is there counts
        both = {Manager.WICKED: "opensuse", Manager.NETWORKMANAGER: "opensuse16"}
        if managers[0] in both and (version >= (15,)):
            return both[managers[0]]
    name = name_for(distro.id, version)
    if name:
        return name
    if managers:
        return ""
    # nothing on disk tells: the family's newest set is the best guess
    return next(filter(None, (name_for(family, NEWEST) for family in distro.like)), "")


def _by_managers(managers: Sequence[Manager]) -> DiagnosticSet:
    """A set made of each manager's steps; ``generic`` alone when none was found."""
    known = tuple(manager for manager in dict.fromkeys(managers) if manager in _OF_MANAGER)
    steps = dict.fromkeys(step for manager in known for step in _OF_MANAGER[manager])
    last = _NEXT_OF_MANAGER[known[0]] if known else ()
    name = f"generic-{known[0].value.lower()}" if known else "generic"
    return DiagnosticSet(name, (*steps, *_ADDRESSES, *last), known)


def _widened(found: DiagnosticSet, managers: Sequence[Manager]) -> DiagnosticSet:
    others = [manager for manager in dict.fromkeys(managers) if manager not in found.covers]
    others = [manager for manager in others if manager in _OF_MANAGER]
    more = [step for manager in others for step in _OF_MANAGER[manager] if step not in found.steps]
    if not more:
        return found
    changing = tuple(step for step in found.steps if step.changes_state)
    if managers[0] not in found.covers and managers[0] in _NEXT_OF_MANAGER:
        changing = _NEXT_OF_MANAGER[managers[0]]
    return replace(found, steps=(*found.reading, *dict.fromkeys(more), *changing), covers=(*found.covers, *others))


def _for_interface(found: DiagnosticSet, interface: str) -> DiagnosticSet:
    if interface == GUIDE_INTERFACE:
        return found
    rename: Callable[[str], str] = lambda word: word.replace(GUIDE_INTERFACE, interface)  # noqa: E731
    steps: list[Step] = []
    for step in found.steps:
        argv = tuple(map(rename, step.argv))
        renamed = replace(step, argv=argv, file=rename(step.file) if step.file else None)
        if renamed == step:
            steps.append(step)
        elif step.changes_state:
            steps.append(renamed)  # advice for an interface that is not there would be wrong
        else:
            steps += [step, renamed]
    return replace(found, steps=tuple(steps))
