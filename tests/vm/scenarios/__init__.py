"""All ways to lose a host that are acted out on machines."""

from __future__ import annotations

from tests.vm.scenarios import boot, cut, network

ALL = tuple(sorted((*network.SCENARIOS, *boot.SCENARIOS, *cut.SCENARIOS), key=lambda scenario: scenario.letter))
# What is acted out on every change; the longest first, so that the machines end together.
QUICK = tuple(next(scenario for scenario in ALL if scenario.letter == letter) for letter in "jaiebd")
