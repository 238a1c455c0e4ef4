"""What firewalld would load, from its files alone: its table in nft, and its direct rules in iptables.

Where firewalld would refuse its own configuration (it then falls back to its packaged one) or where we don't know
what it makes of it, everything that would pass its table is unknown, and a Problem says why.
"""

from __future__ import annotations

from agent.firewall.model import Backend, Base, Chain, Family, Hook, Problem, Rule, Ruleset, Table, together
from agent.firewall.nft import json_reader
from agent.firewall.saved.firewalld_config import WRITTEN
from agent.firewall.saved.firewalld_direct import direct
from agent.firewall.saved.firewalld_listing import read
from agent.firewall.saved.firewalld_xml import Refused
from agent.firewall.statement import Action, Beyond, End
from agent.target import Target

_HOOKS = (Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT)
_LENGTH = 300  # characters of a reason


def zones(target: Target) -> Ruleset:
    """The rule-set of firewalld's table, as it is after a boot."""
    try:
        document, problems = read(target)
        beside = direct(target)
    except Refused as error:
        return _unknown(_plain(str(error)))
    found = json_reader.read(document)
    return together(found, beside, Ruleset(problems=tuple(_clean(item) for item in problems)))


def _unknown(why: str) -> Ruleset:
    reason = f"what firewalld would load is not known: {why}"
    rule = Rule(f"firewalld: {why}", 1, (Beyond(reason),))
    chains = tuple(
        Chain(f"filter_{hook.value.upper()}", (rule,), Base(hook, 10, End(Action.ACCEPT))) for hook in _HOOKS
    )
    table = Table("firewalld", Family.INET, Backend.NFT, chains)
    return Ruleset((table,), None, (Problem(0, WRITTEN, reason),))


def _clean(problem: Problem) -> Problem:
    return Problem(problem.line, _plain(problem.text), _plain(problem.why))


def _plain(text: str) -> str:
    """On one line, short, and without what a terminal would obey: the files are anybody's."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_LENGTH])
