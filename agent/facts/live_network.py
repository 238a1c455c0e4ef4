"""The live network as facts, from the target's records; see network.py for the values."""

from __future__ import annotations

from agent.facts.network import Link, Neighbour, Route, RoutingRule
from agent.target import Target
from agent.unknown import Maybe


def links(target: Target) -> Maybe[tuple[Link, ...]]:
    raise NotImplementedError


def routes(target: Target) -> Maybe[tuple[Route, ...]]:
    raise NotImplementedError


def rules(target: Target) -> Maybe[tuple[RoutingRule, ...]]:
    raise NotImplementedError


def neighbours(target: Target) -> Maybe[tuple[Neighbour, ...]]:
    raise NotImplementedError
