"""Compare: load a rule-set, send packets, and ask the model about each."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from agent.firewall import evaluate, ipset
from agent.firewall.fields import Field, Protocol, State, Status
from agent.firewall.model import Backend, Family, Ruleset, together
from agent.firewall.packet import Packet, Question, packet
from agent.firewall.result import Result, Verdict
from agent.firewall.xtables import listing, save
from tests.firewall.kernel import grammar
from tests.firewall.kernel.frames import Frame
from tests.firewall.kernel.frames import packet as wire_packet
from tests.firewall.kernel.grammar import Grammar, Rules
from tests.firewall.kernel.lab import OUR_MAC, PEER_MAC, TCP_PORTS, UDP_PORTS, Lab, command, enter, facts, lab

HOST = facts()
EMPTY = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in grammar.TABLES.items()
)
BACKENDS = {"legacy": Backend.LEGACY, "nft": Backend.NF_TABLES}


@dataclass(frozen=True)
class Sent:
    """One packet, what the model is told of it, and whether the host would answer it."""

    frame: Frame
    link: str
    told: Packet
    answers: bool
    what: str


@dataclass(frozen=True)
class Observed:
    """What the kernel did: ``error`` is an ICMP error or a reset that came back."""

    arrived: bool
    forwarded: bool
    answered: bool
    error: bool

    @property
    def verdict(self) -> Verdict:
        if self.arrived or self.forwarded:
            return Verdict.ACCEPT
        return Verdict.REJECT if self.error else Verdict.DROP


@dataclass
class Score:
    pairs: int = 0
    rulesets: int = 0
    refused: int = 0
    unknown: int = 0
    seconds: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)


class Packets:
    """Packets from one source of chance, each with ports and numbers of its own."""

    def __init__(self, chance: random.Random, family: int) -> None:
        self.chance, self.family, self.number = chance, family, chance.randrange(1, 1 << 30)
        self._ports: set[int] = set()

    def _port(self) -> int:
        while True:
            low, high = (1, 1023) if self.chance.random() < 0.1 else (grammar.LOW, grammar.HIGH)
            port = self.chance.randint(low, high)
            if port not in self._ports:
                self._ports.add(port)
                return port

    def one(self, protocol: int | None = None) -> tuple[Frame, str]:
        """A frame that begins something, and its link."""
        chance, family = self.chance, self.family
        self.number += 1
        source = chance.choice(grammar.SOURCES[family])
        usual = "eth1" if source.startswith(("198.51.", "2001:db8:b:")) else "eth0"
        link = usual if chance.random() < 0.85 else chance.choice(("eth0", "eth1"))
        if protocol is None:
            protocol = chance.choice((6, 6, 6, 17, 17, 1 if family == 4 else 58))
        own = grammar.OWN[family]
        destination = own[0] if chance.random() < 0.6 else chance.choice(own)
        if chance.random() < 0.06:
            destination = chance.choice(grammar.OTHERS[family])
            if destination == source:
                destination = own[0]
        return (
            Frame(
                family,
                protocol,
                source,
                destination,
                self.number,
                source_port=self._port(),
                destination_port=chance.choice(grammar.PORTS),
                sequence=chance.randrange(1 << 31),
                kind=8 if family == 4 else 128,
                identity=chance.randrange(1, 65535),
                ttl=chance.choice((64, 64, 64, 12, 128)),
                tos=chance.choice((0, 0, 0, 0x10, 0x08, 0x28, 0x02)),
                padding=chance.choice((0, 0, 4, 20, 160)),
                source_mac=PEER_MAC[link],
                destination_mac=OUR_MAC[link],
            ),
            link,
        )


def told(frame: Frame, link: str, state: int, **more: int | str) -> Packet:
    """What the model is told: all that the frame shows."""
    ports = frame.protocol in (6, 17)
    question = Question(
        frame.family,
        frame.protocol,
        frame.source,
        frame.destination,
        frame.source_port if ports else None,
        frame.destination_port if ports else None,
        link,
        state,
        frame.flags,
        None if ports else frame.kind,
        frame.code,
        len(wire_packet(frame)),
        frame.ttl,
        frame.tos,
        time.time(),
    )
    made = packet(question, HOST).but(source_mac=int(frame.source_mac.replace(":", ""), 16))
    if state == State.ESTABLISHED:
        status = Status.SEEN_REPLY | Status.CONFIRMED | (Status.ASSURED if frame.protocol == 6 else 0)
        made = made.but(ct_status=status, ct_mark=0, ct_direction=0)
        made = _originals(made, frame)
    if not ports and state & (State.NEW | State.ESTABLISHED):
        made = made.but(ct_source_port=frame.identity)
    return made.but(**more) if more else made


def _originals(made: Packet, frame: Frame) -> Packet:
    fields = {
        name: value
        for name, value in packet(
            Question(
                frame.family,
                frame.protocol,
                frame.source,
                frame.destination,
                frame.source_port if frame.protocol in (6, 17) else None,
                frame.destination_port if frame.protocol in (6, 17) else None,
            ),
            HOST,
        ).connection.items()
        if name.name in ("CT_SOURCE", "CT_DESTINATION", "CT_SOURCE_PORT", "CT_DESTINATION_PORT")
    }
    return replace(made, connection={**made.connection, **fields})


def begun(lab: Lab, packets: Packets) -> list[Sent]:
    """Connections that stand before the rules are loaded, and the packets that will go on with them."""
    opened: list[tuple[Frame, str]] = []
    for protocol in (6, 6, 6, 17, 17, 17, 1 if packets.family == 4 else 58):
        frame, link = packets.one(protocol)
        port = packets.chance.choice(TCP_PORTS if protocol == 6 else UDP_PORTS)
        own = grammar.OWN[packets.family]
        frame = replace(frame, destination=packets.chance.choice(own), destination_port=port)
        lab.send(frame, link)
        opened.append((frame, link))
    lab.settle(0.004)
    answers = {(found.source, found.ports[1]): found for found in lab.came_out if found.protocol == 6}
    later: list[Sent] = []
    for frame, link in opened:
        packets.number += 1
        following = replace(frame, number=packets.number, padding=packets.chance.choice((0, 8, 120)))
        if frame.protocol == 6:
            answer = answers.get((frame.destination, frame.source_port))
            if answer is None:
                raise RuntimeError(f"no answer to a first packet on the open host: {frame}")
            following = replace(following, flags=16, sequence=frame.sequence + 1, acknowledge=answer.sequence + 1)
            lab.send(replace(following, silent=True, padding=0), link)
            following = replace(following, flags=24)
        later.append(Sent(following, link, told(following, link, State.ESTABLISHED), True, "established"))
        if frame.protocol == 17:
            later.append(related(packets, frame, link))
    lab.forget()
    return later


def related(packets: Packets, frame: Frame, link: str) -> Sent:
    """An ICMP error about the host's answer to an earlier datagram."""
    packets.number += 1
    quoted = replace(
        frame,
        source=frame.destination,
        destination=frame.source,
        source_port=frame.destination_port,
        destination_port=frame.source_port,
        number=packets.number,
    )
    icmp = 1 if frame.family == 4 else 58
    kind, code = (3, 3) if frame.family == 4 else (1, 4)
    error = replace(frame, protocol=icmp, number=packets.number, kind=kind, code=code, inner=wire_packet(quoted))
    made = told(error, link, State.NEW)
    made = _originals(made, frame).but(
        ct_state=State.RELATED,
        ct_status=Status.SEEN_REPLY | Status.CONFIRMED,
        ct_protocol=17,
        ct_mark=0,
        ct_direction=0,
    )
    return Sent(error, link, made, False, "related")


def fresh(packets: Packets) -> Sent:
    """A packet that begins something, or one that belongs to nothing."""
    frame, link = packets.one()
    if frame.protocol == 6 and packets.chance.random() < 0.12:
        flags = packets.chance.choice((0, 0x29, 0x03, 0x10, 0x11, 0x04))
        frame = replace(frame, flags=flags)
        return Sent(frame, link, told(frame, link, State.INVALID), False, f"tcp flags {flags:#x}")
    if packets.chance.random() < 0.04:
        frame = replace(frame, destination_mac="ff:ff:ff:ff:ff:ff")
        return Sent(frame, link, told(frame, link, State.NEW, packet_type="broadcast"), False, "broadcast frame")
    return Sent(frame, link, told(frame, link, State.NEW), True, "new")


def send(lab: Lab, wanted: list[Sent], quiet: float = 0.004) -> list[Observed]:
    for sent in wanted:
        lab.send(sent.frame, sent.link)
    lab.settle(quiet)
    return [observed(lab, sent.frame) for sent in wanted]


def observed(lab: Lab, frame: Frame) -> Observed:
    forwarded = answered = error = False
    quoting = (3,) if frame.family == 4 else (1,)
    for found in lab.came_out:
        if found.family != frame.family:
            continue
        icmp = found.protocol in (1, 58)
        if found.protocol == frame.protocol == 6 and found.ports[1] == frame.source_port and found.number is None:
            if found.destination != frame.source:
                continue
            answered = answered or not found.flags & 4
            error = error or bool(found.flags & 4)
        elif icmp and found.kind in quoting and found.protocol != frame.protocol:
            if found.number == frame.number or (
                frame.protocol == 6 and found.quoted[0] == frame.source_port and found.destination == frame.source
            ):
                error = True
        elif found.number == frame.number:
            if found.source == frame.source and not (icmp and found.kind in (0, 129)):
                if icmp and found.kind in quoting and frame.kind not in quoting:
                    error = True
                else:
                    forwarded = True
            elif icmp and found.kind in quoting:
                error = True
            else:
                answered = True
    return Observed(frame.number in lab.arrived, forwarded, answered, error)


def disagreement(sent: Sent, kernel: Observed, rules: Ruleset, shows: bool) -> tuple[str, Result]:
    """What the model said wrongly, "" when nothing; and its result."""
    said = evaluate.inbound(rules, sent.told, HOST)
    shows = shows and not _unanswerable(sent)
    if said.forwarded and sent.told.fields[Field.PACKET_TYPE] != "unicast":
        return "", said  # these are not forwarded, but by no rule
    if kernel.verdict not in said.possible and not (
        kernel.verdict is Verdict.DROP and Verdict.REJECT in said.possible and not shows
    ):
        return f"in: kernel {kernel.verdict.value}, model {said.verdict.value}", said
    if said.verdict is Verdict.ACCEPT and said.forwarded != kernel.forwarded:
        return f"forwarded: kernel {kernel.forwarded}, model {said.forwarded}", said
    if not (sent.answers and kernel.arrived and not kernel.forwarded and said.verdict is Verdict.ACCEPT):
        return "", said
    if not _answers(said) or _spoilt(sent, said):
        return "", said
    back = evaluate.inbound_and_back(rules, sent.told, HOST)
    came = Verdict.ACCEPT if kernel.answered else Verdict.DROP
    if came not in back.possible and not (came is Verdict.DROP and Verdict.REJECT in back.possible):
        return f"back: kernel {came.value}, model {back.verdict.value}", back
    return "", back


def _answers(said: Result) -> bool:
    """Does something answer where the packet arrived?"""
    if said.packet.get(Field.PACKET_TYPE) != "unicast":
        return False
    protocol, port = said.packet.get(Field.PROTOCOL), said.packet.get(Field.DESTINATION_PORT)
    if protocol == Protocol.TCP:
        return port in TCP_PORTS
    return port in UDP_PORTS if protocol == Protocol.UDP else True


def _unanswerable(sent: Sent) -> bool:
    """What a REJECT drops without a word: errors, broadcasts, resets."""
    return sent.what in ("related", "broadcast frame") or (sent.frame.protocol == 6 and bool(sent.frame.flags & 4))


def _spoilt(sent: Sent, said: Result) -> bool:
    """An IPv6 datagram whose header was changed before it arrived: the kernel (seen with 6.18) then takes a longer
    one's checksum for wrong at the socket, and nothing answers. No rule does that."""
    fields = (Field.TOS, Field.TTL)
    return sent.frame.family == 6 and any(said.packet.get(item) != sent.told.fields[item] for item in fields)


def _tool(backend: str, family: int) -> str:
    return f"ip{'6' if family == 6 else ''}tables-{backend}"


def tool(backend: str, family: int, what: str) -> str:
    return f"ip{'6' if family == 6 else ''}tables-{backend}-{what}"


def load(backend: str, family: int, text: str) -> str:
    """What the tool said against it, "" when it took it."""
    out = command(tool(backend, family, "restore"), text=text, check=False)
    return out if out.startswith("error") else ""


@dataclass(frozen=True)
class Wanted:
    seed: int
    pairs: int = 2000
    packets: int = 60  # for each rule-set
    backends: tuple[str, ...] = ("legacy", "nft", "both")
    families: tuple[int, ...] = (4, 6)
    ipset: str = ""  # path of ipset(8); "" leaves sets out
    stop: int = 10  # disagreements
    first: int = 1  # number of the first rule-set
    listings: float = 0.2  # share of rule-sets that are read from -S and -L too


def run(wanted: Wanted) -> Score:
    """Pairs of rule-set and packet until there are enough."""
    score = Score()
    began = time.monotonic()
    with lab() as here:
        number = wanted.first - 1
        sets = made_sets(wanted)
        while score.pairs < wanted.pairs and len(score.disagreements) < wanted.stop:
            number += 1
            chance = random.Random(wanted.seed * 1_000_003 + number)
            family = wanted.families[number % len(wanted.families)]
            backend = wanted.backends[number // len(wanted.families) % len(wanted.backends)]
            one_ruleset(here, wanted, chance, family, backend, score, f"seed {wanted.seed}, rule-set {number}", sets)
    score.seconds = time.monotonic() - began
    return score


def made_sets(wanted: Wanted) -> Ruleset:
    """The ipsets of both families, once for all rule-sets: the kernel lets go of a set only some time after a rule."""
    if not wanted.ipset:
        return Ruleset()
    command(wanted.ipset, "restore", text=grammar.set_text(4) + grammar.set_text(6))
    return ipset.read(command(wanted.ipset, "save"))


def one_ruleset(
    here: Lab, wanted: Wanted, chance: random.Random, family: int, backend: str, score: Score, name: str, sets: Ruleset
) -> None:
    enter(here.host)
    tools = ("legacy", "nft") if backend == "both" else (backend,)
    for each in ("legacy", "nft"):
        problem = load(each, family, EMPTY)
        if problem:
            raise RuntimeError(problem)
    here.forget()
    here.forget_connections()
    packets = Packets(chance, family)
    later = begun(here, packets)
    parts: list[Ruleset] = []
    shows = True
    texts: list[str] = []
    for each in tools:
        rules = Grammar(chance, family, bool(wanted.ipset)).rules()
        problem = load(each, family, rules.text)
        if problem:
            score.refused += 1
            score.refusals[_refused(problem, rules)] += 1
            load(each, family, EMPTY)
            continue
        shows = shows and rules.rejects_show
        text = command(tool(each, family, "save"), "-c")
        texts.append(text)
        parts.append(save.read(text, Family.IP if family == 4 else Family.IP6, BACKENDS[each]))
    if not parts:
        return
    for part in parts:
        for problem_found in part.problems:
            score.disagreements.append(f"{name}: not read: {problem_found}")
    rules_read = together(*reversed(parts), sets)  # nft's hooks were registered last, and are met first
    score.rulesets += 1
    sending = later + [fresh(packets) for _ in range(wanted.packets - len(later))]
    chance.shuffle(sending)
    kernels = send(here, sending)
    if chance.random() < wanted.listings:
        score.disagreements += other_readers(tools, family, rules_read, sending, sets, name)
    for at, (sent, kernel) in enumerate(zip(sending, kernels)):
        problem, said = disagreement(sent, kernel, rules_read, shows)
        if problem:  # perhaps it only came late
            here.settle(0.1)
            kernel = observed(here, sent.frame)
            problem, said = disagreement(sent, kernel, rules_read, shows)
        score.pairs += 1
        score.verdicts[said.verdict.value + (" (reply)" if said.reply else "")] += 1
        if said.verdict is Verdict.UNKNOWN:
            score.unknown += 1
            score.why[said.why] += 1
        if problem:
            shown = "\n".join(texts)
            score.disagreements.append(
                f"{name} ({backend}, IPv{family}), packet {at}: {problem}; {sent.what}\n  {sent.what} {sent.link} {sent.frame}\n"
                f"  kernel {kernel}\n  model {said.verdict} by {said.place} {said.why}\n"
                f"  way {[(step.hook.value, step.backend.value, step.table, step.chain) for step in said.trace]}\n{shown}"
            )


def other_readers(
    tools: tuple[str, ...], family: int, saved: Ruleset, sending: list[Sent], sets: Ruleset, name: str
) -> list[str]:
    """-S must say the same as iptables-save. -L may know less, and must not say anything else."""
    found: list[str] = []
    of = Family.IP if family == 4 else Family.IP6
    readers = {("-S",): save.read, ("-L", "-n", "-v", "--line-numbers"): listing.read, ("-L", "-n"): listing.read}
    for options, read in readers.items():
        parts = [
            read(command(_tool(each, family), "-t", table, *options), of, BACKENDS[each], table=table)
            for each in reversed(tools)
            for table in ("raw", "mangle", "nat", "filter", "security")
        ]
        other = together(*parts, sets)
        for sent in sending[::3]:
            one, two = (evaluate.inbound_and_back(rules, sent.told, HOST) for rules in (saved, other))
            known = set(one.possible) <= set(two.possible)
            same = (one.verdict, one.place and one.place.text) == (two.verdict, two.place and two.place.text)
            if not known or (options == ("-S",) and not same):
                found.append(
                    f"{name}: save and {options} differ for {sent}: {one.verdict} {one.place}, {two.verdict} {two.place}"
                )
    return found


def _refused(problem: str, rules: Rules) -> str:
    lines = rules.text.split("\n")
    words = problem.split()
    for at, word in enumerate(words):
        if word == "line" and at + 1 < len(words):
            number = words[at + 1].strip(":,.")
            if number.isdigit() and int(number) <= len(lines):
                return f"{problem.strip()[:150]} <<{lines[int(number) - 1]}>>"
    return problem.strip()[:200]
