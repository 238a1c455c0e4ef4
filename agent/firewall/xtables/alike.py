"""Rules that differ in their source alone, as bans do: what follows the source is understood once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.firewall.fields import Field
from agent.firewall.model import Step
from agent.firewall.xtables import rule as rules
from agent.firewall.xtables.rule import Read
from agent.firewall.xtables.values import NotUnderstood, Setting, in_network

_KEPT = 1000  # different ends of rules; a chain of rules that are all different must not fill the memory


class Reader:
    """Gives for each rule of one chain what ``rules.read`` gives."""

    def __init__(self, setting: Setting, chains: Collection[str]) -> None:
        self._setting = setting
        self._chains = chains
        self._after_source: dict[tuple[str, ...], tuple[Step, ...]] = {}

    def read(self, words: Sequence[str]) -> Read:
        """The rule behind -A CHAIN. Never raises."""
        if len(words) < 3 or words[0] != "-s" or "," in words[1] or words[1] == "!":
            return rules.read(words, self._setting, self._chains)
        rest = tuple(words[2:])
        known = self._after_source.get(rest)
        if known is not None:
            try:
                return Read(((in_network(Field.SOURCE, words[1], self._setting.family), *known),))
            except NotUnderstood:
                pass
        found = rules.read(words, self._setting, self._chains)
        plain = not found.problem and not found.other_family and found.counters is None
        if plain and len(found.alternatives) == 1 and len(self._after_source) < _KEPT:
            self._after_source[rest] = found.alternatives[0][1:]  # the source is asked first
        return found
