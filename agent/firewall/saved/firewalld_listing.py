"""The listing of firewalld's table that nft would print, computed from firewalld's files."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.model import Problem
from agent.firewall.saved import firewalld_base, firewalld_lead_one, firewalld_lead_two, firewalld_zones
from agent.firewall.saved.firewalld_chains import Json
from agent.firewall.saved.firewalld_config import Config, load
from agent.firewall.saved.firewalld_network import assigned
from agent.firewall.saved.firewalld_xml import Refused
from agent.target import Target


def read(target: Target) -> tuple[Mapping[str, Json], tuple[Problem, ...]]:
    """The listing, and what firewalld would warn of. Raises Refused where the table can't be told."""
    config = load(target)
    assigned(target, config)
    return _listing(config), tuple(config.problems)


def _listing(config: Config) -> Mapping[str, Json]:
    backend = config.option("FirewallBackend", "nftables")
    if backend != "nftables":
        raise Refused(f"FirewallBackend={backend}: what firewalld gives to iptables is not known here")
    if config.version < (1, 0):
        raise Refused(f"firewalld {config.version[0]}.{config.version[1]} is older than those that are known here")
    if config.option("StrictForwardPorts", "no") in ("yes", "true"):
        raise Refused("StrictForwardPorts=yes is not known here")
    if config.option("NftablesFlowtable", "off") != "off":
        config.problems.append(Problem(0, "NftablesFlowtable", "packets of a flow table pass by the forward hook"))
    firewalld_zones.check_bindings(config)
    table = firewalld_base.build(config)
    if config.version >= (2, 0):
        firewalld_lead_two.lead(config, table)
    else:
        firewalld_lead_one.lead(config, table)
    return table.listing(config)
