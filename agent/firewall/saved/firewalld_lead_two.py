"""How firewalld 2.x leads packets: for each pair of where they come from and where they go, a row of jumps."""

from __future__ import annotations

from dataclasses import dataclass

from agent.firewall.saved import firewalld_chains as chains
from agent.firewall.saved import firewalld_zones as zones
from agent.firewall.saved.firewalld_chains import RETURN, Chains, Expression, jump
from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_objects import Policy, Zone
from agent.firewall.saved.firewalld_xml import Refused

_HIGHEST = 32768  # the default zone's catch-all comes after every zone's priority
_PAIR_LIMIT = 20_000


@dataclass(frozen=True)
class _End:
    """Where packets come from, or where they go: one interface or source of a zone, or this host (``zone`` None)."""

    zone: Zone | None
    interface: str = ""
    source: str = ""

    def key(self, outward: bool) -> tuple[int, int, str, str, str]:
        if self.zone is None:
            return (0, 0, "HOST", "", "")
        name = self.interface[:-1] + "*" if self.interface.endswith("+") else self.interface
        priority = self.zone.egress_priority if outward else self.zone.ingress_priority
        if name == "*":
            priority = _HIGHEST
        return (priority, 1 if self.source else 2, self.zone.name, self.source, name)


_HOST = _End(None)


def lead(config: Config, table: Chains) -> None:
    active = [zone for _, zone in sorted(config.zones.items()) if zone.interfaces or zone.sources]
    default = config.zone(config.default_zone)
    active = active if default in active else [*active, default]
    for zone in active:
        _zone(config, table, zone)
    names = {zone.name for zone in active} | {"ANY", "HOST"}
    policies = []
    for _, policy in sorted(config.policies.items()):
        zones.check_policy(config, policy)
        if names & set(policy.ingress) and names & set(policy.egress):
            _policy(config, table, policy)
            policies.append(policy)
    _Leading(config, table, policies, _ends(active, default)).all()


def _ends(active: list[Zone], default: Zone) -> list[_End]:
    found = [_End(zone, interface=name) for zone in active for name in zone.interfaces]
    found += [_End(zone, source=name) for zone in active for name in zone.sources]
    if not any(item.interface == "+" for item in found):
        found.append(_End(default, interface="+"))
    return found


@dataclass(frozen=True)
class _Leading:
    config: Config
    table: Chains
    policies: list[Policy]
    ends: list[_End]

    def all(self) -> None:
        if len(self.ends) ** 2 > _PAIR_LIMIT:
            raise Refused("more zones, interfaces and sources than are followed here")
        coming = sorted(self.ends, key=lambda end: end.key(False))
        going = sorted(self.ends, key=lambda end: end.key(True))
        for end in coming:
            self._row(zones.IN_HOST[0], end, _HOST)
        for end in going:
            for hook in zones.OUT_HOST:
                self._row(hook, _HOST, end)
        for first in coming:
            for second in going:
                if self._meet(first, second):
                    self._row(zones.THROUGH[0], first, second)
        for second in going:
            for first in coming:
                if self._meet(first, second):
                    self._row(zones.OUT_OF[0], first, second)
        for hook in zones.THROUGH[1:]:
            for first in coming:
                self._early(hook, first, going)

    def _early(self, hook: tuple[str, str, str], first: _End, going: list[_End]) -> None:
        """Before routing nothing is known of the interface by which a packet leaves."""
        rows: list[tuple[tuple[tuple[int, int, str, str, str], int, int], list[Expression]]] = []
        for policy in self.policies:
            if "HOST" in policy.egress and _of(policy.ingress, first) and self._stands(policy, hook):
                where = self._test(first, "iifname", "saddr")
                rows.append((((0, 0, "HOST", "", ""), 0, policy.priority), [*where, jump(_name(hook, policy))]))
        for second in going:
            if not self._meet(first, second):
                continue
            where = self._test(first, "iifname", "saddr")
            if second.source:
                where += self._test(second, "oifname", "daddr")
            priority = second.zone.egress_priority if second.zone else 0
            key = second.key(True) if second.source else (priority, 2, "", "", "")
            chain = f"{hook[0]}_{hook[2]}_{first.zone.name if first.zone else ''}"
            rows.append(((key, 0, 0), [*where, jump(chain)]))
            rows.append(((key, 2, 0), [*where, RETURN]))
            rows += [
                ((key, 0, policy.priority), [*where, jump(_name(hook, policy))])
                for policy in self._through(hook, first, second)
            ]
        for _, rule in sorted(rows, key=lambda row: row[0]):
            self.table.add(f"{hook[0]}_{hook[1]}_POLICIES", rule)

    def _row(self, hook: tuple[str, str, str], first: _End, second: _End) -> None:
        """The policies with a priority below 0, the zone, the others, and the zone's end."""
        kind, name, prefix = hook
        tests = self._test(first, "iifname", "saddr", interfaces=True)
        tests += self._test(second, "oifname", "daddr", interfaces=True)
        tests += self._test(first, "iifname", "saddr", interfaces=False)
        tests += self._test(second, "oifname", "daddr", interfaces=False)
        zone = second.zone if name in ("OUTPUT", "POSTROUTING") else first.zone
        assert zone is not None
        chain = f"{kind}_{name}_POLICIES"
        found = self._through(hook, first, second)
        for policy in found:
            if policy.priority < 0:
                self.table.add(chain, [*tests, jump(_name(hook, policy))])
        self.table.add(chain, [*tests, jump(f"{kind}_{prefix}_{zone.name}")])
        for policy in found:
            if policy.priority > 0:
                self.table.add(chain, [*tests, jump(_name(hook, policy))])
        if kind == "filter" and name != "OUTPUT":
            log = zones.log_of(self.table, f"{prefix}_{zone.name}", zone.target)
            if log:
                self.table.add(chain, [*tests, *log])
            end = zones.target(zone.target)
            self.table.add(chain, [*tests, end] if end else tests)
        else:
            self.table.add(chain, [*tests, RETURN])

    def _through(self, hook: tuple[str, str, str], first: _End, second: _End) -> list[Policy]:
        """Policies from one to the other at this hook, by priority."""
        found = [
            policy
            for policy in self.policies
            if self._stands(policy, hook)
            and _of(policy.ingress, first)
            and _of(policy.egress, second)
            and not (first.interface == second.interface == "+")
        ]
        return sorted(found, key=lambda policy: policy.priority)

    def _stands(self, policy: Policy, hook: tuple[str, str, str]) -> bool:
        return hook in zones.policy_hooks(self.config, policy)

    def _meet(self, first: _End, second: _End) -> bool:
        """Networks of two families don't."""
        if not first.source or not second.source:
            return True
        return chains.family_of(self.config, first.source) == chains.family_of(self.config, second.source)

    def _test(self, end: _End, key: str, name: str, interfaces: bool | None = None) -> list[Expression]:
        if end.interface and interfaces is not False:
            return chains.interface(key, end.interface)
        if end.source and interfaces is not True:
            return [chains.address(self.config, name, end.source)]
        return []


def _of(names: tuple[str, ...], end: _End) -> bool:
    if end.zone is None:
        return "HOST" in names
    return "ANY" in names or end.zone.name in names


def _name(hook: tuple[str, str, str], policy: Policy) -> str:
    return f"{hook[0]}_{hook[2]}_policy_{policy.name}"


def _zone(config: Config, table: Chains, zone: Zone) -> None:
    for kind, _, prefix in (*zones.ZONE_HOOKS, *zones.OUT_HOST):
        chain = f"{kind}_{prefix}_{zone.name}"
        zones.parts_of(table, chain)
        zones.jumps(table, chain)
        if chain.startswith("filter_IN_"):
            for rule in zones.inversion(table, zone):
                table.add(chain, rule)
    zones.zone_settings(config, table, zone)
    for name in zone.interfaces:
        if name != "+":
            zones.forward(config, table, zone, interface=name)
    for source in zone.sources:
        zones.forward(config, table, zone, source=source)


def _policy(config: Config, table: Chains, policy: Policy) -> None:
    for kind, _, prefix in zones.policy_hooks(config, policy):
        name = f"{prefix}_policy_{policy.name}"
        zones.parts_of(table, f"{kind}_{name}")
        zones.jumps(table, f"{kind}_{name}")
        if kind == "filter":
            log = zones.log_of(table, name, policy.target)
            if log:
                table.add(f"{kind}_{name}", log)
            end = zones.target(policy.target)
            if end is not None:
                table.add(f"{kind}_{name}", [end])
    zones.apply(config, table, zones.policy_names(policy), policy.settings)
