"""What makes a round trip: the breakages that have a fix, and some that only a fix makes worth acting out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tests.lab.host import GATEWAY
from tests.lab.root import Root
from tests.lab.scenarios import firewall, ifupdown, netplan, networkd, networkmanager
from tests.lab.scenarios.common import GENERATED, OTHER_LINK, RENAMED, generator
from tests.lab.scenarios.model import Running, Scenario

STALE = "02:00:00:00:00:01"  # the MAC address of a card that this host does not have
PINS = "/etc/udev/rules.d/70-persistent-net.rules"
PIN = f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{STALE}", ATTR{{type}}=="1", NAME="eth0"\n'
GRUB = "/etc/default/grub"
_BREAKAGES = (
    *ifupdown.SCENARIOS,
    *networkd.SCENARIOS,
    *netplan.SCENARIOS,
    *networkmanager.SCENARIOS,
    *firewall.SCENARIOS,
)


def flush(host: Running) -> None:
    """What an admin does by mistake on a running host. A manager that is still at it would do it again."""
    up = "ip -4 route show default | grep -q eth0"
    host.inside("sh", "-c", f"for _ in $(seq 100); do {up} && sleep 1 && break; sleep 0.1; done; ip address flush eth0")


def naming_its_servers(root: Root) -> None:
    """What resolvconf would use, were it installed."""
    ifupdown.static(root)
    root.append(ifupdown.INTERFACES, f"    dns-nameservers {GATEWAY}\n")


def pinned(root: Root) -> None:
    """udev kept the name eth0 for the card that was there before, as it did until systemd 208."""
    root.write(PINS, f"# PCI device 0x1af4:0x1000 (virtio-pci)\n{PIN}")


def pinned_name(root: Root) -> str:
    """The name that such a udev gives: the first that no rule keeps for another card."""
    lines = root.read(PINS).splitlines() if root.exists(PINS) else []
    return "eth1" if any(STALE in line and not line.startswith("#") for line in lines) else "eth0"


def predictable(root: Root) -> None:
    """A host that boots by GRUB, and whose kernel line lost net.ifnames=0."""
    ifupdown.static(root)
    root.write(GRUB, 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="console=ttyS0,19200n8"\n')


def predictable_name(root: Root) -> str:
    """The name that udev leaves or gives, from what is masked and from the kernel's parameters."""
    masks = ("/etc/systemd/network/99-default.link", "/etc/udev/rules.d/80-net-setup-link.rules")
    masked = any(root.at(path).is_symlink() and str(root.at(path).readlink()) == "/dev/null" for path in masks)
    off = root.exists(GRUB) and re.search(r"^GRUB_CMDLINE_LINUX\S*=.*net\.ifnames=0", root.read(GRUB), re.MULTILINE)
    return "eth0" if masked or off else OTHER_LINK


def named_units(root: Root) -> None:
    """fstab's mounts, as systemd's own generator makes them of what fstab says now (see `missing_disk`)."""
    root.remove(GENERATED)
    root.at(GENERATED).mkdir(parents=True)
    root.run(generator(root), GENERATED, GENERATED, GENERATED)


def _known(name: str) -> Scenario:
    """A host of the lab. NetworkManager writes its resolv.conf anew whenever it starts."""
    scenario = next(scenario for scenario in _BREAKAGES if scenario.name == name)
    return replace(scenario, living=("/etc/resolv.conf",)) if scenario.layer == "networkmanager" else scenario


def _fixed_by(name: str, *fix: str, label: str = "") -> Scenario:
    """A breakage of the lab, with the fix that is tried on it."""
    return replace(_known(name), name=f"{name}{label}", fix=fix)


def _flushed(name: str, leg: str = "restarted") -> Scenario:
    """A healthy host of the lab, whose addresses an admin takes away while it runs."""
    return replace(
        _known(f"{name}: healthy, one address"),
        name=f"{name}: addresses flushed",
        whisper=flush,
        finding="address-missing",
        answers=False,
        fix=("--restart-network",),
        legs=(leg,),
    )


def _renamed(manager: str) -> Scenario:
    """In a container the names are given from outside: only the configuration can follow them, and a scan
    from inside offers no other names."""
    return replace(_fixed_by(f"{manager}: {RENAMED_CARD}", "--interface-names=config"), offered=())


def _opened(name: str, *fix: str, leg: str = "restarted", label: str = "") -> Scenario:
    """A host whose firewall stops ssh; what is in force ends with the boot, and so does its fix."""
    return replace(_fixed_by(name, *fix, label=label), legs=(leg,), answers=None)


HOOK = "ifupdown: iptables hook"
RENAMED_CARD = "configured eth0, card is ens3"

# One of each fix at least; these are acted out on every suite.
MAIN = (
    _fixed_by("ifupdown: sendmail removed, its hook left", "--sendmail"),
    _fixed_by(f"{HOOK} without #! in if-pre-up.d", "--iptables"),
    _fixed_by("ifupdown: another hook fails", "--ifup-hook", "shaping"),
    _renamed("ifupdown"),
    Scenario(
        "ifupdown: udev keeps eth0 for another card",
        "ifupdown",
        ifupdown.static,
        pinned,
        finding="interface-renamed-persistent",
        link="eth1",
        card=pinned_name,
        kernel=("virtio_net virtio0 eth1: renamed from eth0",),
        answers=False,
        fix=("--persistent-net",),
        note="no udev runs in a container: the lab gives the card the name that udev would",
    ),
    _fixed_by("networkd: not enabled", "--networkd"),
    replace(
        _fixed_by("ifupdown: an upgrade was interrupted", "--dpkg"),
        reversible=False,
        note="what dpkg has configured stays so: its plan says that it can't be undone, and undo refuses",
    ),
    replace(_fixed_by("ifupdown: fstab names a missing disk", "--fstab"), before_boot=named_units),
    _fixed_by("NetworkManager: keyfile with mode 0644", "--nm-profile"),
    replace(
        _fixed_by("ifupdown: resolv.conf dangles", "--resolv-conf", label=", interfaces names the servers"),
        setup=naming_its_servers,
    ),
    replace(_flushed("ifupdown", "on probation"), name="ifupdown: addresses flushed, on probation"),
    _opened("firewall: ufw without ssh", "--firewall"),
    _opened("firewall: ufw without ssh", "--firewall=flush", leg="on probation", label=", flushed for a while"),
)

# The same fixes on other hosts and by other choices. `make test` spreads them over the suites.
VARIANTS = (
    _fixed_by("ifupdown: sendmail removed, its hook left", "--sendmail=guard", label=", guarded"),
    replace(
        _fixed_by("ifupdown: sendmail removed, its hook left", "--sendmail=purge", label=", purged"),
        living=("/var/lib/dpkg/updates",),  # where dpkg makes and removes its own notes: the time of the folder
    ),
    _fixed_by(f"{HOOK} with CRLF in if-up.d", "--iptables"),
    _fixed_by(f"{HOOK}, rules file missing", "--iptables"),
    _fixed_by(f"{HOOK}, malformed rule", "--iptables"),
    _renamed("networkd"),
    _renamed("netplan"),
    _renamed("NetworkManager"),
    Scenario(
        f"ifupdown: {RENAMED_CARD}, by kernel names",
        "ifupdown",
        predictable,
        finding="interface-renamed",
        link=OTHER_LINK,
        card=predictable_name,
        kernel=(RENAMED,),
        answers=False,
        fix=("--interface-names",),
        offered=("offline",),
        legs=("offline",),
        note="a container has no kernel, initramfs or boot loader of its own: the lab gives the card the name that"
        " udev would, from what the disk says; whether the menu and the initramfs are rebuilt is not shown",
    ),
    Scenario(
        "networkd: for another card's MAC address",
        "networkd",
        networkd.static,
        lambda root: root.replace(networkd.FILE, "Name=eth0\n", f"MACAddress={STALE}\n"),
        finding="interface-renamed-persistent",
        answers=False,
        fix=("--persistent-net",),
        legs=("live",),
        note="which cards a host has shows only while it runs: no proof, and no fix, from outside",
    ),
    replace(_fixed_by("ifupdown: resolv.conf dangles", f"--resolv-conf={GATEWAY}"), offered=()),  # no server is known
    replace(
        _fixed_by("ifupdown: fstab names a missing disk, seen from Finnix", "--fstab"),
        before_boot=named_units,
        legs=("offline",),
    ),
    _opened("firewall: nft without ssh", "--firewall"),
    _fixed_by("networkd: masked", "--networkd"),
    _fixed_by("netplan: networkd masked", "--networkd"),
    _flushed("ifupdown"),
    _flushed("networkd"),
    replace(_flushed("NetworkManager"), suites=("bullseye", "bookworm")),  # 1.52 puts its addresses back at once
    replace(
        _flushed("netplan", "fails"),
        living=("/usr/share/netplan",),  # what Python makes of its own source
        note="netplan apply wants a /sys that it may write to, and fails in a container: that its change is taken back"
        " is what can be had here",
    ),
)
TRIPS = (*MAIN, *VARIANTS)


def everyday(suites: Sequence[str]) -> list[tuple[str, Scenario]]:
    """What `make test` acts out: the main trips on every suite, each variant on one of them."""
    chosen = [(suite, scenario) for scenario in MAIN for suite in suites]
    for number, scenario in enumerate(VARIANTS):
        able = [suite for suite in suites if not scenario.suites or suite in scenario.suites]
        chosen += [(able[number % len(able)], scenario)] if able else []
    return chosen
