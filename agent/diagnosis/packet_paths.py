"""What becomes of the packets that matter to a host: ssh, ping, its services from outside, and DNS to outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address

from agent.facts import listeners
from agent.facts.facts import Facts
from agent.firewall import anybody, assumed, evaluate
from agent.firewall.anybody import ANYBODY, Path
from agent.firewall.fields import Protocol, State
from agent.firewall.host import Host
from agent.firewall.inforce import in_force
from agent.firewall.packet import Question, packet
from agent.firewall.reading import Reading
from agent.firewall.result import Result, Verdict
from agent.firewall.saved.boot import at_boot
from agent.unknown import Unknown

PUBLIC_SERVICES = (80, 443)

_ROUTER = "fe80::1"  # Linode's, and as good as any other link-local address
_SOLICITATION, _ADVERTISEMENT = 135, 136  # ICMPv6: neighbours find each other by these (RFC 4861)
_HOPS = 255  # of neighbour discovery: an answer with fewer comes from elsewhere
_ALL_STATIONS = "255.255.255.255"


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

    def interface(self, family: int) -> str:
        """The one that leads to the world, "" when none does; where nobody tells, the one that the rules speak of."""
        leaves = self.host.leaves_by(family, int(ip_address(ANYBODY[family][0])))
        return assumed.leads_out(self.reading, family) if isinstance(leaves, Unknown) else leaves

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

    def everything(self, family: int) -> Iterator[Path]:
        """A packet to each thing that outsiders may want of this host, ssh first."""
        for port in dict.fromkeys((*self.ssh_ports, *self.services, *PUBLIC_SERVICES)):
            yield self.to_port(family, port, f"ssh (tcp {port})" if port in self.ssh_ports else "")
        yield self.ping(family)

    def overview(self, family: int) -> Iterator[Path]:
        """What a person asks first: ssh, each service that waits for the world, ping."""
        for port in dict.fromkeys((*self.ssh_ports, *self.services)):
            yield self.to_port(family, port, f"ssh (tcp {port})" if port in self.ssh_ports else "")
        yield self.ping(family)

    def neighbours(self) -> Path:
        """The router asks who has this host's IPv6 address, and this host answers: without it no packet comes."""
        arrives = self.interface(6) or None
        one = Question(6, Protocol.ICMPV6, _ROUTER, None, arrives=arrives, state=State.UNTRACKED, ttl=_HOPS)
        asked = replace(one, kind=_SOLICITATION)
        if ("neighbours", asked) not in self._asked:
            found = evaluate.inbound(self.reading.ruleset, packet(asked, self.host), self.host)
            if found.verdict is Verdict.ACCEPT:
                answer = replace(one, source=None, destination=_ROUTER, arrives=None, kind=_ADVERTISEMENT)
                found = evaluate.outbound(self.reading.ruleset, packet(answer, self.host), self.host)
                found = replace(found, reply=True)
            self._asked["neighbours", asked] = Path("neighbour discovery", asked, anybody.answer([found]), found)
        return self._asked["neighbours", asked]

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
        return self._out(f"a question to name server {server}", Question(family, Protocol.UDP, None, server, None, 53))

    def dhcp(self) -> Path:
        """The renewal of an address that DHCP gave; the first question of all goes past every firewall."""
        return self._out("the renewal by DHCP", Question(4, Protocol.UDP, None, _ALL_STATIONS, 68, 67))

    def _out(self, what: str, question: Question) -> Path:
        if (what, question) not in self._asked:
            asked = packet(question, self.host)
            found = evaluate.outbound_and_back(self.reading.ruleset, asked, self.host)
            self._asked[what, question] = Path(what, question, anybody.answer([found]), found)
        return self._asked[what, question]

    def _from_anybody(self, what: str, question: Question) -> Path:
        key = (what, question)
        if key not in self._asked:
            self._asked[key] = anybody.path(what, question, self.reading.ruleset, self.host)
        return self._asked[key]


def of(facts: Facts) -> Paths:
    """The rule-set that is in force, or of a disk the one that would be loaded at boot; read once."""
    known = facts.derived.get(Paths)
    if not isinstance(known, Paths):
        known = Paths(facts, in_force(facts.target) if facts.target.live else at_boot(facts.target))
        facts.derived[Paths] = known
    return known
