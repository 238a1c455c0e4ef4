"""Proofs about the managers among themselves: none at all, two at once; and the units that fail with them."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import InterfaceConfig, Manager, Method
from agent.facts.services import Init
from agent.unknown import Unknown

WAITING = (
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "ifupdown-wait-online.service",
)

# Who works for whom: these pairs read the same files, or one writes for the other.
_TOGETHER = (
    {Manager.NETPLAN, Manager.NETWORKD},
    {Manager.NETPLAN, Manager.NETWORKMANAGER},
    {Manager.NETWORKMANAGER, Manager.IFCFG_RH},
    # NetworkManager leaves alone what /etc/network/interfaces names (managed=false in its ifupdown plugin).
    {Manager.NETWORKMANAGER, Manager.IFUPDOWN},
)


def no_network_manager(context: Context) -> Proof:
    """A root that boots, with its init and a network to configure, on which nothing enabled does it."""
    facts = context.facts
    if facts.init is Init.UNKNOWN:
        return CantTell("the target has no init that we know: it may not be a root at all")
    for manager, state in facts.managers.states.items():
        if state.running is True and manager is not Manager.CLOUD_INIT:
            return Fails(f"{manager.value} runs")
        if state.installed and state.enabled and not state.masked and _works_alone(facts, manager):
            return Fails(f"{manager.value} is enabled")
    other = parts.other_service(facts)
    if other:
        return Fails(f"{other} is enabled")
    if _own_script(facts):
        return Fails(f"{_own_script(facts)} may configure the network")
    if parts.network_up(facts):
        return Fails("the network is up")
    if facts.target.live and isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason)
    if not _server(facts):
        return CantTell("the root has no kernel and no fstab: it may be a container's")
    names = [f"{state.unit} is {_word(state.masked)}" for state in facts.managers.states.values() if state.installed]
    installed = ", ".join(names) or "none is installed"
    evidence = tuple(
        Evidence(state.unit, _word(state.masked)) for state in facts.managers.states.values() if state.installed
    )
    return Holds(f"no network manager is enabled ({installed})", evidence, {"installed": installed}, Severity.CRITICAL)


def _works_alone(facts: Facts, manager: Manager) -> bool:
    """netplan and cloud-init only write for others; netplan's generator starts networkd, though."""
    if manager is Manager.CLOUD_INIT:
        return False
    if manager is Manager.NETPLAN:
        return bool(parts.configured(facts, Manager.NETPLAN))
    return True


def _word(masked: bool) -> str:
    return "masked" if masked else "not enabled"


def _own_script(facts: Facts) -> str:
    """A script or unit of the owner's that configures the network by hand: rc.local, a unit that calls ip."""
    for path in ("/etc/rc.local", "/etc/rc.d/rc.local", "/etc/local.d/network.start", "/etc/rc.d/rc.inet1"):
        text = facts.target.text(path)
        stat = facts.target.stat(path)
        if isinstance(text, Unknown) or isinstance(stat, Unknown) or not stat.executable:
            continue
        if any(word in text for word in ("ip addr", "ip address", "ip a add", "ip link", "ifconfig ", "dhclient")):
            return path
    for path in facts.target.glob("/etc/systemd/system/*.service")[:200]:
        text = facts.target.text(path)
        if isinstance(text, str) and any(
            word in text for word in ("ip addr", "ip address", "ip a add", "/ip link", "ifconfig", "dhclient", "dhcpcd")
        ):
            return path
    return ""


def _server(facts: Facts) -> bool:
    """Signs of a disk that a machine boots from: a kernel, or a filesystem for / in fstab; live: a NIC."""
    if facts.target.live:
        return any(one.hardware and not one.loopback and parts.carries_network(one.name) for one in parts.links(facts))
    if facts.boot.kernels or facts.boot.module_folders:
        return True
    if facts.target.list("/var/log/journal"):
        return True  # it has booted
    return any(line.split()[1:2] == ["/"] for line in _fstab_lines(facts))


def _fstab_lines(facts: Facts) -> list[str]:
    lines = facts.target.lines("/etc/fstab")
    return [] if isinstance(lines, Unknown) else [line for line in lines if not line.lstrip().startswith("#")]


def managers_compete(context: Context) -> Proof:
    """Two enabled managers that don't know of each other both give the same interface an address."""
    facts = context.facts
    seen: dict[str, tuple[Manager, InterfaceConfig]] = {}
    for manager, config in parts.claims(facts):
        if manager is Manager.CLOUD_INIT or config.pattern:
            continue
        known = seen.setdefault(config.name, (manager, config))
        if known[0] is manager or _together(facts, known[0], manager):
            continue
        return _compete(facts, known, (manager, config))
    return Fails("no interface has two managers")


def _together(facts: Facts, one: Manager, other: Manager) -> bool:
    pair = {one, other}
    if pair == {Manager.NETPLAN, Manager.NETWORKMANAGER} or pair == {Manager.NETPLAN, Manager.NETWORKD}:
        return True
    if pair == {Manager.NETWORKMANAGER, Manager.IFUPDOWN}:
        return not _takes_ifupdowns(facts)
    if Manager.CLOUD_INIT in pair:
        return True
    return pair in _TOGETHER


def _takes_ifupdowns(facts: Facts) -> bool:
    """NetworkManager is told to manage what /etc/network/interfaces names ([ifupdown] managed=true)."""
    for path in (
        "/etc/NetworkManager/NetworkManager.conf",
        *facts.target.glob("/etc/NetworkManager/conf.d/*.conf"),
    ):
        text = facts.target.text(path)
        if isinstance(text, Unknown):
            continue
        section = ""
        for line in text.split("\n"):
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[ifupdown]" and line.replace(" ", "").lower() in (
                "managed=true",
                "managed=yes",
                "managed=1",
            ):
                return True
    return False


def _compete(facts: Facts, first: tuple[Manager, InterfaceConfig], second: tuple[Manager, InterfaceConfig]) -> Holds:
    files = f"{first[1].origin.path} and {second[1].origin.path}"
    loser = facts.managers.states[second[0]]
    option = parts.root_option(facts)
    command = f"systemctl {option}disable {loser.unit}" if facts.init is Init.SYSTEMD else ""
    values = {
        "iface": first[1].name,
        "first": first[0].value,
        "second": second[0].value,
        "files": files,
        "command": command,
        "undo": f"systemctl {option}enable {loser.unit}" if command else "",
    }
    evidence = tuple(
        Evidence(config.origin.path, f"configures {config.name}", config.origin.line)
        for config in (first[1], second[1])
    )
    why = f"{first[0].value} and {second[0].value} both configure {first[1].name} ({files})"
    commands = (command,) if command else ()
    undo = (values["undo"],) if command else ()
    severity = None if _same(first[1], second[1]) or parts.network_up(facts) else Severity.CRITICAL
    return Holds(why, evidence, values, severity, commands, undo)


def _same(one: InterfaceConfig, other: InterfaceConfig) -> bool:
    """Both want the same of IPv4: a nuisance, not a fault that cuts the host off."""
    mine = {address.interface for address in one.addresses if address.interface.version == 4}
    theirs = {address.interface for address in other.addresses if address.interface.version == 4}
    return mine == theirs and one.method4 is other.method4


def cloud_init_overwrote(context: Context) -> Proof:
    """cloud-init's file and another one give the same interface different addresses, or DHCP and static."""
    facts = context.facts
    written: dict[str, InterfaceConfig] = {}
    others: list[InterfaceConfig] = []
    for _, config in parts.claims(facts):
        if config.pattern:
            continue
        if "cloud-init" in config.origin.path:
            written.setdefault(config.name, config)
        else:
            others.append(config)
    for _, config in parts.claims(facts):
        merged = _merged(config)
        if merged:
            return merged
    for config in others:
        mine = written.get(config.name)
        if mine is None or _same(mine, config) or Method.NONE in (mine.method4, config.method4):
            continue
        values = {"iface": config.name, "file": mine.origin.path, "other": config.origin.path}
        evidence = (
            Evidence(mine.origin.path, _addresses(mine), mine.origin.line),
            Evidence(config.origin.path, _addresses(config), config.origin.line),
        )
        why = f"{mine.origin.path} wants {_addresses(mine)} on {config.name}, "
        why += f"{config.origin.path} {_addresses(config)}"
        return Holds(why, evidence, values, Severity.WARNING)
    return Fails("nothing contradicts cloud-init's configuration")


def _merged(config: InterfaceConfig) -> Holds | None:
    """One manager merges cloud-init's file with another: the interface gets the addresses of both."""
    origins: dict[str, set[str]] = {}
    for address in config.addresses:
        if address.interface.version == 4:
            origins.setdefault(address.origin.path, set()).add(str(address.interface))
    mine = next((path for path in origins if "cloud-init" in path), "")
    other = next((path for path in origins if "cloud-init" not in path), "")
    if not mine or not other or origins[mine] <= origins[other]:
        return None
    first, second = ", ".join(sorted(origins[mine])), ", ".join(sorted(origins[other]))
    evidence = (Evidence(mine, first), Evidence(other, second))
    values = {"iface": config.name, "file": mine, "other": other}
    return Holds(f"{mine} adds {first} to {config.name}, {other} {second}", evidence, values)


def _addresses(config: InterfaceConfig) -> str:
    found = [str(address.interface) for address in config.addresses if address.interface.version == 4]
    return ", ".join(found) or config.method4.value


def legacy_network_failed(context: Context) -> Proof:
    """network.service (Red Hat's, SUSE's) or wicked.service failed."""
    facts = context.facts
    units = [
        state.unit
        for manager in (Manager.IFCFG_RH, Manager.WICKED, Manager.NETIFRC)
        if parts.enabled(facts, manager) and (state := facts.managers.states[manager]).unit
    ]
    if not units:
        return Fails("no network script brings up the interfaces here")
    files = tuple(
        path
        for manager in (Manager.IFCFG_RH, Manager.WICKED)
        if manager in facts.configs
        for path in facts.configs[manager].files
    )
    proof = parts.failed_unit(context, units, ("unit-failed", "unit-state"), files)
    if not isinstance(proof, Holds):
        return proof
    return Holds(proof.why, proof.evidence, proof.values, parts.milder(facts))


def wait_online_failed(context: Context) -> Proof:
    """A unit that waits for the network failed; where the network is up it waited for an unused interface."""
    proof = parts.failed_unit(context, WAITING, ("unit-failed",))
    if not isinstance(proof, Holds):
        return proof
    return Holds(proof.why, proof.evidence, proof.values, parts.milder(context.facts, Severity.INFO))


PROOFS: dict[str, ProofFunction] = {
    "cloud_init_overwrote": cloud_init_overwrote,
    "legacy_network_failed": legacy_network_failed,
    "managers_compete": managers_compete,
    "no_network_manager": no_network_manager,
    "wait_online_failed": wait_online_failed,
}
