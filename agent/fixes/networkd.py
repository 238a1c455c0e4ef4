"""--networkd: enables systemd-networkd, unmasks it where it is masked, and starts it on the live host."""

from __future__ import annotations

from agent.change.model import Command, Operation, Plan, Remove, Run
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.facts.services import Init, Unit
from agent.fixes import units
from agent.fixes.model import Fix, Planned, Refusal, Request

UNIT = "systemd-networkd.service"
SOCKET = "systemd-networkd.socket"
RESOLVED = "systemd-resolved.service"

# Whose configuration systemd-networkd applies.
_ITS_OWN = (Manager.NETWORKD, Manager.NETPLAN, Manager.CLOUD_INIT)


def plan(request: Request) -> Planned:
    facts = request.facts
    unit = facts.unit(UNIT)
    refusal = _refusal(facts, unit)
    if refusal is not None:
        return refusal
    others = _competitors(facts)
    if others and not request.forced:
        return Refusal(
            f"{others} configures the network too, and two managers would undo each other's work",
            f"disable {others} first, or leave the network to it",
            forceable=True,
        )
    links = units.enable(facts, UNIT)
    operations = units.reloaded(facts, links)
    if facts.target.live and unit.active != "active":
        operations = (*operations, _start(facts))
    if not operations:
        return Refusal(f"{UNIT} is enabled already", "agent scan shows what else keeps the network down")
    return Plan(
        _summary(facts, links),
        operations,
        _warnings(facts, others),
        reboot=not facts.target.live,
        next=_next(facts),
    )


def _refusal(facts: Facts, unit: Unit) -> Refusal | None:
    if facts.init is not Init.SYSTEMD:
        return Refusal(f"{facts.init.value} starts this host, and systemd-networkd needs systemd")
    if not unit.present:
        return Refusal("systemd-networkd is not installed", "install the package systemd-networkd or systemd")
    if unit.masked and not units.mask_of(facts.target, UNIT):
        return Refusal(
            f"{UNIT} is masked in {unit.path.rpartition('/')[0]}, where this fix changes nothing",
            "whoever put that mask there has to take it away",
        )
    if unit.masked and not units.enable(facts, UNIT):
        return Refusal("systemd-networkd is masked, and not installed", "install the package systemd-networkd")
    return None


def _competitors(facts: Facts) -> str:
    """Another manager that would bring up the same interfaces at boot, or runs now; "" when there is none."""
    for manager in facts.managers.in_charge:
        if manager not in _ITS_OWN:
            return str(manager.value)
    if parts.enabled(facts, Manager.NETWORKMANAGER) or parts.running(facts, Manager.NETWORKMANAGER):
        return str(Manager.NETWORKMANAGER.value)  # it takes every wired interface that nobody names
    return parts.other_service(facts)


def _start(facts: Facts) -> Run:
    """Undo stops the socket too: else it would start the service again with the next change of a link."""
    running = [name for name in (SOCKET, UNIT) if name == UNIT or facts.unit(name).active != "active"]
    return Run(
        ("systemctl", "start", UNIT),
        "brings the network up as its files say",
        inverse=(Command(("systemctl", "stop", *running)),),
    )


def _summary(facts: Facts, links: tuple[Operation, ...]) -> str:
    words = ["unmasks" if any(isinstance(one, Remove) for one in links) else "", "enables" if links else ""]
    words = [word for word in words if word]
    if facts.target.live:
        words.append("starts")
    text = " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    when = ", which then brings up the network at each boot" if links else ""
    return f"{text[0].upper()}{text[1:]} systemd-networkd{when}."


def _warnings(facts: Facts, others: str) -> tuple[str, ...]:
    found = []
    if others:
        found.append(f"{others} configures the network too: the two may undo each other's work.")
    if facts.target.live:
        found.append("The network comes up as the files say, with the services that listen on it.")
    if parts.configured(facts, Manager.IFUPDOWN) and not parts.in_charge(facts, Manager.IFUPDOWN):
        found.append("/etc/network/interfaces is there too and counts for nothing as long as ifupdown is not enabled.")
    return tuple(found)


def _next(facts: Facts) -> tuple[str, ...]:
    """systemd-resolved is another service, which this fix was not asked for."""
    found = ["networkctl status --no-pager" if facts.target.live else "Boot the host from this disk."]
    resolved = facts.unit(RESOLVED)
    if _leads_to_resolved(facts) and resolved.present and not resolved.starts_at_boot:
        found.append(
            "Names are not resolved yet: /etc/resolv.conf leads to systemd-resolved, which is not enabled. That is "
            "another service, and another fix: agent fix --resolv-conf=systemd-resolved."
        )
    found.append("agent scan")
    return tuple(found)


def _leads_to_resolved(facts: Facts) -> bool:
    resolver = facts.resolver
    return resolver.provider == "systemd-resolved" or bool({"127.0.0.53", "127.0.0.54"} & set(resolver.nameservers))


FIX = Fix(
    name="networkd",
    help="enable systemd-networkd, which has the configuration and does not start",
    rules=("networkd-disabled",),
    plan=plan,
)
