"""Compare: load a rule-set, send packets, and ask the model about each."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from agent.firewall import evaluate, ipset
from agent.firewall.fields import Field, Protocol
from agent.firewall.model import Backend, Family, Ruleset, together
from agent.firewall.result import Result, Verdict
from agent.firewall.xtables import listing, save
from agent.unknown import Unknown, Why
from tests.firewall.kernel import native_load
from tests.firewall.kernel.frames import Frame
from tests.firewall.kernel.grammar import TABLES, Grammar, Rules, set_text
from tests.firewall.kernel.lab import TCP_PORTS, UDP_PORTS, Lab, command, enter, lab
from tests.firewall.kernel.native import Native
from tests.firewall.kernel.packets import HOST, Packets, Sent, begun, fresh

EMPTY = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in TABLES.items()
)
BACKENDS = {"legacy": Backend.LEGACY, "nft": Backend.NF_TABLES}


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
            # under a new source, perhaps; or by a translation to the sender itself, but to another of its ports
            onward = found.destination != frame.source or (not icmp and found.ports[1] != frame.source_port)
            if (found.source == frame.source or onward) and not (icmp and found.kind in (0, 129)):
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
    """What a REJECT drops without a word: errors, broadcasts, resets, some of the neighbours' talk."""
    return sent.what in ("related", "broadcast frame", "neighbour discovery") or (
        sent.frame.protocol == 6 and bool(sent.frame.flags & 4)
    )


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
    backends: tuple[str, ...] = ("legacy", "nft", "both", "native", "all")
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
    command(wanted.ipset, "restore", text=set_text(4) + set_text(6))
    return ipset.read(command(wanted.ipset, "save"))


def one_ruleset(
    here: Lab, wanted: Wanted, chance: random.Random, family: int, backend: str, score: Score, name: str, sets: Ruleset
) -> None:
    enter(here.host)
    tools = {"both": ("legacy", "nft"), "native": (), "all": ("legacy", "nft")}.get(backend, (backend,))
    for each in ("legacy", "nft"):
        problem = load(each, family, EMPTY)
        if problem:
            raise RuntimeError(problem)
    native_load.clear()
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
    if backend in ("native", "all"):
        own = Native(chance, family).rules()
        problem = native_load.load(own)
        if problem:
            score.refused += 1
            score.refusals[problem] += 1
        else:
            shows = shows and own.rejects_show
            texts.append(native_load.shown())
            parts.append(native_load.read(own))
    if not parts:
        return
    for part in parts:
        for problem_found in part.problems:
            score.disagreements.append(f"{name}: not read: {problem_found}")
    rules_read = together(*reversed(parts), sets)  # what was registered last is met first
    score.rulesets += 1
    sending = later + [fresh(packets) for _ in range(wanted.packets - len(later))]
    chance.shuffle(sending)
    if any("ct mark set" in text or "CONNMARK" in text for text in texts):
        sending = [_of_shared_connection(sent) for sent in sending]
    kernels = send(here, sending)
    if tools and backend != "all" and chance.random() < wanted.listings:
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
            where = f"{name} ({backend}, IPv{family}), packet {at}"
            score.disagreements.append(shown(where, problem, sent, kernel, said) + "\n".join(texts))


def _of_shared_connection(sent: Sent) -> Sent:
    """A datagram and the ICMP error about it are of one connection: each may meet the mark that the other left."""
    if sent.what != "related" and not (sent.what == "established" and sent.frame.protocol == 17):
        return sent
    unknown = Unknown("another packet of the connection may have set its mark", Why.ABSENT)
    return replace(sent, told=sent.told.but(ct_mark=unknown))


def shown(where: str, problem: str, sent: Sent, kernel: Observed, said: Result) -> str:
    way = [(step.hook.value, step.backend.value, step.table, step.chain) for step in said.trace]
    return (
        f"{where}: {problem}; {sent.what}\n  {sent.link} {sent.frame}\n  kernel {kernel}\n"
        f"  model {said.verdict} by {said.place} {said.why}\n  way {way}\n"
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
                found.append(f"{name}: {options} of {sent.frame}: {one.verdict} {one.place}, {two.verdict} {two.place}")
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
