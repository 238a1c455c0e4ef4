"""Network address translation in nft's JSON: dnat, snat, redirect and masquerade."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.expression import Depends, NotModelled
from agent.firewall.model import Family, Step
from agent.firewall.nft.assignments import lookup
from agent.firewall.nft.keys import Setting, of_family
from agent.firewall.nft.values import mapping, part, sequence, text
from agent.firewall.statement import Mapped, Translate, Translation, Uncertain
from agent.firewall.xtables.values import NotUnderstood

_FAMILIES = {"ip": 4, "ip6": 6}
_KINDS = {kind.value: kind for kind in Translation}


def translate(name: str, inner: object, setting: Setting) -> list[Step]:
    """The statement; in tables of both families with what it silently asks (nft_nat_inet_eval)."""
    kind = _KINDS[name]
    given = {} if inner is None else mapping(inner, name)
    family = _family(given, setting)
    guards: list[Step] = [of_family(family)] if family and "family" in given else []
    ports: tuple[int, int] | None = None
    uncertain = ""
    port = given.get("port")
    if isinstance(port, Mapping) and "range" not in port:
        uncertain = "the rule computes the new port"
        guards += _has_key(port)
    elif port is not None:
        covered = part("inet_service", port)
        if not isinstance(covered, tuple):
            raise NotUnderstood("the new port is a name")
        ports = covered
    address, flags = given.get("addr"), given.get("flags")
    whole = "netmap" in (flags if isinstance(flags, (list, tuple)) else [flags])
    if isinstance(address, Mapping) and "map" in address:
        if whole:
            uncertain = uncertain or "the rule maps one network to another"
        return [*guards, *_by_map(kind, address["map"], family, ports, uncertain, setting)]
    addresses, reason = _addresses(address, family)
    if whole and addresses is not None:
        return [*guards, _mapped_network(kind, addresses, ports)]
    return [*guards, Translate(kind, addresses, ports, uncertain=uncertain or reason)]


def _has_key(port: Mapping[object, object]) -> list[Step]:
    """A rule ends where its map has nothing for the packet; which packets those are is not looked into here."""
    return [NotModelled("whether the map has a port for this packet is not modelled")] if "map" in port else []


def _by_map(
    kind: Translation, inner: object, family: int, ports: tuple[int, int] | None, uncertain: str, setting: Setting
) -> list[Step]:
    """A rule ends where its map has nothing for the packet."""
    given = mapping(inner, "a map")
    address = "ipv4_addr" if family == 4 else "ipv6_addr"
    data = given.get("data")
    listed = sequence(data["set"], "a map") if isinstance(data, Mapping) and "set" in data else ()
    if any(_is_pair(one) for one in listed):
        address += " . inet_service"
    guards, operand = lookup(given, setting, address)
    if isinstance(operand, Uncertain):
        return [Depends(operand.reason), Translate(kind, None, ports, uncertain=operand.reason)]
    by = operand if isinstance(operand, Mapped) and not uncertain else None
    return [*guards, Translate(kind, None, ports, uncertain=uncertain, by=by)]


def _is_pair(item: object) -> bool:
    """Does this element of a map give an address and a port?"""
    data = item[1] if isinstance(item, (list, tuple)) and len(item) == 2 else None
    return isinstance(data, Mapping) and "concat" in data


def _family(given: Mapping[str, object], setting: Setting) -> int:
    if given.get("family") is not None:
        found = _FAMILIES.get(text(given["family"], "the family"))
        if found is None:
            raise NotUnderstood("a translation of this family is not modelled")
        return found
    return {Family.IP: 4, Family.IP6: 6}.get(setting.family, 0)


def _addresses(item: object, family: int) -> tuple[tuple[int, int] | None, str]:
    """A range of addresses; or why it can't be told."""
    if item is None:
        return None, ""
    if isinstance(item, Mapping) and not {"range", "prefix"} & set(item):
        return None, "the rule computes the new address"
    if not family:
        return None, "the family of the new address is not told"
    covered = part("ipv4_addr" if family == 4 else "ipv6_addr", item)
    if not isinstance(covered, tuple):
        raise NotUnderstood("the new address is a name")
    return covered, ""


def _mapped_network(kind: Translation, network: tuple[int, int], ports: tuple[int, int] | None) -> Translate:
    low, high = network
    hosts = low ^ high
    if hosts & (hosts + 1):
        return Translate(kind, None, ports, uncertain="the new network is no prefix")
    return Translate(kind, (low, low), ports, keep=hosts)
