"""Proofs of links: a configured network card that is not there, or is down."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import names, parts, wanted
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.facts.network import Link
from agent.unknown import Unknown


def interface_missing(context: Context) -> Proof:
    """Live: a card that the configuration brings up at boot is absent. Offline: the network scripts missed it
    in the newest boot, and the configuration still names it."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return _missed_at_boot(context)
    if isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason, wanted.log_values(context))
    up = parts.network_up(facts)
    for want in wanted.absent(facts):
        if want.config.optional or not want.config.auto or (up and want.manager in wanted.IDLE):
            continue
        if isinstance(names.interface_renamed(context), Holds):
            return Fails(f"{want.card} is there by another name")
        origin = want.config.origin
        there = sorted(link.name for link in parts.links(facts) if not link.loopback)
        return Holds(
            f"{origin} configures {want.card}, which does not exist",
            (
                Evidence(origin.path, f"configures {want.card}", origin.line),
                Evidence("ip link", f"there are: {', '.join(there) or 'none but lo'}"),
            ),
            {"iface": want.card, "file": origin.path},
            Severity.WARNING if up else None,
        )
    return Fails("every interface that is brought up at boot exists")


def _missed_at_boot(context: Context) -> Proof:
    facts = context.facts
    wants = {want.card: want for want in wanted.all_of(facts) if want.at_boot and want.card}
    if not wants:
        return Fails("no interface is configured by its name")
    for match in reversed(parts.trusted_matches(context)):
        named = next((match.groups[key] for key in ("iface", "device", "unit") if match.groups.get(key)), "")
        want = wants.get(named.partition(":")[0])
        if want is None or not wanted.spoken_by_manager(match.entry):
            continue
        changed = parts.changed_since(facts, match.entry.time, (want.config.origin.path,))
        if changed:
            return CantTell(f"it was missed in the newest boot, but {changed} was changed since", {"iface": named})
        origin = want.config.origin
        return Holds(
            f"{origin} configures {want.card}, which did not exist in the newest boot",
            (Evidence(origin.path, f"configures {want.card}", origin.line), parts.entry_evidence(match.entry)),
            {"iface": want.card, "file": origin.path},
        )
    return CantTell("which interfaces exist shows only on the running host", wanted.log_values(context))


def interface_down(context: Context) -> Proof:
    """Live: a card that is to have an address is administratively down, or has no carrier."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    cards = wanted.cards(facts)
    forgotten = _never_brought_up(facts)
    if forgotten is not None and not parts.network_up(facts):
        return forgotten
    if isinstance(cards, Unknown):
        return CantTell(cards.reason, wanted.log_values(context))
    if not wanted.settled(facts):
        return CantTell("the host has just booted", wanted.log_values(context))
    for link in cards:
        if link.up and (link.carrier or link.operstate in ("UP", "UNKNOWN", "DORMANT")):
            continue
        wants = [want for want in wanted.of_link(facts, link) if parts.wanted(want.config)]
        needed = [want for want in wants if want.at_boot and not want.config.optional]
        if not needed or (link.up and not needed[0].config.auto):
            continue
        return _down(context, link, str(needed[0].config.origin), needed[0].config.origin.path)
    return Fails("every configured network card is up, with carrier")


def _never_brought_up(facts: Facts) -> Holds | None:
    """ifupdown brings up what is marked auto or allow-hotplug: a host on which no card is stays off the network."""
    if facts.managers.in_charge[:1] != (Manager.IFUPDOWN,):
        return None
    wants = [want for want in wanted.all_of(facts) if want.card and want.manager is Manager.IFUPDOWN]
    if not wants or any(want.at_boot for want in wanted.all_of(facts)):
        return None
    origin = wants[0].config.origin
    return Holds(
        f"{origin} configures {wants[0].card}, and no line says auto {wants[0].card} or allow-hotplug {wants[0].card}",
        (Evidence(origin.path, f"iface {wants[0].card}", origin.line),),
        {"iface": wants[0].card, "file": origin.path},
        Severity.CRITICAL,
        (f"sed -i.saved '{origin.line}i auto {wants[0].card}' {{root}}{wanted.quoted(origin.path)}",),
        (f"mv {{root}}{wanted.quoted(origin.path + '.saved')} {{root}}{wanted.quoted(origin.path)}",),
    )


def _down(context: Context, link: Link, origin: str, path: str) -> Holds:
    how = "is up and has no carrier" if link.up else "is administratively down"
    commands = ("ip link show dev {iface}",) if link.up else None
    return Holds(
        f"{link.name} {how}; {origin} wants it up",
        (Evidence("ip link", f"{link.index}: {link.name}: <{','.join(link.flags)}> state {link.operstate}"),),
        {"iface": link.name, "file": path},
        Severity.WARNING if parts.network_up(context.facts) else Severity.CRITICAL,
        commands,
        () if link.up else None,
    )


PROOFS: dict[str, ProofFunction] = {
    "interface_down": interface_down,
    "interface_missing": interface_missing,
}
