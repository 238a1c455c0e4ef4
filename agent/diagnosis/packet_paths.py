"""What becomes of the packets that matter to a host: ssh, ping, its services from outside, and DNS to outside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from ipaddress import ip_address
from weakref import WeakKeyDictionary

from agent.facts import listeners
from agent.facts.facts import Facts
from agent.firewall import evaluate
from agent.firewall.fields import Protocol
from agent.firewall.host import Host
from agent.firewall.inforce import in_force
from agent.firewall.packet import Question, packet
from agent.firewall.reading import Owner, Reading
from agent.firewall.result import Place, Result, Verdict
from agent.firewall.saved.boot import at_boot
from agent.unknown import Unknown

# Public addresses of five regions that stand for "anybody": what rules say of all of them, they say of the world.
# (TEST-NETs would not do: lists of bogons drop them.)
ANYBODY = {
    4: ("24.48.0.37", "81.2.69.142", "126.10.20.30", "177.20.30.40", "105.16.20.30"),
    6: ("2600:8800::37", "2a02:8100::42", "2400:4050::30", "2804:14c::40", "2c0f:f248::30"),
}
PUBLIC_SERVICES = (80, 443)
_BLOCKED = frozenset((Verdict.DROP, Verdict.REJECT))


class Answer(Enum):
    """What becomes of a packet from anybody."""

    OPEN = "open"
    BLOCKED = "blocked"
    NO_REPLY = "no reply"  # it gets in, its answer does not get out
    SOME = "some"  # depends on where it comes from
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Path:
    """One question and its answer. ``shown`` is the result that says most; ``allowed`` one that got through where
    others did not."""

    what: str  # "ssh (tcp 22)"
    question: Question
    answer: Answer
    shown: Result
    allowed: Result | None = None

    @property
    def place(self) -> Place | None:
        return self.shown.place


@dataclass(frozen=True, eq=False)
class Paths:
    """The rule-set of a target, and the ways through it. Questions are answered once."""

    facts: Facts
    reading: Reading
    _asked: dict[tuple[str, Question], Path] = field(default_factory=dict)

    @property
    def host(self) -> Host:
        return self.reading.host

    @cached_property
    def families(self) -> tuple[int, ...]:
        """Those in which the host can be reached by a public address; both where its addresses are not known."""
        if not self.host.interfaces:
            return (4, 6)
        return tuple(family for family in (4, 6) if self.interface(family) != "")

    def interface(self, family: int) -> str | None:
        """The one that leads to the world; "" when none does, None when that is not known."""
        leaves = self.host.leaves_by(family, _number(ANYBODY[family][0]))
        return None if isinstance(leaves, Unknown) else leaves

    @cached_property
    def ssh_ports(self) -> tuple[int, ...]:
        sshd = self.facts.sshd
        return sshd.ports if sshd.installed else ()

    @cached_property
    def services(self) -> tuple[int, ...]:
        """TCP ports on which something waits for connections from outside; of a disk it is not known."""
        found = listeners.read(self.facts.target)
        if isinstance(found, Unknown):
            return ()
        outside = {one.port for one in found if one.protocol == "tcp" and not one.address.startswith(("127.", "::1"))}
        return tuple(sorted(outside))[:20]

    # -- questions
    def ssh(self, family: int, port: int) -> Path:
        return self.to_port(family, port, f"ssh (tcp {port})")

    def to_port(self, family: int, port: int, what: str = "") -> Path:
        question = Question(family, Protocol.TCP, destination_port=port, arrives=self.interface(family) or None)
        return self._from_anybody(what or f"tcp {port}", question)

    def ping(self, family: int) -> Path:
        protocol = Protocol.ICMP if family == 4 else Protocol.ICMPV6
        return self._from_anybody("ping", Question(family, protocol, arrives=self.interface(family) or None))

    def everything(self, family: int) -> tuple[Path, ...]:
        """A packet to each thing that outsiders may want of this host."""
        ports = dict.fromkeys((*self.ssh_ports, *self.services, *PUBLIC_SERVICES))
        return (self.ping(family), *(self.to_port(family, port) for port in ports))

    def by(self, interface: str, family: int, port: int) -> Path:
        """The same by another interface: a tunnel, a private network."""
        question = Question(family, Protocol.TCP, destination_port=port, arrives=interface)
        return self._from_anybody(f"tcp {port} by {interface}", question)

    def from_address(self, address: str, port: int) -> Result:
        """A connection from one address."""
        family = 6 if ":" in address else 4
        arrives = self.interface(family) or None
        question = Question(family, Protocol.TCP, address, destination_port=port, arrives=arrives)
        return evaluate.inbound_and_back(self.reading.ruleset, packet(question, self.host), self.host)

    def dns(self, server: str) -> Path:
        """A question to a name server, and its answer."""
        family = 6 if ":" in server else 4
        question = Question(family, Protocol.UDP, None, server, None, 53)
        key = (f"dns to {server}", question)
        if key not in self._asked:
            ruleset = self.reading.ruleset
            out = evaluate.outbound_and_back(ruleset, packet(question, self.host), self.host)
            self._asked[key] = Path(key[0], question, _answer([out]), out)
        return self._asked[key]

    def _from_anybody(self, what: str, question: Question) -> Path:
        key = (what, question)
        if key not in self._asked:
            self._asked[key] = self._ask(what, question)
        return self._asked[key]

    def _ask(self, what: str, question: Question) -> Path:
        results = []
        for source in ANYBODY[question.family]:
            asked = packet(_from(question, source), self.host)
            results.append(evaluate.inbound_and_back(self.reading.ruleset, asked, self.host))
        answer = _answer(results)
        shown = next((one for one in results if one.verdict in _BLOCKED), results[0])
        allowed: Result | None = None
        if answer in (Answer.BLOCKED, Answer.SOME):
            whole = evaluate.inbound_and_back(self.reading.ruleset, packet(question, self.host), self.host)
            passed = next((one for one in results if one.verdict is Verdict.ACCEPT), None)
            allowed = passed or (whole if Verdict.ACCEPT in whole.possible else None)
        if answer is Answer.UNKNOWN:
            shown = next((one for one in results if one.verdict is Verdict.UNKNOWN), shown)
        return Path(what, question, answer, shown, allowed)

    def owner(self, place: Place) -> str:
        """The program that wrote the chain in which a rule stands; "" when nobody is known for it."""
        for one in self.reading.owners:
            if _is(one, place):
                return one.program
        return ""


def _is(owner: Owner, place: Place) -> bool:
    return (owner.family, owner.table, owner.chain) == (place.family, place.table, place.chain)


def _from(question: Question, source: str) -> Question:
    return replace(question, source=source)


def _number(address: str) -> int:
    return int(ip_address(address))


def _answer(results: list[Result]) -> Answer:
    verdicts = {one.verdict for one in results}
    if verdicts == {Verdict.ACCEPT}:
        return Answer.OPEN
    if verdicts <= _BLOCKED:
        return Answer.NO_REPLY if all(one.reply for one in results) else Answer.BLOCKED
    return Answer.UNKNOWN if Verdict.UNKNOWN in verdicts else Answer.SOME


_paths: WeakKeyDictionary[Facts, Paths] = WeakKeyDictionary()


def of(facts: Facts) -> Paths:
    """The rule-set that is in force, or of a disk the one that would be loaded at boot."""
    if facts not in _paths:
        reading = in_force(facts.target) if facts.target.live else at_boot(facts.target)
        _paths[facts] = Paths(facts, reading)
    return _paths[facts]
