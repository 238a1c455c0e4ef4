"""Proofs of firewalls: what becomes of the packets that matter, by the rule-set that is in force."""

from __future__ import annotations

from collections.abc import Iterable

from agent.diagnosis import packet_paths
from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.packet_paths import Answer, Path, Paths
from agent.diagnosis.proofs import wanted
from agent.facts import logins
from agent.facts.facts import Facts
from agent.firewall.model import Backend
from agent.firewall.result import Place, Verdict
from agent.unknown import Unknown

FULL = 0.95  # of nf_conntrack_max: from here on new connections are lost now and then
BANNED = ("fail2ban", "sshguard", "CrowdSec", "denyhosts", "CSF")
_SHUT = (Answer.BLOCKED, Answer.NO_REPLY)
_TOOLS = {Backend.LEGACY: "iptables-legacy", Backend.NF_TABLES: "iptables-nft", Backend.NFT: "nft"}


def firewall_blocks_all(context: Context) -> Proof:
    """Nothing new gets in from anybody, in a family by which the host is reached."""
    paths = _look(context)
    if not isinstance(paths, Paths):
        return paths
    shut = [family for family in paths.families if _all_shut(paths, family)]
    if not shut:
        return Fails("something gets in")
    first = paths.everything(shut[0])[0]
    named = " and ".join(f"IPv{family}" for family in shut)
    others = [family for family in paths.families if family not in shut]
    why = f"no new connection gets in by {named}: {_deciding(paths, first)}"
    return Holds(why, _evidence(paths, [first]), _values(paths, first), Severity.WARNING if others else None)


def firewall_blocks_ssh(context: Context) -> Proof:
    """A connection to sshd's own port from anybody does not get in, or only from some places."""
    paths = _look(context)
    if not isinstance(paths, Paths):
        return paths
    if not paths.ssh_ports:
        return Fails("sshd is not installed")
    asked = [paths.ssh(family, port) for family in paths.families for port in paths.ssh_ports]
    shut = [path for path in asked if path.answer in _SHUT]
    if not shut:
        return _some_only(paths, asked)
    if all(path.answer is Answer.NO_REPLY for path in shut):
        return Fails("ssh gets in; its answers don't get out, which is firewall-blocks-outbound")
    shut = [path for path in shut if path.answer is Answer.BLOCKED] or shut
    first = shut[0]
    open_by = [path for path in asked if path.answer is Answer.OPEN]
    why = f"ssh from outside ends at {_deciding(paths, first)}"
    severity: Severity | None = None
    if open_by:
        other = open_by[0].question
        why += f"; it gets in by IPv{other.family}, port {other.destination_port}"
        severity = Severity.INFO if other.family == first.question.family else Severity.WARNING
    elif first.allowed is not None:
        why += "; only some addresses get in"
        severity = Severity.INFO
    else:
        by = _other_way(paths, first)
        if by:
            why += f"; it gets in by {by} only"
            severity = Severity.INFO
    return Holds(why, _evidence(paths, shut), _values(paths, first), severity)


def firewall_blocks_ping(context: Context) -> Proof:
    """Echo requests are lost, and so the host looks dead to ping and MTR."""
    paths = _look(context)
    if not isinstance(paths, Paths):
        return paths
    shut = [path for path in map(paths.ping, paths.families) if path.answer in _SHUT]
    if not shut:
        return Fails("ping is answered, as far as the rules go")
    why = f"ping ends at {_deciding(paths, shut[0])}"
    return Holds(why, _evidence(paths, shut), _values(paths, shut[0]))


def firewall_blocks_outbound(context: Context) -> Proof:
    """Answers of what got in, or questions to the name servers, don't get out (or their answers not in)."""
    paths = _look(context)
    if not isinstance(paths, Paths):
        return paths
    replies = [path for family in paths.families for path in paths.everything(family)]
    lost = [path for path in replies if path.answer is Answer.NO_REPLY]
    if lost:
        why = f"{lost[0].what} gets in, its answer ends at {_deciding(paths, lost[0])}"
        return Holds(why, _evidence(paths, lost[:3]), _values(paths, lost[0]))
    asked = [paths.dns(server) for server in paths.facts.resolver.nameservers[:3] if _can_ask(paths, server)]
    unanswered = [path for path in asked if path.answer in (Answer.BLOCKED, Answer.NO_REPLY)]
    if not asked or len(unanswered) < len(asked):
        return Fails("answers and questions to name servers get out")
    first = unanswered[0]
    why = f"{first.what}: {'its answer' if first.shown.reply else 'it'} ends at {_deciding(paths, first)}"
    return Holds(why, _evidence(paths, unanswered), _values(paths, first), Severity.WARNING)


def conntrack_full(context: Context) -> Proof:
    """The table of connections is (nearly) full: new ones are dropped."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return CantTell("how full the table of connections is, only the running host can tell")
    count = _number(facts, "/proc/sys/net/netfilter/nf_conntrack_count")
    most = _number(facts, "/proc/sys/net/netfilter/nf_conntrack_max")
    if count is None or not most:
        return Fails("connection tracking is not in use")
    if count < FULL * most:
        return Fails(f"{count} of {most} connections are tracked")
    evidence = Evidence("/proc/sys/net/netfilter/nf_conntrack_count", f"{count} of {most}")
    values = {"count": str(count), "max": str(most), "more": str(4 * most)}
    return Holds(f"{count} of at most {most} connections are tracked", (evidence,), values)


def ban_list_hit(context: Context) -> Proof:
    """An address from which somebody logged in of late is banned."""
    paths = _look(context)
    if not isinstance(paths, Paths):
        return paths
    if not paths.ssh_ports:
        return Fails("sshd is not installed")
    recent = logins.recent_addresses(paths.facts.target)
    if isinstance(recent, Unknown):
        return CantTell(recent.reason)
    for address in recent:
        for port in paths.ssh_ports:
            found = paths.from_address(address, port)
            place = found.place
            if place is None or found.verdict not in (Verdict.DROP, Verdict.REJECT):
                continue
            program = paths.owner(place)
            if program in BANNED:
                evidence = Evidence(_where(place), place.text)
                values = {"address": address, "program": program, "port": str(port), **_unban(program, place, address)}
                return Holds(f"{address}, which has logged in before, is banned by {program}", (evidence,), values)
    return Fails("no address of the last logins is banned")


def _look(context: Context) -> Paths | Proof:
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    paths = packet_paths.of(facts)
    if not paths.reading.ruleset.tables:
        unchecked = paths.reading.unchecked
        return CantTell(unchecked[0]) if unchecked else Fails("no firewall rules")
    return paths


def _all_shut(paths: Paths, family: int) -> bool:
    """Nothing of what outsiders may want gets in, and not even from some addresses."""
    return all(path.answer in _SHUT and path.allowed is None for path in paths.everything(family))


def _some_only(paths: Paths, asked: list[Path]) -> Proof:
    for path in asked:
        if path.answer is Answer.SOME:
            why = f"ssh gets in from some places; from others it ends at {_deciding(paths, path)}"
            return Holds(why, _evidence(paths, [path]), _values(paths, path), Severity.INFO)
    doubts = [path for path in asked if path.answer is Answer.UNKNOWN]
    if doubts:
        return CantTell(f"whether ssh gets in can't be told: {doubts[0].shown.why}")
    return Fails("ssh gets in from outside")


def _other_way(paths: Paths, path: Path) -> str:
    """Another interface than that to the world by which the same connection gets in (a tunnel); "" if none."""
    family, port = path.question.family, path.question.destination_port or 0
    for interface in paths.host.interfaces:
        name = interface.name
        if name not in ("lo", path.question.arrives) and paths.by(name, family, port).answer is Answer.OPEN:
            return name
    return ""


def _can_ask(paths: Paths, server: str) -> bool:
    family = 6 if ":" in server else 4
    return family in paths.families and not server.startswith(("127.", "::1"))


def _deciding(paths: Paths, path: Path) -> str:
    place = path.place
    if place is None:
        return path.shown.why or "a rule"
    owner = paths.owner(place)
    by = f" ({owner})" if owner else ""
    if place.number == 0:
        return f"the policy {path.shown.verdict.value.upper()} of {place.table} {place.chain}{by}"
    return f"rule {place.number} of {place.table} {place.chain}{by}"


def _where(place: Place) -> str:
    return f"{_TOOLS[place.backend]}, {place.family.value} {place.table} {place.chain}"


def _evidence(paths: Paths, shown: Iterable[Path]) -> tuple[Evidence, ...]:
    found: dict[tuple[str, str], Evidence] = {}
    for path in shown:
        place = path.place
        if place is not None:
            found.setdefault((_where(place), place.text), Evidence(_where(place), place.text, place.line))
    return tuple(found.values())


def _values(paths: Paths, path: Path) -> dict[str, str]:
    place, question = path.place, path.question
    values = {"family": str(question.family), "port": str(question.destination_port or "")}
    if place is not None:
        values |= {
            "table": place.table,
            "chain": place.chain,
            "number": str(place.number),
            "rule": place.text,
            "owner": paths.owner(place),
        }
    return values


def _unban(program: str, place: Place, address: str) -> dict[str, str]:
    jail = place.chain.partition("-")[2] if place.chain.startswith("f2b-") else ""
    if program == "fail2ban" and jail:
        return {"unban": f"fail2ban-client set {jail} unbanip {address}"}
    commands = {
        "fail2ban": f"fail2ban-client unban {address}",
        "CrowdSec": f"cscli decisions delete --ip {address}",
        "CSF": f"csf -dr {address}",
    }
    return {"unban": commands.get(program, f"agent firewall --from {address}")}


def _number(facts: Facts, path: str) -> int | None:
    text = facts.target.text(path, limit=64)
    return int(text) if isinstance(text, str) and text.strip().isdecimal() else None


PROOFS: dict[str, ProofFunction] = {
    "firewall_blocks_all": firewall_blocks_all,
    "firewall_blocks_ssh": firewall_blocks_ssh,
    "firewall_blocks_ping": firewall_blocks_ping,
    "firewall_blocks_outbound": firewall_blocks_outbound,
    "conntrack_full": conntrack_full,
    "ban_list_hit": ban_list_hit,
}
