"""--resolv-conf: an /etc/resolv.conf that names servers which somebody on this host has named before.

Looked for in this order: systemd-resolved where it works, the file's own other servers, the copies that Network
Helper left, the configuration of the host's managers. Never a server of our own invention, and never through a
link: a link is replaced, what it leads to stays. The person may name the servers: --resolv-conf=ADDRESS,ADDRESS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.change.model import Command, Link, Operation, Plan, Remove, Run, WriteFile
from agent.diagnosis.proofs import parts, wanted
from agent.facts import dns
from agent.facts.dns import PATH
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager, Method
from agent.facts.netconfig.networkmanager_conf import nm_settings
from agent.fixes import name_servers, units
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

RESOLVED = "systemd-resolved.service"
RESOLVED_CHOICE = "systemd-resolved"
_RUN = "/run/systemd/resolve"
_FROM_NETWORKD = (Manager.NETWORKD, Manager.NETPLAN, Manager.NETWORKMANAGER)

UNKNOWN = Refusal(
    "no name server is named anywhere on this host",
    "Cloud Manager shows those of the data centre (the Linode, Network, DNS resolvers):"
    " agent fix --resolv-conf=ADDRESS[,ADDRESS]",
)


def plan(request: Request) -> Planned:
    facts = request.facts
    choice = request.choice.strip()
    if facts.resolver.state == "unreadable" and not request.forced:
        return Refusal(f"{PATH} can't be read: {facts.resolver.reason}", forceable=True)
    if choice == RESOLVED_CHOICE:
        return _enabling_resolved(facts)
    if choice:
        named = name_servers.addresses(choice)
        if isinstance(named, Refusal):
            return named
        return _written(facts, name_servers.Source("you", named, name_servers.own_lines(facts)))
    link = _resolved_link(facts)
    if _resolved_works(facts) and facts.resolver.link != link:
        summary = f"Makes {PATH} a link to the file that systemd-resolved keeps."
        return _finished(facts, summary, (Link(PATH, link),), RESOLVED_CHOICE)
    source = next(name_servers.sources(facts), None)
    if source is None:
        unit = facts.unit(RESOLVED)
        if unit.present and _leads_to_resolved(facts) and _resolved_fed(facts):
            return Refusal(
                f"no name server is named anywhere on this host, and {RESOLVED} does not run",
                f"agent fix --resolv-conf={RESOLVED_CHOICE} enables it",
            )
        return UNKNOWN
    return _written(facts, source)


# -- systemd-resolved
def _leads_to_resolved(facts: Facts) -> bool:
    return facts.resolver.provider == "systemd-resolved" or bool(
        set(facts.resolver.local) & {"127.0.0.53", "127.0.0.54"}
    )


def _resolved_works(facts: Facts) -> bool:
    """It runs, or offline will, and there is somebody who tells it of servers."""
    unit = facts.unit(RESOLVED)
    if facts.target.live and unit.active != "active":
        return False
    return unit.present and not unit.masked and unit.starts_at_boot and _resolved_fed(facts)


def _resolved_fed(facts: Facts) -> bool:
    """networkd and NetworkManager tell it; ifupdown and the old scripts do not, without more."""
    if facts.target.live:
        text = facts.target.text(f"{_RUN}/resolv.conf", dns.LIMIT)
        if not isinstance(text, Unknown):
            return bool(name_servers.usable(dns.parse(text)[0]))
    if name_servers.usable(name_servers.resolved_setting(facts.target, "DNS")) or name_servers.usable(
        name_servers.resolved_setting(facts.target, "FallbackDNS")
    ):
        return True
    automatic = (Method.DHCP, Method.AUTO)
    return any(
        want.manager in _FROM_NETWORKD
        and bool(
            name_servers.usable(want.config.dns) or want.config.method4 in automatic or want.config.method6 in automatic
        )
        for want in wanted.all_of(facts)
    )


def _resolved_link(facts: Facts) -> str:
    """The text of the link: the stub's file, or the list of servers where there is no stub."""
    stub, servers = f"..{_RUN}/stub-resolv.conf", f"..{_RUN}/resolv.conf"
    listener = name_servers.resolved_setting(facts.target, "DNSStubListener")
    if listener and listener[-1].lower() in ("no", "false", "0", "off", "n", "f"):
        return servers
    if facts.target.live and facts.target.exists(f"{_RUN}/resolv.conf"):
        return stub if facts.target.exists(f"{_RUN}/stub-resolv.conf") else servers
    return stub if units.systemd_version(facts.target) >= 236 else servers  # the stub's file came with 236


def _enabling_resolved(facts: Facts) -> Planned:
    """What --resolv-conf=systemd-resolved does: enables it, starts it on the live host, and links to its file."""
    unit = facts.unit(RESOLVED)
    if not unit.present:
        return Refusal(f"{RESOLVED_CHOICE} is not installed", "give addresses: agent fix --resolv-conf=ADDRESS")
    links = units.enable(facts, RESOLVED)
    if unit.masked and not links:
        return Refusal(f"{RESOLVED} is masked in {unit.path.rpartition('/')[0]}, where this fix changes nothing")
    if not _resolved_fed(facts):
        return Refusal(
            "nobody would tell systemd-resolved of a name server on this host",
            "give addresses: agent fix --resolv-conf=ADDRESS[,ADDRESS]",
        )
    operations = list(units.reloaded(facts, links))
    if facts.target.live and unit.active != "active":
        operations.append(
            Run(
                ("systemctl", "start", RESOLVED),
                "starts the resolver",
                inverse=(Command(("systemctl", "stop", RESOLVED)),),
            )
        )
    link = _resolved_link(facts)
    if facts.resolver.provider != "systemd-resolved":  # a link to one of its files stays
        operations.append(Link(PATH, link))
    if not operations:
        return Refusal(f"{RESOLVED} is enabled, and {PATH} leads to it already")
    return _finished(facts, f"Enables systemd-resolved, and lets {PATH} lead to it.", operations, RESOLVED_CHOICE)


# -- the plan
def _written(facts: Facts, source: name_servers.Source) -> Planned:
    servers = source.servers[: name_servers.SERVERS]
    lines = [f"# written by lish-agent (--resolv-conf): servers named by {_plain(source.name)}"]
    lines += [line for line in source.lines if line.split()[0] != "nameserver"]
    lines += [f"nameserver {server}" for server in servers]
    content = ("\n".join(lines) + "\n").encode("utf-8", "replace")
    stat = facts.target.stat(PATH, follow=False)
    operations: list[Operation] = []
    mode = None
    if isinstance(stat, Stat):
        if stat.kind is Kind.LINK:
            operations.append(Remove(PATH))
        elif stat.kind is not Kind.FILE:
            return Refusal(f"{PATH} is a {stat.kind.value}", "take it away first")
        elif not stat.mode & 0o004:
            mode = 0o644  # every program's libc reads it
    operations.append(WriteFile(PATH, content, mode=mode))
    summary = f"Writes {PATH} with {_listed(servers)}, named by {_plain(source.name)}."
    return _finished(facts, summary, operations, "")


def _finished(facts: Facts, summary: str, operations: Sequence[Operation], owner: str) -> Plan:
    return Plan(
        summary,
        tuple(operations),
        (*_helper(facts), *_overwriting(facts, owner), *_not_asked(facts)),
        next=_next(facts, owner),
    )


def _helper(facts: Facts) -> Iterator[str]:
    switch = "Its switch is in Cloud Manager: the Linode's configuration profile, Auto-configure networking."
    if facts.helper.on:
        yield f"Network Helper writes {PATH} anew at the next boot: this holds until then. {switch}"
    elif facts.helper.files and facts.helper.state == "unknown":
        yield f"Where Network Helper is on, it writes {PATH} anew at the next boot. {switch}"


def _overwriting(facts: Facts, owner: str) -> Iterator[str]:
    """Who else writes the file."""
    target = facts.target
    by_manager = parts.enabled(facts, Manager.NETWORKMANAGER) and nm_settings(target).dns not in (
        "none",
        RESOLVED_CHOICE,
    )
    if by_manager and not owner:
        yield (
            f"NetworkManager writes {PATH} anew with each connection: its profiles must name the servers"
            " (nmcli connection modify NAME ipv4.dns ADDRESS)."
        )
    program = target.find_program("resolvconf")
    real = target.resolve(program) if isinstance(program, str) else program
    if isinstance(real, str) and not real.endswith("/resolvectl"):
        yield (
            f"resolvconf is installed and writes {PATH} anew with each interface: the servers belong into"
            " dns-nameservers of the interface."
        )
    if any(want.config.method4 is Method.DHCP and want.manager not in _FROM_NETWORKD for want in wanted.all_of(facts)):
        yield f"The DHCP client writes {PATH} anew with each lease."


def _not_asked(facts: Facts) -> Iterator[str]:
    if not facts.resolver.nsswitch_dns and not facts.resolver.musl:
        yield "The hosts line of /etc/nsswitch.conf does not name dns, so most programs will not ask these servers."


def _next(facts: Facts, owner: str) -> tuple[str, ...]:
    found = ["getent hosts www.linode.com"] if facts.target.live else []
    unit = facts.unit(RESOLVED)
    if facts.target.live and unit.starts_at_boot and unit.active not in ("active", ""):
        found.append(f"journalctl -u {RESOLVED} -b --no-pager")
    elif not owner and unit.present and not unit.starts_at_boot and _leads_to_resolved(facts):
        found.append(f"If you want the resolver enabled instead: agent fix --resolv-conf={RESOLVED_CHOICE}.")
    return tuple(found)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


FIX = Fix(
    name="resolv-conf",
    help="give the host a resolv.conf that names servers, or =ADDRESS[,ADDRESS]",
    rules=("resolv-conf-broken", "resolver-down"),
    plan=plan,
    choices=("ADDRESS[,ADDRESS]", RESOLVED_CHOICE),
)
