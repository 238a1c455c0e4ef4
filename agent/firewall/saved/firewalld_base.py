"""What stands in firewalld's table before any zone: base chains, connections that are known, the reverse path."""

from __future__ import annotations

from agent.firewall.saved import firewalld_chains as chains
from agent.firewall.saved.firewalld_chains import ACCEPT, DROP, REJECT, Chains, Expression, jump
from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_xml import Refused

_HOOKS = (  # firewalld comes ten after the place that iptables has
    ("mangle_PREROUTING", "filter", "prerouting", -140),
    ("nat_PREROUTING", "nat", "prerouting", -90),
    ("nat_POSTROUTING", "nat", "postrouting", 110),
    ("nat_OUTPUT", "nat", "output", -90),
    ("filter_PREROUTING", "filter", "prerouting", 10),
    ("filter_INPUT", "filter", "input", 10),
    ("filter_FORWARD", "filter", "forward", 10),
    ("filter_OUTPUT", "filter", "output", 10),
)
_IPV4_IN_IPV6 = (  # RFC 3964: 6to4 addresses of networks that are not public
    ("::", 96), ("::ffff:0.0.0.0", 96), ("2002::", 24), ("2002:a00::", 24), ("2002:7f00::", 24), ("2002:a9fe::", 32),
    ("2002:ac10::", 28), ("2002:c0a8::", 32), ("2002:e000::", 19),
)  # fmt: skip
_KNOWN: Expression = {
    "match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": {"set": ["established", "related"]}}
}
_TRANSLATED: Expression = {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}
_INVALID: Expression = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "invalid"}}


def build(config: Config) -> Chains:
    """The table without zones, with the chains into which they are put."""
    log = config.option("LogDenied", "off")
    table = Chains("off" if log == "no" else log)
    if table.log_denied not in ("off", "all", "unicast", "broadcast", "multicast"):
        raise Refused(f"LogDenied={table.log_denied} is not known")
    two = config.version >= (2, 0)
    for name, kind, hook, priority in _HOOKS:
        table.base(name, kind, hook, priority)
        for suffix in ("POLICIES",) if two else ("POLICIES_pre", "ZONES", "POLICIES_post"):
            if name != "filter_PREROUTING" and not (suffix == "ZONES" and hook == "output"):
                table.chain(f"{name}_{suffix}")
    _reverse_path(config, table)
    not_public = _not_public(config, table)
    for name in ("filter_INPUT", "filter_FORWARD"):
        table.add(name, [_KNOWN, ACCEPT])
        table.add(name, [_TRANSLATED, ACCEPT])
        table.add(name, [chains.meta("iifname", "lo"), ACCEPT])
        if table.log_denied != "off":
            table.add(name, [_INVALID, *table.log("STATE_INVALID_DROP: ")])
        table.add(name, [_INVALID, DROP])
        if not_public and name == "filter_FORWARD":
            table.add(name, not_public)
        table.add(name, [jump(f"{name}_POLICIES" if two else f"{name}_ZONES")])
        if table.log_denied != "off":
            table.add(name, table.log("FINAL_REJECT: "))
        table.add(name, [REJECT])
    table.add("filter_OUTPUT", [_KNOWN, ACCEPT])
    if two:
        table.add("filter_OUTPUT", [_TRANSLATED, ACCEPT])
    table.add("filter_OUTPUT", [chains.meta("oifname", "lo"), ACCEPT])
    if not_public:
        table.add("filter_OUTPUT", not_public)
    for name in ("filter_OUTPUT", "nat_OUTPUT"):
        for suffix in ("POLICIES",) if two else ("POLICIES_pre", "POLICIES_post"):
            table.add(name, [jump(f"{name}_{suffix}")])
    for name in ("mangle_PREROUTING", "nat_PREROUTING", "nat_POSTROUTING"):
        table.add(name, [jump(f"{name}_POLICIES" if two else f"{name}_ZONES")])
    return table


def _reverse_path(config: Config, table: Chains) -> None:
    """Packets of IPv6 whose sender is not reached by the interface they came from are dropped."""
    mode = config.option("IPv6_rpfilter", "yes")
    if mode in ("no", "false"):
        return
    if mode not in ("yes", "true", "strict", "loose", "strict-forward", "loose-forward"):
        raise Refused(f"IPv6_rpfilter={mode} is not known")
    chain = "filter_FORWARD" if mode.endswith("-forward") else "filter_PREROUTING"
    if chain == "filter_PREROUTING":
        kinds = {"set": ["nd-router-advert", "nd-neighbor-solicit"]}
        table.add(chain, [chains.payload("icmpv6", "type", kinds), ACCEPT])
    flags = ["saddr", "mark"] if mode.startswith("loose") else ["saddr", "mark", "iif"]
    no_route = chains.match({"fib": {"result": "oif", "flags": flags}}, False)
    log: list[Expression] = [{"log": {"prefix": "rpfilter_DROP: "}}] if table.log_denied != "off" else []
    table.add(chain, [chains.meta("nfproto", "ipv6"), no_route, *log, DROP])


def _not_public(config: Config, table: Chains) -> list[Expression]:
    if config.option("RFC3964_IPv4", "yes") in ("no", "false"):
        return []
    networks = {"set": [{"prefix": {"addr": name, "len": length}} for name, length in _IPV4_IN_IPV6]}
    log: list[Expression] = []
    if table.log_denied in ("unicast", "all"):
        log = [{"log": {"prefix": "RFC3964_IPv4_REJECT: "}}]
    reject: Expression = {"reject": {"type": "icmpv6", "expr": "addr-unreachable"}}
    return [chains.payload("ip6", "daddr", networks), *log, reject]
