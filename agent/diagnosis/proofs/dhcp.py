"""Proof that an interface which is to get its address by DHCP got none."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import InterfaceConfig, Manager, Method
from agent.facts.network import Link
from agent.unknown import Unknown

# These must run to ask for a lease; the others start a client and leave.
_DAEMONS = (Manager.NETWORKD, Manager.NETWORKMANAGER)

SETTLED = 90.0  # seconds after boot: until then a client may still be asking


def dhcp_failed(context: Context) -> Proof:
    """Live: the interface is up, has carrier and no IPv4 address. Offline: the journal vouches for it."""
    facts = context.facts
    wanting = _wanting(facts)
    if not wanting:
        return _unconfigured(context)
    if facts.target.live:
        return _live(context, wanting)
    return _offline(context, wanting)


def _wanting(facts: Facts) -> list[tuple[Manager, InterfaceConfig]]:
    return [(manager, config) for manager, config in parts.claims(facts) if config.method4 is Method.DHCP]


def _unconfigured(context: Context) -> Proof:
    facts = context.facts
    if context.entries() and (parts.enabled(facts, Manager.NETWORKMANAGER) or parts.other_service(facts)):
        return CantTell("a log says so; its manager needs no file to use DHCP")
    return Fails("no interface is configured for DHCP")


def _live(context: Context, wanting: list[tuple[Manager, InterfaceConfig]]) -> Proof:
    facts = context.facts
    if isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason)
    for manager, config in wanting:
        one = parts.link(facts, config.name) or _matched(facts, config)
        if one is None or not one.up or not one.carrier or parts.ipv4(one) or one.master:
            continue
        if _uptime(facts) < SETTLED:
            return CantTell("the host has just booted, a client may still be asking")
        if manager in _DAEMONS and not parts.running(facts, manager):
            continue
        evidence = Evidence("ip address", f"{one.name}: up, with carrier, without an IPv4 address")
        values = {"iface": one.name, "file": config.origin.path}
        mild = parts.network_up(facts) or config.optional
        why = f"{one.name} is to use DHCP ({config.origin}) and has no IPv4 address"
        return Holds(why, (evidence,), values, Severity.WARNING if mild else None)
    return Fails("every interface that uses DHCP and has carrier has an address")


def _matched(facts: Facts, config: InterfaceConfig) -> Link | None:
    """The one live interface that a configuration by pattern or MAC can mean."""
    if not config.pattern:
        return None
    hardware = [one for one in parts.links(facts) if one.hardware and not one.loopback]
    if config.macs:
        hardware = [one for one in hardware if one.mac in config.macs]
    return hardware[0] if len(hardware) == 1 and parts.carries_network(hardware[0].name) else None


def _uptime(facts: Facts) -> float:
    text = facts.target.text("/proc/uptime")
    try:
        return SETTLED if isinstance(text, Unknown) else float(text.split()[0])
    except (ValueError, IndexError):
        return SETTLED


def _offline(context: Context, wanting: list[tuple[Manager, InterfaceConfig]]) -> Proof:
    matches = parts.trusted_matches(context)
    if not matches:
        if context.entries():
            return CantTell("a log says so, and nobody vouches for the log")
        return Fails("no log of the newest boot says so")
    for match in reversed(matches):
        named = match.groups.get("iface")
        for _, config in wanting:
            if named and not config.pattern and config.name != named:
                continue
            changed = parts.changed_since(context.facts, match.entry.time, (config.origin.path,))
            if changed:
                return CantTell(f"it failed in the newest boot, but {changed} was changed since")
            iface = named or config.name
            values = {"iface": iface, "file": config.origin.path}
            why = f"{iface} got no answer in the newest boot"
            return Holds(why, (parts.entry_evidence(match.entry),), values)
    return Fails("the interface that failed is not configured for DHCP")


PROOFS: dict[str, ProofFunction] = {"dhcp_failed": dhcp_failed}
