"""Proofs of name resolution: /etc/resolv.conf itself, and the local resolver that it names."""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.facts.dns import PATH, Resolver
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager, Method
from agent.facts.services import Unit
from agent.unknown import Unknown

RESOLVED = "systemd-resolved.service"
STUBS = ("127.0.0.53", "127.0.0.54")  # systemd-resolved's own addresses, nobody else's
DOCKER = "127.0.0.11"  # dockerd answers there by a redirection: no socket shows

_WRITE = ("printf 'nameserver 1.1.1.1\\nnameserver 8.8.8.8\\n' > {root}/etc/resolv.conf",)

# Programs that may answer at 127.0.0.1.
_SERVERS = (
    "unbound.service",
    "dnsmasq.service",
    "named.service",
    "bind9.service",
    "pdns-recursor.service",
    "dnscrypt-proxy.service",
    "kresd@1.service",
    "knot-resolver.service",
    "stubby.service",
    "pihole-FTL.service",
    "AdGuardHome.service",
    "coredns.service",
)

# Who makes a resolv.conf in /run at boot.
_UNITS = {
    "systemd-resolved": (RESOLVED,),
    "NetworkManager": ("NetworkManager.service", "network-manager.service"),
    "resolvconf": ("resolvconf.service",),
    "dhcpcd": ("dhcpcd.service", "dhcpcd5.service", "networking.service"),
    "connman": ("connman.service",),
    "netconfig": ("wicked.service", "network.service", "NetworkManager.service"),
    "systemd-networkd": ("systemd-networkd.service",),
}


def resolv_conf_broken(context: Context) -> Proof:
    """resolv.conf is missing, names no server, or leads to a file that nothing on this host makes."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    resolver = facts.resolver
    if resolver.nameservers:
        return Fails(f"{PATH} names {', '.join(resolver.nameservers[:3])}")
    if resolver.state == "unreadable":
        return CantTell(resolver.reason)
    if _by_bus(facts):
        return Fails("names are resolved by systemd-resolved through nsswitch.conf, without the file")
    if resolver.state == "link" and (resolver.dangling or (resolver.runtime and not facts.target.live)):
        return _link(facts, resolver)
    return _unfilled(facts, resolver)


def _broken(why: str, text: str) -> Holds:
    return Holds(why, (Evidence(PATH, text),))


def _by_bus(facts: Facts) -> bool:
    """libc asks systemd-resolved by its own module: the file is for others."""
    text = facts.target.text("/etc/nsswitch.conf", 256 * 1024)
    if isinstance(text, Unknown) or not re.search(r"^\s*hosts\s*:[^#\n]*\bresolve\b", text, re.MULTILINE):
        return False
    unit = facts.unit(RESOLVED)
    if facts.target.live and isinstance(unit.active, str) and unit.active:
        return unit.active == "active"
    return unit.starts_at_boot


def _provider_works(facts: Facts, provider: str) -> bool | None:
    """A service makes the file at boot; None when nobody knows whose the file is."""
    if provider not in _UNITS:
        return None
    if any(facts.unit(name).starts_at_boot for name in _UNITS[provider]):
        return True
    # resolvconf and dhcpcd are also called by others, without a service of their own
    return provider in ("resolvconf", "dhcpcd") and isinstance(facts.target.find_program(provider), str)


def _link(facts: Facts, resolver: Resolver) -> Proof:
    leads = f"{PATH} is a link to {resolver.link}"
    if not resolver.runtime:
        return _broken(f"{leads}, which does not exist", f"-> {resolver.link}")
    if resolver.provider == "systemd-resolved" and facts.unit(RESOLVED).present:
        return Fails("systemd-resolved, which makes it, is installed")  # its state: see resolver_down
    works = _provider_works(facts, resolver.provider)
    if works is None:
        return CantTell(f"{leads}: who makes it is not known")
    if works and not facts.target.live:
        return Fails(f"{resolver.provider} makes it at boot")
    if works:
        return _broken(f"{leads}, which {resolver.provider} has not made", f"-> {resolver.link}")
    return _broken(f"{leads}, and {resolver.provider} is not there to make it", f"-> {resolver.link}")


def _unfilled(facts: Facts, resolver: Resolver) -> Proof:
    """No file, or none with a server: clients of DHCP and NetworkManager write it when the network comes up."""
    if facts.target.live and not wanted.settled(facts):
        return CantTell("the host has just booted")
    if not facts.target.live:
        if Manager.NETWORKMANAGER in facts.managers.in_charge:
            return CantTell("NetworkManager writes the file when it runs")
        if any(want.config.method4 is Method.DHCP for want in wanted.all_of(facts)):
            return CantTell("the DHCP client writes the file when it runs")
        if not facts.managers.in_charge:
            return CantTell("no manager is in charge: this may be no root that boots")
    listening = facts.resolver.listening
    if isinstance(listening, tuple) and {"127.0.0.1", "0.0.0.0", "::"} & set(listening):
        return Fails("it names no server, and the default, 127.0.0.1, answers")
    if resolver.state == "absent":
        return Holds(
            f"there is no {PATH}",
            (Evidence(PATH, "no such file"),),
            commands=_WRITE,
            undo=("rm {root}/etc/resolv.conf",),
        )
    shown = "; ".join(resolver.invalid[:3])
    return _broken(f"{PATH} names no name server" + (f": {shown}" if shown else ""), shown or "no nameserver line")


def resolver_down(context: Context) -> Proof:
    """resolv.conf sends everybody to this host itself, and no service answers there."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    resolver = facts.resolver
    if resolver.state == "link" and not resolver.nameservers:
        return _stub_by_link(facts, resolver)
    local = [address for address in resolver.local if address != DOCKER]
    if not local or DOCKER in resolver.nameservers:
        return Fails("no name server is this host itself")
    unanswered = resolver.unanswered
    if facts.target.live:
        if isinstance(unanswered, Unknown):
            return CantTell(unanswered.reason)
        if not set(local) <= set(unanswered):
            return Fails(f"something listens on port 53 of {local[0]}")
        if not wanted.settled(facts):
            return CantTell("the host has just booted")
        why = f"{PATH} names {', '.join(local)}, where nothing listens"
        unit = _answering(facts, local)
        if unit is not None and unit.name != RESOLVED:
            why += f" ({unit.name} is {unit.active or 'down'})"
        return _down(facts, resolver, why, "ss -lnu", f"nothing on {local[0]}:53")
    stub = next((address for address in local if address in STUBS), "")
    if not stub:
        unit = _answering(facts, local)
        if unit is None:
            return CantTell(f"who is to answer on {local[0]} is not known")
        if unit.starts_at_boot:
            return Fails(f"{unit.name} is enabled")
        how = "masked" if unit.masked else "not enabled"
        return _down(facts, resolver, f"{PATH} names {local[0]}, and {unit.name} is {how}", PATH, local[0])
    if facts.unit(RESOLVED).starts_at_boot:
        return Fails("systemd-resolved is enabled")
    return _down(facts, resolver, f"{PATH} names {stub}, and systemd-resolved is {_word(facts)}", PATH, stub)


def _answering(facts: Facts, local: list[str]) -> Unit | None:
    """The unit that should answer at the local addresses: resolved's are its own, the others anybody's."""
    if any(address in STUBS for address in local):
        return facts.unit(RESOLVED)
    present = [unit for unit in map(facts.unit, _SERVERS) if unit.present]
    return next((unit for unit in present if unit.starts_at_boot), present[0] if present else None)


def _word(facts: Facts) -> str:
    unit = facts.unit(RESOLVED)
    if not unit.present:
        return "not installed"
    return "masked" if unit.masked else "not enabled"


def _stub_by_link(facts: Facts, resolver: Resolver) -> Proof:
    unit = facts.unit(RESOLVED)
    if resolver.provider != "systemd-resolved" or not unit.present or not resolver.runtime:
        return Fails("no name server is this host itself")
    if facts.target.live:
        if unit.active == "active" or not resolver.dangling or not isinstance(unit.active, str) or not unit.active:
            return Fails("systemd-resolved runs") if unit.active == "active" else CantTell("its state is not known")
        why = f"{PATH} is a link to {resolver.link}, and systemd-resolved is {unit.active}"
        return _down(facts, resolver, why, f"systemctl show {RESOLVED}", f"ActiveState={unit.active}")
    if unit.starts_at_boot:
        return Fails("systemd-resolved is enabled")
    why = f"{PATH} is a link to {resolver.link}, and systemd-resolved is {_word(facts)}"
    return _down(facts, resolver, why, PATH, f"-> {resolver.link}")


def _down(facts: Facts, resolver: Resolver, why: str, source: str, text: str) -> Holds:
    """Where another server stands in the list too, names only take longer."""
    others = [address for address in resolver.nameservers if address not in resolver.local]
    unit = _answering(facts, list(resolver.local)) if resolver.local else facts.unit(RESOLVED)
    commands: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    if unit is None or not unit.present:
        commands = ("mv {root}/etc/resolv.conf {root}/etc/resolv.conf.saved", *_WRITE)
        undo = ("mv {root}/etc/resolv.conf.saved {root}/etc/resolv.conf",)
    elif unit.starts_at_boot and facts.target.live:
        commands = (f"systemctl restart {unit.name}",)
    else:
        option = parts.root_option(facts)
        now = "--now " if facts.target.live else ""
        commands = (f"systemctl {option}unmask {unit.name}",) if unit.masked else ()
        commands = (*commands, f"systemctl {option}enable {now}{unit.name}")
        undo = (f"systemctl {option}disable {now}{unit.name}",)
        if unit.masked:
            undo = (*undo, f"systemctl {option}mask {unit.name}")
    name = unit.name if unit else ""
    return Holds(why, (Evidence(source, text),), {"unit": name}, Severity.INFO if others else None, commands, undo)


PROOFS: dict[str, ProofFunction] = {
    "resolv_conf_broken": resolv_conf_broken,
    "resolver_down": resolver_down,
}
