"""What to do after a verdict, in the order of Linode's guide: ticket, rescue comparison, network configuration."""

from __future__ import annotations

from agent.mtr.path import Path
from agent.mtr.verdict import Side, Verdict

BOTH = "Collect MTRs in both directions with 100 cycles (agent mtr --advice prints the commands)"
BY_US = " (agent ticket writes it)"
TICKET = f"{BOTH} and open a support ticket with them{BY_US}"
RESCUE = (
    "Boot the server into rescue mode and run the same MTR again: if it is fine there, the configuration on the disk"
    " is at fault (agent mtr --compare NORMAL RESCUE)"
)
CONFIGURATION = "On the server, or in rescue mode: agent scan checks addresses, routes and firewall"
CLOUD_FIREWALL = "Look at Cloud Firewall in Cloud Manager, and at the firewall of the host: do they drop ping?"
WAIT = "So little loss is no cause for concern by Linode's guide: repeat it later, with 100 cycles; if it stays:"
RUNNING = "See in Cloud Manager, or at the Lish console, whether the server is running"


def advice(path: Path, verdict: Verdict, side: Side, small: bool = False) -> tuple[str, ...]:
    """The steps, most useful first. ``small``: a loss that Linode's guide calls no cause for concern."""
    steps = _steps(path, verdict, side)
    return (WAIT, *steps) if small else steps


def _steps(path: Path, verdict: Verdict, side: Side) -> tuple[str, ...]:
    if verdict.harmless:
        return ("Nothing to do about this path. If a service can't be reached, it is the host: agent scan",)
    if verdict is Verdict.NO_ROUTE:
        return _no_route(path)
    if verdict is Verdict.DESTINATION_ONLY_100:
        still = f"If it does not answer in rescue mode either: {TICKET}"
        return (RUNNING, CLOUD_FIREWALL, RESCUE, CONFIGURATION, still)
    if verdict is Verdict.DESTINATION_PARTIAL:
        return (TICKET, RESCUE, "Look at load, and at the firewall's limits, on the server: agent scan")
    provider = {
        Side.SOURCE: "Ask the internet provider of whoever ran mtr first: the trouble begins at the first hops",
        Side.MIDDLE: "The trouble lies between both ends: often it passes within 24 hours without anybody's help",
    }.get(side)
    steps = (TICKET, RESCUE, CONFIGURATION)
    return (provider, *steps) if provider else steps


def _no_route(path: Path) -> tuple[str, ...]:
    if path.report.error and "resolve" in path.report.error.lower():
        return (
            "Run mtr with the address instead of the name, and -n",
            "Look at DNS on the computer that ran mtr: /etc/resolv.conf; on a server: agent scan",
        )
    return (
        "On the computer that ran mtr, look at its address and default route: ip addr; ip route; then ping the gateway",
        "If that computer is the server: agent scan, at the Lish console",
        "If it is right there and the gateway still does not answer: rescue mode; if that has no network either, open a"
        f" support ticket{BY_US}",
    )
