"""Proofs of firewalls: what becomes of the packets that matter, by the rule-set that is in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.diagnosis import packet_paths
from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.packet_paths import Paths
from agent.diagnosis.proofs import wanted
from agent.facts.netconfig.model import Method
from agent.firewall.anybody import ANYBODY, Answer, Path
from agent.firewall.model import Backend
from agent.firewall.opening import opening
from agent.firewall.result import Place
from agent.unknown import Unknown

_SHUT = (Answer.BLOCKED, Answer.NO_REPLY)
_TOOLS = {Backend.LEGACY: "iptables-legacy", Backend.NF_TABLES: "iptables-nft", Backend.NFT: "nft"}


def firewall_blocks_all(context: Context) -> Proof:
    """Nothing new gets in from anybody, in a family by which the host is reached."""
    paths = look(context)
    if not isinstance(paths, Paths):
        return paths
    shut = {family: path for family in paths.families for path in [_all_shut(paths, family)] if path is not None}
    if not shut:
        return _sure(paths, "something gets in")
    family, first = next(iter(shut.items()))
    named = " and ".join(f"IPv{one}" for one in shut)
    why = f"nothing new gets in by {named}: {first.what} ends at {deciding(paths, first)}"
    tunnel = _other_way(paths, first)
    severity: Severity | None = None
    if tunnel:
        why, severity = f"{why}; by {tunnel} it does", Severity.INFO
    elif family == 6 and 4 in paths.families:
        # Nobody lets ports of IPv6 in and means its neighbours to be lost.
        meant = first.question.destination_port is not None
        severity = Severity.INFO if meant else Severity.WARNING
    return _holds(paths, why, [first], severity)


def firewall_blocks_ssh(context: Context) -> Proof:
    """A connection to sshd's own port from anybody does not get in, or only from some places."""
    paths = look(context)
    if not isinstance(paths, Paths):
        return paths
    if not paths.ssh_ports:
        return Fails("sshd is not installed")
    asked = [paths.ssh(family, port) for family in paths.families for port in paths.ssh_ports]
    shut = [path for path in asked if path.answer is Answer.BLOCKED]
    if not shut:
        return _not_shut(paths, asked)
    first = shut[0]
    why = f"{first.what} from outside ends at {deciding(paths, first)}"
    severity: Severity | None = None
    other = next((path for path in asked if path.answer in (Answer.OPEN, Answer.RATED)), None)
    if other is not None:
        why += f"; it gets in by IPv{other.question.family}, port {other.question.destination_port}"
        same = other.question.family == first.question.family or first.question.family == 6
        severity = Severity.INFO if same else Severity.WARNING
    elif first.allowed is not None:
        why, severity = f"{why}; only some addresses get in", Severity.INFO
    else:
        tunnel = _other_way(paths, first)
        if tunnel:
            why, severity = f"{why}; it gets in by {tunnel} only", Severity.INFO
    return _holds(paths, why, shut, severity)


def firewall_blocks_ping(context: Context) -> Proof:
    """Echo requests are lost, and so the host looks dead to ping and MTR."""
    paths = look(context)
    if not isinstance(paths, Paths):
        return paths
    shut = [path for path in map(paths.ping, paths.families) if path.answer in _SHUT]
    if not shut:
        return _sure(paths, "ping is answered, as far as the rules go")
    return _holds(paths, f"ping ends at {deciding(paths, shut[0])}", shut)


def firewall_blocks_outbound(context: Context) -> Proof:
    """Answers of what got in, or questions to name servers and DHCP's, don't get out (or their answers not in)."""
    paths = look(context)
    if not isinstance(paths, Paths):
        return paths
    lost = [path for family in paths.families for path in _replies(paths, family) if path.answer is Answer.NO_REPLY]
    if lost:
        why = f"{lost[0].what} gets in, its answer ends at {deciding(paths, lost[0])}"
        return _holds(paths, why, lost[:3])
    asked = [paths.dns(server) for server in _servers(paths)]
    unanswered = [path for path in asked if path.answer in _SHUT]
    if asked and len(unanswered) == len(asked):
        return _holds(paths, _stopped(paths, unanswered[0]), unanswered, Severity.WARNING)
    if _by_dhcp(paths) and paths.dhcp().answer in _SHUT:
        return _holds(paths, _stopped(paths, paths.dhcp()), [paths.dhcp()], Severity.WARNING)
    return _sure(paths, "answers and questions get out")


def look(context: Context) -> Paths | Proof:
    """The packet paths of a target that has rules at all."""
    if wanted.only_a_log(context.facts):
        return wanted.not_looked_at(context)
    paths = packet_paths.of(context.facts)
    return paths if paths.reading.ruleset.tables else _sure(paths, "no firewall rules")


def deciding(paths: Paths, path: Path) -> str:
    """The rule at which a path ends, as people look it up."""
    place = path.place
    if place is None:
        return path.shown.why or "a rule"
    owner = paths.reading.owner(place)
    by = f" ({owner})" if owner else ""
    if place.number == 0:
        return f"the policy {path.shown.verdict.value.upper()} of {place.table} {place.chain}{by}"
    return f"rule {place.number} of {place.table} {place.chain}{by}"


def evidence_of(paths: Paths, place: Place) -> Evidence:
    """The rule itself, by the file in which it is saved or the tool that shows it."""
    file = paths.reading.file(place) if place.line else ""
    if file:
        return Evidence(file, place.text, place.line)
    return Evidence(f"{_TOOLS[place.backend]}, {place.family.value} {place.table} {place.chain}", place.text)


def _sure(paths: Paths, why: str) -> Proof:
    """Nothing was found: that is certain only where everything could be read."""
    unchecked = paths.reading.unchecked
    return CantTell(unchecked[0]) if unchecked else Fails(why)


def _holds(paths: Paths, why: str, shown: list[Path], severity: Severity | None = None) -> Holds:
    first = shown[0]
    place, question = first.place, first.question
    values = {"family": str(question.family), "port": str(question.destination_port or "")}
    if place is None:
        return Holds(why, (), values, severity)
    owner = paths.reading.owner(place)
    values |= {"table": place.table, "chain": place.chain, "number": str(place.number), "owner": owner}
    evidence = dict.fromkeys(evidence_of(paths, path.place) for path in shown if path.place is not None)
    inwards = first.answer is Answer.BLOCKED and first.what.startswith(("ssh", "ping"))
    if not paths.facts.target.live or not inwards or question.source is not None or question.destination is not None:
        return Holds(why, tuple(evidence), values, severity)
    found = opening(place, question, owner, lambda name: not isinstance(_program(paths, name), Unknown))
    return Holds(why, tuple(evidence), values, severity, found.commands, found.undo)


def _program(paths: Paths, name: str) -> object:
    return paths.facts.target.find_program(name)


def _all_shut(paths: Paths, family: int) -> Path | None:
    """Where it ends, when nothing of what outsiders may want gets in, not even from some addresses."""
    first: Path | None = None
    for path in paths.everything(family):
        if path.answer not in _SHUT or path.allowed is not None:
            first = None
            break
        first = first or path
    if first is None and family == 6 and paths.neighbours().answer in _SHUT:
        return paths.neighbours()
    return first


def _not_shut(paths: Paths, asked: list[Path]) -> Proof:
    for path in asked:
        if path.answer is Answer.SOME:
            why = f"ssh gets in from some places; from others it ends at {deciding(paths, path)}"
            return _holds(paths, why, [path], Severity.INFO)
    doubts = [path for path in asked if path.answer is Answer.UNKNOWN]
    if doubts:
        return CantTell(f"whether ssh gets in can't be told: {doubts[0].shown.why}")
    return _sure(paths, "ssh gets in from outside")


def _other_way(paths: Paths, path: Path) -> str:
    """Another interface than that to the world by which the same connection gets in (a tunnel); "" if none."""
    family, port = path.question.family, path.question.destination_port
    for interface in paths.host.interfaces if port is not None else ():
        name = interface.name
        if name not in ("lo", path.question.arrives) and paths.by(name, family, port or 0).answer is Answer.OPEN:
            return name
    return ""


def _replies(paths: Paths, family: int) -> Iterator[Path]:
    """ssh and ping; where neither gets in, whatever else may."""
    first = [*(paths.ssh(family, port) for port in paths.ssh_ports), paths.ping(family)]
    yield from first if any(path.answer is not Answer.BLOCKED for path in first) else paths.everything(family)


def _servers(paths: Paths) -> Iterable[str]:
    """The name servers that this host asks; where a local program asks others for it, anybody in their place."""
    named = [one for one in paths.facts.resolver.nameservers[:3] if not one.startswith(("127.", "::1"))]
    known = [one for one in named if (6 if ":" in one else 4) in paths.families]
    return known or [ANYBODY[family][0] for family in paths.families]


def _by_dhcp(paths: Paths) -> bool:
    facts = paths.facts
    wants = (want.config for want in wanted.all_of(facts))
    return 4 in paths.families and any(config.method4 is Method.DHCP for config in wants)


def _stopped(paths: Paths, path: Path) -> str:
    part = f"the answer to {path.what}" if path.shown.reply else path.what
    return f"{part} ends at {deciding(paths, path)}"


PROOFS: dict[str, ProofFunction] = {
    "firewall_blocks_all": firewall_blocks_all,
    "firewall_blocks_ssh": firewall_blocks_ssh,
    "firewall_blocks_ping": firewall_blocks_ping,
    "firewall_blocks_outbound": firewall_blocks_outbound,
}
