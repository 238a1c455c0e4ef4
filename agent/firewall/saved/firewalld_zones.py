"""Zones and policies as chains: the same in every version; how packets are led into them is not (firewalld_lead_*)."""

from __future__ import annotations

from dataclasses import replace

from agent.firewall.saved import firewalld_chains as chains
from agent.firewall.saved import firewalld_settings
from agent.firewall.saved.firewalld_chains import ACCEPT, REJECT, SUFFIXES, Chains, Expression, jump
from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_objects import Policy, RichRule, Settings, Zone
from agent.firewall.saved.firewalld_settings import Names
from agent.firewall.saved.firewalld_xml import Refused

ICMP: Expression = {
    "match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["icmp", "ipv6-icmp"]}}
}
# The hooks at which each kind of policy has a chain, and the chain's beginning: table, hook, prefix.
IN_HOST = (("filter", "INPUT", "IN"),)
THROUGH = (("filter", "FORWARD", "FWD"), ("nat", "PREROUTING", "PRE"), ("mangle", "PREROUTING", "PRE"))
OUT_OF = (("nat", "POSTROUTING", "POST"),)
OUT_HOST = (("filter", "OUTPUT", "OUT"), ("nat", "OUTPUT", "OUT"))
ZONE_HOOKS = (*IN_HOST, *OUT_OF, *THROUGH)


def target(name: str) -> Expression | None:
    """What becomes of a packet for which nothing in the zone or policy decided."""
    if name in ("CONTINUE", "none"):
        return None
    return {name.lower(): None} if name in ("ACCEPT", "DROP") else REJECT


def log_of(table: Chains, chain: str, name: str) -> list[Expression]:
    """What is logged before that, [] for nothing."""
    if table.log_denied == "off" or name in ("ACCEPT", "CONTINUE", "none"):
        return []
    return table.log(f"filter_{chain}_{'DROP' if name == 'DROP' else 'REJECT'}: ")


def zone_settings(config: Config, table: Chains, zone: Zone) -> None:
    """The rules of a zone; its chains are there."""
    name, parts = zone.name, zone.settings
    here = replace(parts, masquerade=False, forward_ports=(), rules=_rules(parts, "here"))
    apply(config, table, Names(filter=f"IN_{name}", label=f"filter_zone_{name}_HOST"), here)
    out = Settings(masquerade=parts.masquerade, rules=_rules(parts, "out"))
    apply(config, table, Names(nat_out=f"POST_{name}"), out)
    through = Settings(forward_ports=parts.forward_ports, rules=_rules(parts, "through"))
    apply(config, table, Names(filter=f"FWD_{name}", nat_in=f"PRE_{name}", mangle=f"PRE_{name}"), through)


def apply(config: Config, table: Chains, names: Names, settings: Settings) -> None:
    firewalld_settings.apply(config, table, names, settings)


def forward(config: Config, table: Chains, zone: Zone, interface: str = "", source: str = "") -> None:
    """Within a zone packets may pass, where the zone says so."""
    if not zone.forward:
        return
    test = chains.interface("oifname", interface) if interface else [chains.address(config, "daddr", source)]
    table.add(f"filter_FWD_{zone.name}_allow", [*test, ACCEPT])


def inversion(table: Chains, zone: Zone) -> list[list[Expression]]:
    """Rules for ICMP that was not blocked by name: accepted, or the other way round."""
    inverted = zone.settings.icmp_inversion
    if zone.target in ("DROP", "%%REJECT%%") or (zone.target == "ACCEPT" and not inverted):
        return []
    found = [[ICMP, REJECT if inverted else ACCEPT]]
    if inverted and table.log_denied != "off":
        found.insert(0, [ICMP, *table.log(f"filter_zone_{zone.name}_HOST_ICMP_BLOCK: ")])
    return found


def policy_hooks(config: Config, policy: Policy) -> tuple[tuple[str, str, str], ...]:
    """The hooks at which a policy stands."""
    if not policy.ingress or not policy.egress:
        raise Refused(f"policy {policy.name}: it needs an ingress-zone and an egress-zone")
    if "HOST" in policy.egress:
        early = (("nat", "PREROUTING", "PRE"), ("mangle", "PREROUTING", "PRE"))
        return (*IN_HOST, *early) if "ANY" in policy.ingress else IN_HOST
    if "HOST" in policy.ingress:
        return OUT_HOST
    if "ANY" in policy.egress:
        return (*THROUGH, *OUT_OF)
    bound = any(config.zone(name).interfaces for name in policy.egress)
    return (THROUGH[0], *OUT_OF) if bound else (*THROUGH, *OUT_OF)


def policy_names(policy: Policy) -> Names:
    name = f"policy_{policy.name}"
    side = "IN" if "HOST" in policy.egress else "OUT" if "HOST" in policy.ingress else "FWD"
    nat = "OUT" if side == "OUT" else "PRE"
    return Names(f"{side}_{name}", f"{nat}_{name}", f"POST_{name}", f"PRE_{name}", f"filter_{policy.name}")


def parts_of(table: Chains, chain: str) -> None:
    """A chain and the five into which its rules are put."""
    table.chain(chain)
    for suffix in SUFFIXES:
        table.chain(f"{chain}_{suffix}")


def jumps(table: Chains, chain: str) -> None:
    for suffix in SUFFIXES:
        table.add(chain, [jump(f"{chain}_{suffix}")])


def check_policy(config: Config, policy: Policy) -> None:
    """What firewalld refuses."""
    if policy.name in config.zones:
        raise Refused(f"policy {policy.name}: a zone has the same name")
    for side in (policy.ingress, policy.egress):
        for name in side:
            if name not in ("ANY", "HOST"):
                config.zone(name)
            elif len(side) > 1:
                raise Refused(f"policy {policy.name}: {name} stands beside other zones")
    if "HOST" in policy.ingress and "HOST" in policy.egress:
        raise Refused(f"policy {policy.name}: from HOST to HOST")
    kinds = [rule.element.kind for rule in policy.settings.rules if rule.element]
    if (policy.settings.masquerade or "masquerade" in kinds) and "HOST" in (*policy.ingress, *policy.egress):
        raise Refused(f"policy {policy.name}: masquerade from or to HOST")


def check_bindings(config: Config) -> None:
    """An interface or a source belongs to one zone."""
    seen: dict[str, str] = {}
    for zone in config.zones.values():
        for name in zone.interfaces:
            if not 0 < len(name) <= 16 or not name.isprintable() or any(sign in name for sign in " !*/"):
                raise Refused(f"{name} is no name of an interface")
        for name in (*zone.interfaces, *zone.sources):
            if name in seen:
                raise Refused(f"{name} is in the zones {seen[name]} and {zone.name}")
            seen[name] = zone.name


def _rules(settings: Settings, where: str) -> tuple[RichRule, ...]:
    return tuple(rule for rule in settings.rules if _where(rule) == where)


def _where(rule: RichRule) -> str:
    kind = rule.element.kind if rule.element else ""
    if rule.action is not None and rule.action.kind == "mark":
        return "through"
    if kind in ("forward-port", "tcp-mss-clamp"):
        return "through"
    return "out" if kind == "masquerade" else "here"
