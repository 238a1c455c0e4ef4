"""Name servers that somebody has named on this host before, and where; and those that a person names.

Looked for in this order: the other servers of resolv.conf itself, the copies that Network Helper left, the
configuration of the managers (first of those in charge), systemd-resolved's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.diagnosis.proofs import parts
from agent.facts import dns
from agent.facts.dns import PATH
from agent.facts.facts import Facts
from agent.facts.netconfig import confdirs, systemd_syntax
from agent.fixes.model import Refusal
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

SERVERS = 3  # that the C library asks (resolv.conf(5))
_BACKUPS = (
    ".resolv.conf.linode-last",
    ".resolv.conf.linode-orig",
    ".resolv.conf-linode-last",
    ".resolv.conf-linode-orig",
)
_KEPT = ("search", "domain", "options", "sortlist")


@dataclass(frozen=True)
class Source:
    """Servers, other lines that go with them, and where both stand."""

    name: str
    servers: tuple[str, ...]
    lines: tuple[str, ...] = ()


def addresses(choice: str) -> tuple[str, ...] | Refusal:
    """The servers of --resolv-conf=ADDRESS[,ADDRESS], in their usual form."""
    hint = "give addresses: agent fix --resolv-conf=192.0.2.53,2001:db8::53"
    found = []
    for word in filter(None, choice.replace(",", " ").split()):
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            return Refusal(f"{word[:100]!r} is no IP address", hint)
        if address.is_multicast or address.is_unspecified or word == "255.255.255.255":
            return Refusal(f"{word} is no address of a server", hint)
        if address.is_loopback:
            return Refusal(f"{word} is this host itself", f"{hint}, or --resolv-conf=systemd-resolved")
        found.append(str(address))
    if not found:
        return Refusal("no address is given", hint)
    if len(found) > SERVERS:
        return Refusal(f"{len(found)} servers are given, and the C library asks the first three only", hint)
    return tuple(dict.fromkeys(found))


def sources(facts: Facts) -> Iterator[Source]:
    own = tuple(one for one in facts.resolver.nameservers if one not in facts.resolver.local)
    if own:
        yield Source(f"{PATH} itself", own, own_lines(facts))
    for name in _BACKUPS:
        path = f"/etc/{name}"
        stat = facts.target.stat(path, follow=False)
        text = facts.target.text(path, dns.LIMIT)
        if isinstance(text, Unknown) or not isinstance(stat, Stat) or stat.kind is not Kind.FILE:
            continue
        servers = usable(dns.parse(text)[0])
        if servers:
            yield Source(path, servers, _other_lines(text))
    yield from _configured(facts)
    servers = usable(resolved_setting(facts.target, "DNS"))
    if servers:
        yield Source("/etc/systemd/resolved.conf", servers, own_lines(facts))


def _configured(facts: Facts) -> Iterator[Source]:
    """What the managers' files name: first those of the managers in charge."""
    charge = facts.managers.in_charge
    order = (*charge, *(manager for manager in facts.configs if manager not in charge))
    for manager in order:
        config = facts.configs.get(manager)
        found: list[str] = []
        path = ""
        for one in config.interfaces if config else ():
            servers = usable(one.dns) if parts.carries_network(one.name) else ()
            if servers:
                found += servers
                path = path or one.origin.path
        if found:
            yield Source(path, tuple(dict.fromkeys(found)), own_lines(facts))


def usable(words: Sequence[str]) -> tuple[str, ...]:
    """The addresses among them that are another host's; a port or a name after it is not for resolv.conf."""
    found: list[str] = []
    for word in words:
        parsed = addresses(word.partition("#")[0].strip("[]")) if word else None
        if isinstance(parsed, tuple):
            found += parsed
    return tuple(dict.fromkeys(found))


def own_lines(facts: Facts) -> tuple[str, ...]:
    """Search list and options of a plain resolv.conf, which stay."""
    text = facts.target.text(PATH, dns.LIMIT) if facts.resolver.state == "file" else ""
    return () if isinstance(text, Unknown) else _other_lines(text)


def _other_lines(text: str) -> tuple[str, ...]:
    lines = (line.rstrip() for line in text.split("\n"))
    return tuple(line for line in lines if line.split()[:1] and line.split()[0] in _KEPT and line.isprintable())[:20]


def resolved_setting(target: Target, key: str) -> tuple[str, ...]:
    """The words of a setting of resolved.conf(5), its drop-ins included; an empty value empties the list."""
    folders = [f"{base}/systemd/resolved.conf.d" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")]
    files, _ = confdirs.collect(target, folders, ".conf")
    main = ("/etc/systemd/resolved.conf", "/usr/lib/systemd/resolved.conf")
    first = [path for path in main if target.exists(path)][:1]
    found: list[str] = []
    for path in (*first, *(file.path for file in files if not file.masked)):
        data = target.read(path, dns.LIMIT)
        for setting in () if isinstance(data, Unknown) else systemd_syntax.parse(data).settings:
            if setting.section == "Resolve" and setting.key == key:
                found = [*found, *setting.value.split()] if setting.value else []
    return tuple(found)
