"""All that the lab acts out: healthy hosts of each manager, breakages, forgeries and repairs."""

from __future__ import annotations

from tests.lab.scenarios import firewall, ifupdown, netplan, networkd, networkmanager, special
from tests.lab.scenarios.model import Scenario

ALL: tuple[Scenario, ...] = (
    *ifupdown.SCENARIOS,
    *networkd.SCENARIOS,
    *netplan.SCENARIOS,
    *networkmanager.SCENARIOS,
    *firewall.SCENARIOS,
    *special.SCENARIOS,
)
