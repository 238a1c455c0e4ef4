"""One rule of xtables: from its words, as -S and iptables-save print them, to expressions and statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.firewall.expression import Expression, Named, NotModelled
from agent.firewall.fields import Field
from agent.firewall.model import Step
from agent.firewall.statement import Aside, Beyond, Jump
from agent.firewall.xtables import matches, targets
from agent.firewall.xtables.options import Module, Option, module
from agent.firewall.xtables.values import NotUnderstood, Setting, equals, in_network, is_protocol, protocol

_OWN = {
    "-s": "source",
    "--source": "source",
    "--src": "source",
    "-d": "destination",
    "--destination": "destination",
    "--dst": "destination",
    "-i": "in",
    "--in-interface": "in",
    "-o": "out",
    "--out-interface": "out",
    "-p": "protocol",
    "--protocol": "protocol",
    "--proto": "protocol",
    "-f": "fragment",
    "--fragment": "fragment",
    "-m": "match",
    "--match": "match",
    "-j": "jump",
    "--jump": "jump",
    "-g": "goto",
    "--goto": "goto",
    "-c": "counters",
    "--set-counters": "counters",
    "-4": "only4",
    "--ipv4": "only4",
    "-6": "only6",
    "--ipv6": "only6",
    "-w": "skip",
    "--wait": "skip",
    "-n": "skip",
    "-v": "skip",
    "-W": "skip",
}
_COUNTS = {"fragment": 0, "counters": 2, "only4": 0, "only6": 0, "skip": 0}

_NO_OPTIONS = module("", free=True)


@dataclass
class _Loaded:
    """A match, or the target, with the options that were given to it."""

    name: str
    module: Module
    options: list[Option]


@dataclass
class _Taken:
    """A rule's words, sorted."""

    own: list[Option]
    loaded: list[_Loaded]
    target: _Loaded | None = None
    goto: bool = False
    protocol: int | None = None


@dataclass(frozen=True)
class Read:
    """``alternatives``: lists of addresses (-s A,B) make one rule of each combination. ``other_family`` is true for
    a rule that says it is for the other family only. ``problem``: what was not understood, "" when all was."""

    alternatives: tuple[tuple[Step, ...], ...]
    counters: tuple[int, int] | None = None
    other_family: bool = False
    problem: str = ""


def read(words: Sequence[str], setting: Setting, chains: Collection[str]) -> Read:
    """The rule behind -A CHAIN. ``chains`` are the table's own: after -j they come before targets.

    Never raises: what is not understood becomes a question without an answer in the rule itself.
    """
    try:
        taken = _sorted(words)
        return _built(taken, setting, chains)
    except NotUnderstood as problem:
        reason = f"this rule is not understood: {problem}"
        return Read(((NotModelled(reason), Beyond(reason)),), problem=str(problem))


def _sorted(words: Sequence[str]) -> _Taken:
    taken = _Taken([], [])
    negated = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "!":
            negated = True
            continue
        word, equals_sign, attached = word.partition("=") if word.startswith("--") else (word, "", "")
        name = _OWN.get(word)
        if name is None and word[:2] in _OWN and not word.startswith("--") and len(word) > 2:
            name, equals_sign, attached = _OWN[word[:2]], "=", word[2:]  # -p6, -j ACCEPT without the space
        if name is not None:
            count = _COUNTS.get(name, 1)
            values = [attached] if equals_sign else []
            if count and at < len(words) and words[at] == "!" and not values:
                negated = True  # -s ! ADDRESS, as it was written long ago
                at += 1
            wanted = count - len(values)
            values += words[at : at + wanted]
            if len(values) < count:
                raise NotUnderstood(f"{word} wants a value")
            at += max(wanted, 0)
            _own(taken, Option(name, tuple(values), negated))
        elif word.startswith("--") and len(word) > 2:
            owner, full, count = _owner(taken, word[2:])
            values = [attached] if equals_sign else []
            if count < 0:
                while at < len(words) and words[at] != "!" and not words[at].startswith("-"):
                    values.append(words[at])
                    at += 1
            else:
                if count and at < len(words) and words[at] == "!" and not values:
                    negated = True
                    at += 1
                wanted = count - len(values)
                values += words[at : at + wanted]
                if len(values) < count:
                    raise NotUnderstood(f"{word} wants {count} values")
                at += max(wanted, 0)
            owner.options.append(Option(full, tuple(values), negated))
        else:
            raise NotUnderstood(f"{word} is no option")
        negated = False
    return taken


def _own(taken: _Taken, option: Option) -> None:
    if option.name == "match":
        name = matches.SPELLINGS.get(option.value, option.value)
        taken.loaded.append(_Loaded(name, matches.MODULES.get(name, _NO_OPTIONS), []))
    elif option.name in ("jump", "goto"):
        taken.target = _Loaded(option.value, targets.MODULES.get(option.value, _NO_OPTIONS), [])
        taken.goto = option.name == "goto"
    else:
        if option.name == "protocol":
            taken.protocol = protocol(option.value)
        taken.own.append(option)


def _owner(taken: _Taken, name: str) -> tuple[_Loaded, str, int]:
    """The module that an option belongs to, its full name, and how many values it takes (-1: all that follow)."""
    known = [*([taken.target] if taken.target else []), *reversed(taken.loaded)]
    for loaded in known:
        if name in loaded.module.names:
            full = loaded.module.names[name]
            return loaded, full, loaded.module.counts[full]
    implied = matches.BY_PROTOCOL.get(taken.protocol or 0)
    if implied is not None and name in matches.MODULES[implied].names:
        loaded = _Loaded(implied, matches.MODULES[implied], [])
        taken.loaded.append(loaded)
        full = loaded.module.names[name]
        return loaded, full, loaded.module.counts[full]
    for loaded in known:
        if loaded.module.free:
            return loaded, name, -1
    raise NotUnderstood(f"--{name} belongs to no match or target that is modelled")


def _built(taken: _Taken, setting: Setting, chains: Collection[str]) -> Read:
    counters: tuple[int, int] | None = None
    other = False
    steps: list[Step] = []
    addresses: list[list[Expression]] = []
    for option in taken.own:
        if option.name in ("source", "destination"):
            field = Field.SOURCE if option.name == "source" else Field.DESTINATION
            texts = option.value.split(",")
            if len(texts) > 1 and option.negated:
                raise NotUnderstood("a list of addresses can't be negated")
            addresses.append([in_network(field, text, setting.family, option.negated) for text in texts])
        elif option.name in ("in", "out"):
            steps.append(_interface(option))
        elif option.name == "protocol":
            steps.append(is_protocol(taken.protocol or 0, option.negated))
        elif option.name == "fragment":
            steps.append(equals(Field.FRAGMENT, 0, negated=not option.negated))
        elif option.name == "counters":
            counters = _counters(option.values)
        elif option.name in ("only4", "only6"):
            other = option.name != f"only{setting.family}"
    problem = ""
    for loaded in taken.loaded:
        try:
            steps += matches.expressions(loaded.name, loaded.options, setting)
        except NotUnderstood as why:  # the rest of the rule still says what it may do
            problem = f"the match {loaded.name} is not understood: {why}"
            steps.append(NotModelled(problem))
    if taken.target is not None:
        steps += _target(taken.target, taken.goto, setting, chains)
    alternatives: list[tuple[Step, ...]] = [()]
    for choices in addresses:
        alternatives = [(*before, choice) for before in alternatives for choice in choices]
    return Read(tuple((*before, *steps) for before in alternatives), counters, other, problem)


def _interface(option: Option) -> Expression:
    field = Field.INPUT if option.name == "in" else Field.OUTPUT
    name = option.value
    if name.endswith("+"):
        return Named(field, name[:-1], True, option.negated)
    return Named(field, name, False, option.negated)


def _target(target: _Loaded, goto: bool, setting: Setting, chains: Collection[str]) -> list[Step]:
    if target.name in chains:
        return [Jump(target.name, goto)]
    if goto:
        return [Beyond(f"there is no chain {target.name} in what was read")]
    if target.name == "":
        return [Aside("count")]
    return list(targets.statements(target.name, target.options, setting))


def _counters(values: Sequence[str]) -> tuple[int, int]:
    if len(values) != 2 or not all(value.isdecimal() for value in values):
        raise NotUnderstood("-c wants packets and bytes")
    return int(values[0]), int(values[1])


def lost(why: str) -> Read:
    """A rule of which nothing was understood."""
    reason = f"this rule is not understood: {why}"
    return Read(((NotModelled(reason), Beyond(reason)),), problem=why)
