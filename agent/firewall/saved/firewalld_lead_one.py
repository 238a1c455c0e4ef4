"""How firewalld 1.x leads packets: a chain of zones by source, then by interface, then the default zone."""

from __future__ import annotations

from itertools import product

from agent.firewall.saved import firewalld_chains as chains
from agent.firewall.saved import firewalld_zones as zones
from agent.firewall.saved.firewalld_chains import Chains, Expression, jump
from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_objects import Policy, Zone


def lead(config: Config, table: Chains) -> None:
    active = [zone for _, zone in sorted(config.zones.items()) if zone.interfaces or zone.sources]
    default = config.zone(config.default_zone)
    for zone in active if default in active else [*active, default]:
        _zone(config, table, zone)
    for ordered in _by_source(active):
        _lead_sources(config, table, *ordered)
    for zone in reversed(active):  # each new one is put before those that are there
        for name in reversed(zone.interfaces):
            for kind, hook, prefix in zones.ZONE_HOOKS:
                test = chains.interface("oifname" if hook == "POSTROUTING" else "iifname", name)
                _goto(table, kind, hook, test, f"{prefix}_{zone.name}")
    for kind, hook, prefix in zones.ZONE_HOOKS:
        _goto(table, kind, hook, [], f"{prefix}_{default.name}")
    names = {zone.name for zone in active} | {"ANY", "HOST"}
    for _, policy in sorted(config.policies.items()):
        zones.check_policy(config, policy)
        if names & set(policy.ingress) and names & set(policy.egress):
            _policy(config, table, policy)


def _by_source(active: list[Zone]) -> list[tuple[Zone, str]]:
    return [(zone, source) for zone in active for source in zone.sources]


def _lead_sources(config: Config, table: Chains, zone: Zone, source: str) -> None:
    for kind, hook, prefix in zones.ZONE_HOOKS:
        test = chains.address(config, "daddr" if hook == "POSTROUTING" else "saddr", source)
        _goto(table, kind, hook, [test], f"{prefix}_{zone.name}")


def _goto(table: Chains, kind: str, hook: str, tests: list[Expression], chain: str) -> None:
    table.add(f"{kind}_{hook}_ZONES", [*tests, {"goto": {"target": f"{kind}_{chain}"}}])


def _zone(config: Config, table: Chains, zone: Zone) -> None:
    for kind, hook, prefix in zones.ZONE_HOOKS:
        chain = f"{kind}_{prefix}_{zone.name}"
        zones.parts_of(table, chain)
        table.add(chain, [jump(f"{kind}_{hook}_POLICIES_pre")])
        zones.jumps(table, chain)
        table.add(chain, [jump(f"{kind}_{hook}_POLICIES_post")])
        if hook == "INPUT":
            for rule in zones.inversion(table, zone):
                table.add(chain, rule)
        if kind == "filter":
            _target(table, chain, f"{prefix}_{zone.name}", zone.target)
    zones.zone_settings(config, table, zone)
    for name in zone.interfaces:
        if name != "+":
            zones.forward(config, table, zone, interface=name)
    for source in zone.sources:
        zones.forward(config, table, zone, source=source)


def _target(table: Chains, chain: str, name: str, target: str) -> None:
    end = zones.target(target)
    log = zones.log_of(table, name, target)
    if log:
        table.add(chain, log)
    if end is not None:
        table.add(chain, [end])


def _policy(config: Config, table: Chains, policy: Policy) -> None:
    suffix = "pre" if policy.priority < 0 else "post"
    tests = _tests(config, policy)
    for kind, hook, prefix in zones.policy_hooks(config, policy):
        name = f"{prefix}_policy_{policy.name}"
        chain = f"{kind}_{name}"
        zones.parts_of(table, chain)
        zones.jumps(table, chain)
        if kind == "filter":
            _target(table, chain, name, policy.target)
        for test in tests:
            table.add(f"{kind}_{hook}_POLICIES_{suffix}", [*test, jump(chain)], (policy.priority,))
    zones.apply(config, table, zones.policy_names(policy), policy.settings)


def _tests(config: Config, policy: Policy) -> list[list[Expression]]:
    """Every way from one of its zones to another; networks of two families don't meet."""
    come = _side(config, policy.ingress, "iifname", "saddr")
    go = _side(config, policy.egress, "oifname", "daddr")
    return [
        [*first, *second]
        for (first, family), (second, other) in product(come or [([], "")], go or [([], "")])
        if not family or not other or family == other
    ]


def _side(config: Config, names: tuple[str, ...], key: str, name: str) -> list[tuple[list[Expression], str]]:
    """Tests with the protocol of their addresses: wildcards one by one, other interfaces as one set, sources."""
    found = [config.zone(item) for item in names if item not in ("ANY", "HOST")]
    interfaces = sorted({item for zone in found for item in zone.interfaces})
    plain = [item for item in interfaces if not item.endswith("+")]
    tests: list[tuple[list[Expression], str]] = [
        ([chains.meta(key, item[:-1] + "*")], "") for item in interfaces if item.endswith("+")
    ]
    if plain:
        tests.append(([chains.meta(key, plain[0] if len(plain) == 1 else {"set": list(plain)})], ""))
    tests += [
        ([chains.address(config, name, source)], chains.family_of(config, source) or "both")
        for source in sorted({item for zone in found for item in zone.sources})
    ]
    return tests
