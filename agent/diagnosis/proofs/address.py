"""Proofs of addresses: none, another one, somebody else's, Linode's private network, router advertisements."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_network

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.diagnosis.proofs.wanted import Wanted
from agent.facts.facts import Facts
from agent.facts.netconfig import sysctl
from agent.facts.netconfig.model import AddressConfig, Manager, Method
from agent.facts.network import Link
from agent.unknown import Unknown

PRIVATE = ip_network("192.168.128.0/17")  # Linode's private network: no gateway, this mask

# These read router advertisements themselves and switch the kernel's own reading off.
_OWN_ADVERTISEMENTS = frozenset({Manager.NETWORKD, Manager.NETPLAN, Manager.NETWORKMANAGER})


def address_missing(context: Context) -> Proof:
    """Live: a card that is up, and has a static address in the configuration, has no global one at all."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    cards = wanted.cards(facts)
    if isinstance(cards, Unknown):
        return CantTell(cards.reason, wanted.log_values(context))
    if not wanted.settled(facts):
        return CantTell("the host has just booted", wanted.log_values(context))
    for link in cards:
        if not link.up or not link.carrier or link.global_addresses:
            continue
        for want in wanted.of_link(facts, link):
            if want.at_boot and _static(want):
                return _missing(facts, link, want)
    return Fails("every card with a static address in its configuration has one")


def _static(want: Wanted) -> tuple[AddressConfig, ...]:
    if Method.DHCP in (want.config.method4,):
        return ()
    return tuple(
        one
        for one in want.config.addresses
        if not one.interface.is_link_local and not one.interface.is_loopback and not one.interface.is_unspecified
    )


def _missing(facts: Facts, link: Link, want: Wanted) -> Holds:
    address = _static(want)[0]
    state = facts.managers.states.get(want.manager)
    values = {"iface": link.name, "file": address.origin.path, "unit": state.unit if state else ""}
    return Holds(
        f"{link.name} is up without an address; {address.origin} gives it {address.interface}",
        (
            Evidence("ip address", f"{link.index}: {link.name}: <{','.join(link.flags)}>, no global address"),
            Evidence(address.origin.path, str(address.interface), address.origin.line),
        ),
        values,
        Severity.WARNING if parts.network_up(facts) else None,
        None if values["unit"] else (),
    )


def address_mismatch(context: Context) -> Proof:
    """Live: a card has an IPv4 address, and one that the configuration gives it is on no link at all."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    cards = wanted.cards(facts)
    if isinstance(cards, Unknown):
        return CantTell(cards.reason, wanted.log_values(context))
    everywhere = {address.interface.ip for link in parts.links(facts) for address in link.addresses}
    for link in cards:
        live = [address.interface for address in link.global_addresses if address.interface.version == 4]
        if not live or not link.up:
            continue
        for want in wanted.of_link(facts, link):
            if not want.config.auto:
                continue
            for one in _static(want):
                if one.interface.version == 4 and one.interface.ip not in everywhere:
                    return _mismatch(link, one, ", ".join(str(address) for address in live))
    return Fails("every configured address is there")


def _mismatch(link: Link, one: AddressConfig, live: str) -> Holds:
    return Holds(
        f"{link.name} has {live}; {one.origin} gives it {one.interface}",
        (
            Evidence("ip address", f"{link.name}: {live}"),
            Evidence(one.origin.path, str(one.interface), one.origin.line),
        ),
        {"iface": link.name, "file": one.origin.path},
    )


def duplicate_address(context: Context) -> Proof:
    """An address that the kernel refused (dadfailed), or that another host answers for; offline the kernel's
    own word in the newest boot. ifup's word counts for nothing where its arping failed."""
    facts = context.facts
    if "arping-broken" in context.hits and not set(context.hits) - {"arping-broken", "initscripts"}:
        return Fails("arping itself failed: its word says nothing of another host")
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live:
        return _duplicate_now(context)
    for match in reversed(parts.trusted_matches(context, "kernel")):
        if match.entry.kernel:
            why = "the kernel found another host with this host's address in the newest boot"
            return Holds(why, (parts.entry_evidence(match.entry),), wanted.log_values(context), None, ())
    if context.entries():
        return CantTell("a log says so; who answers shows only on the running host", wanted.log_values(context))
    return Fails("no log of the newest boot says so")


def _duplicate_now(context: Context) -> Proof:
    facts = context.facts
    if isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason, wanted.log_values(context))
    for link in facts.links:
        for address in link.addresses:
            if "dadfailed" in address.flags and link.hardware:
                return Holds(
                    f"{address.interface} on {link.name} is refused: another host has it (dadfailed)",
                    (Evidence("ip address", f"{link.name}: {address.interface} {' '.join(address.flags)}"),),
                    {"iface": link.name, "address": str(address.interface.ip)},
                    Severity.WARNING if parts.network_up(facts) else None,
                    (),
                )
    return _asked(context)


def _asked(context: Context) -> Proof:
    """Where a log speaks of an IPv4 address of this host: does another one answer for it? (arping -D)"""
    facts = context.facts
    named = {value for hits in context.hits.values() for match in hits.matches for value in _ipv4(match.entry.text)}
    if not named:
        if context.entries() and not set(context.hits) <= {"kernel", "ip-addr"}:
            return CantTell("a log says so, without the address")
        return Fails("no address is refused")
    for link in parts.links(facts):
        for address in link.addresses:
            if str(address.interface.ip) not in named or link.loopback:
                continue
            ip = str(address.interface.ip)
            output = facts.target.run(["arping", "-D", "-c", "2", "-w", "3", "-I", link.name, ip], timeout=6.0)
            if isinstance(output, Unknown):
                return CantTell(f"nobody could be asked: {output.reason}", {"iface": link.name, "address": ip})
            reply = re.search(r"reply from .{0,80}", output.stdout)
            if reply:
                return Holds(
                    f"another host answers for {ip}",
                    (Evidence(f"arping -D -I {link.name} {ip}", reply.group(0)),),
                    {"iface": link.name, "address": ip},
                )
    return Fails("nobody else answers for this host's addresses")


def _ipv4(text: str) -> list[str]:
    return re.findall(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", text[:2000])


def private_mask_wrong(context: Context) -> Proof:
    """On a Linode, an address of its private network beside a public one has another mask, or a gateway."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not on_linode(facts):
        return Fails("nothing shows that this is a Linode")
    for want in wanted.all_of(facts):
        addresses = [one for one in want.config.addresses if one.interface.version == 4]
        if not any(wanted.public(one.interface.ip) for one in addresses):
            continue
        for one in addresses:
            if one.interface.ip in PRIVATE and one.prefix_given and one.interface.network.prefixlen != 17:
                why = f"{one.origin} gives {one.interface}: Linode's private network is 192.168.128.0/17"
                return _private(one.origin.path, one.origin.line, str(one.interface), why)
        for route in want.config.default_routes:
            if isinstance(route.gateway, IPv4Address) and route.gateway in PRIVATE:
                why = f"{route.origin} names {route.gateway} as gateway: the private network has none"
                return _private(route.origin.path, route.origin.line, str(route.gateway), why)
    return Fails("no private address has another mask or a gateway")


def _private(path: str, line: int, text: str, why: str) -> Holds:
    return Holds(why, (Evidence(path, text, line),), {"file": wanted.quoted(path)}, Severity.WARNING)


def on_linode(facts: Facts) -> bool:
    """The firmware says so (live), or Linode's Network Helper has written here."""
    if facts.helper.files or facts.helper.backups:
        return True
    if facts.target.live:
        vendor = facts.target.text("/sys/class/dmi/id/sys_vendor", 256)
        return isinstance(vendor, str) and vendor.strip() in ("Linode", "Akamai")
    return False


def ipv6_ra_ignored(context: Context) -> Proof:
    """The configuration wants IPv6 by router advertisements, and a kernel parameter keeps them out."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    for want in wanted.all_of(facts):
        if not want.card or not want.at_boot or not _by_advertisements(want):
            continue
        proof = _kept_out_live(facts, want) if facts.target.live else _kept_out(facts, want)
        if proof:
            return proof
    return Fails("nothing keeps router advertisements out where the configuration wants them")


def _by_advertisements(want: Wanted) -> bool:
    """IPv6 is asked for in so many words, and has no other source."""
    config = want.config
    if config.accept_ra is False or any(one.interface.version == 6 for one in config.addresses):
        return False
    return config.accept_ra is True or config.method6 is Method.AUTO


def _kept_out(facts: Facts, want: Wanted) -> Holds | None:
    found = sysctl.effective(facts.target, want.card, "disable_ipv6")
    if found is None or found.value != "1":
        return None
    origin = want.config.origin
    return Holds(
        f"{found.origin} switches IPv6 off, {origin} wants it by router advertisements",
        (Evidence(found.origin.path, f"{found.key} = {found.value}", found.origin.line),),
        {"iface": want.card, "accept_ra": "1"},
        None,
        (),
        (),
    )


def _kept_out_live(facts: Facts, want: Wanted) -> Holds | None:
    link = parts.link(facts, want.card)
    if link is None or not link.up or not link.carrier:
        return None
    if any(address.interface.version == 6 for address in link.global_addresses):
        return None
    values = {name: sysctl.live(facts.target, link.name, name) for name in ("disable_ipv6", "accept_ra", "forwarding")}
    origin = want.config.origin
    parameter = ""
    if values["disable_ipv6"] == "1":
        parameter = "disable_ipv6"
    elif want.manager not in _OWN_ADVERTISEMENTS:
        if values["accept_ra"] == "0":
            parameter = "accept_ra"
        elif values["accept_ra"] == "1" and values["forwarding"] == "1":
            parameter = "forwarding"
    if not parameter:
        return None
    key = f"net.ipv6.conf.{link.name}"
    commands, undo = None, None
    if parameter == "disable_ipv6":
        commands, undo = (f"sysctl -w {key}.disable_ipv6=0",), (f"sysctl -w {key}.disable_ipv6=1",)
    shown = f"{key}.{parameter} = {values[parameter]}"
    if parameter == "forwarding":
        shown += f", {key}.accept_ra = 1"
    accept = values["accept_ra"]
    return Holds(
        f"{origin} wants IPv6 by router advertisements, but {shown}",
        (Evidence("sysctl", shown),),
        {"iface": link.name, "accept_ra": accept if isinstance(accept, str) else "1"},
        None,
        commands,
        undo,
    )


PROOFS: dict[str, ProofFunction] = {
    "address_mismatch": address_mismatch,
    "address_missing": address_missing,
    "duplicate_address": duplicate_address,
    "ipv6_ra_ignored": ipv6_ra_ignored,
    "private_mask_wrong": private_mask_wrong,
}
