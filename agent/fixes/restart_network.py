"""--restart-network: the step of the distribution's diagnostic set that changes state, on the running host.

Its undo puts back the addresses and routes that were there. It can't put back what a manager thinks: ifupdown's
own list of interfaces that are up, or a DHCP client that has ended.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace

from agent.change.model import Plan, Run
from agent.diagnosis.proofs import wanted
from agent.facts.diagnostic_sets import choose
from agent.facts.facts import Facts
from agent.facts.netconfig.ifupdown_program import dialect
from agent.facts.netconfig.ifupdown_syntax import Dialect
from agent.facts.netconfig.model import Manager, Method
from agent.facts.network import Link
from agent.fixes.live_network import restoring
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target import Target
from agent.unknown import Unknown

TIMEOUT = 120.0  # seconds for one step: a DHCP client waits for a minute
PATIENCE = 20.0  # seconds until an address has to be there: daemons answer before they have done it
_PAUSE = 0.5
_DEPTH = 30  # processes between us and sshd
_NAME = re.compile(r"[\w.@-]{1,15}", re.ASCII)  # a link's name as it may stand in a command (no alias's colon)
_WHOLE = ("netplan", "systemctl", "service")  # these touch every interface of their manager

# The findings that bringing the network up again can cure.
RULES = (
    "interface-down",
    "address-missing",
    "address-mismatch",
    "default-route-missing",
    "networking-failed",
    "legacy-network-failed",
    "networkd-failed",
    "nm-activation-failed",
)


def plan(request: Request) -> Planned:
    facts = request.facts
    if not request.findings and not request.forced:
        return Refusal("the network shows no fault", "--force restarts it all the same", forceable=True)
    links, routes = facts.links, facts.routes
    if isinstance(links, Unknown):
        return Refusal(f"what is up now can't be kept: {links.reason}")
    if isinstance(routes, Unknown):
        return Refusal(f"what is up now can't be kept: {routes.reason}")
    link = _main_link(request, links)
    if link is None:
        return Refusal("there is no network card to bring up", "agent scan shows which interfaces are there")
    steps = _steps(facts, link)
    if not steps:
        return Refusal("how this distribution restarts its network is not known here", "restart the host instead")
    for argv in steps:
        if isinstance(facts.target.find_program(argv[0]) if "/" not in argv[0] else "", Unknown):
            return Refusal(f"{argv[0]} is not installed", "agent scan shows which manager is in charge")
    touched = [link]
    if any(argv[0] in _WHOLE for argv in steps):
        touched = [one for one in links if one.hardware or one.name == link.name]
    inverse = restoring([one for one in touched if _NAME.fullmatch(one.name)], routes, _busybox_ip(facts.target))
    # Each has it: whichever of them was the last to run, undo ends with what was there. Twice does no harm.
    operations = [
        Run(argv, _why(argv, link.name), inverse=inverse, timeout=TIMEOUT, required=_needed(argv)) for argv in steps
    ]
    names = ", ".join(one.name for one in touched)
    warnings, ask = _session(facts.target, links, names)
    return Plan(
        f"Brings {link.name} up again: {' && '.join(' '.join(argv) for argv in steps)}.",
        tuple(operations),
        (f"Connections through {names} stop meanwhile.", *warnings),
        ask=ask,
    )


def verify(request: Request) -> str:
    """What is still missing on the interface, from facts that are read anew until they please or time is up."""
    end = time.monotonic() + PATIENCE
    facts = request.facts
    while True:
        left = _missing(replace(request, facts=facts))
        if not left or time.monotonic() >= end:
            return left
        time.sleep(_PAUSE)
        facts = Facts(facts.target)


def _missing(request: Request) -> str:
    """Nothing is, once one configured card has what it was given: a second card that is broken for reasons of
    its own must not take the first one down again."""
    links = request.facts.links
    if isinstance(links, Unknown):
        return links.reason
    main = _main_link(request, links)
    if main is None:
        return "no network card is there"
    others = [link for link in links if link.hardware and wanted.of_link(request.facts, link)]
    lacks = [_lacks(request.facts, link) for link in dict.fromkeys([main, *others])]
    return lacks[0] if all(lacks) else ""


def _lacks(facts: Facts, link: Link) -> str:
    if not link.up or not link.carrier:
        return f"{link.name} is {'up without a carrier' if link.up else 'still down'}"
    found = wanted.of_link(facts, link)
    configured = {one.interface for want in found for one in want.config.addresses}
    lacking = configured - {one.interface for one in link.addresses}
    if lacking:
        return f"{link.name} lacks {', '.join(sorted(map(str, lacking)))}"
    dhcp = any(Method.DHCP in (want.config.method4, want.config.method6) for want in found)
    if (dhcp or not found) and not link.global_addresses:
        return f"{link.name} has no address"
    return _route_missing(facts, {route.gateway for want in found for route in want.config.default_routes})


def _route_missing(facts: Facts, gateways: set[object]) -> str:
    routes = facts.routes
    there = {route.gateway for route in routes if route.default} if not isinstance(routes, Unknown) else set()
    for gateway in sorted(str(one) for one in gateways if one is not None):
        if gateway not in there:
            return f"there is no default route through {gateway}"
    return ""


def _main_link(request: Request, links: tuple[Link, ...]) -> Link | None:
    """The interface of the finding; else the card that is configured and lacks most; else the first card."""
    named = [finding.values.get("iface", "") for finding in request.findings]
    cards = [link for link in links if link.hardware and not link.loopback and _NAME.fullmatch(link.name)]
    for name in named:
        for link in links:
            if link.name == name and not link.loopback and _NAME.fullmatch(name):
                return link
    configured = [link for link in cards if wanted.of_link(request.facts, link)]
    routes = request.facts.routes
    leading = {route.device for route in routes if route.default} if not isinstance(routes, Unknown) else set()
    best = sorted(configured, key=lambda link: (bool(link.global_addresses), link.name not in leading, link.index))
    return next(iter([*best, *cards]), None)


# -- what to run


def _steps(facts: Facts, link: Link) -> tuple[tuple[str, ...], ...]:
    """The set's own steps, where they can do it; else the restart of the service."""
    manager = facts.managers.main
    state = facts.managers.states.get(manager) if manager else None
    steps = tuple(
        step.argv for step in choose(facts.distro, facts.managers.in_charge, link.name).steps if step.changes_state
    )
    asleep = state is not None and state.running is False and manager is not Manager.IFUPDOWN
    talks = any(argv[0] in ("networkctl", "nmcli") for argv in steps) or not steps
    if state is not None and state.unit and talks and (asleep or not steps):
        return (("systemctl", "restart", state.unit),) if _systemd(facts.target) else ()
    return tuple(_adapted(facts, link, argv) for argv in steps)


def _adapted(facts: Facts, link: Link, argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv[0] == "ifdown" and facts.target.exists("/etc/network/interfaces"):  # not initscripts' program
        # An interface that came up by half counts as down: only by force is it taken down, and without that
        # ifup would find its address there ("File exists") and fail.
        short = dialect(facts.target) in (Dialect.BUSYBOX, Dialect.NG)
        return ("ifdown", "-f" if short else "--force", *argv[1:])
    if argv[:3] == ("nmcli", "device", "reapply") and not link.global_addresses:
        return ("nmcli", "--wait", "60", "device", "connect", *argv[3:])  # reapply wants an active device
    return argv


def _systemd(target: Target) -> bool:
    return target.is_dir("/run/systemd/system") and isinstance(target.find_program("systemctl"), str)


def _busybox_ip(target: Target) -> bool:
    program = target.find_program("ip")
    place = target.resolve(program) if isinstance(program, str) else program
    return isinstance(place, str) and "busybox" in place


def _needed(argv: tuple[str, ...]) -> bool:
    """Taking down what is down already fails, and matters to nobody."""
    return argv[0] != "ifdown"


def _why(argv: tuple[str, ...], link: str) -> str:
    if argv[0] == "ifdown":
        return f"takes {link} down"
    if argv[0] == "ifup" or "connect" in argv:
        return f"brings {link} up by its configuration"
    if "reload" in argv:
        return "has the configuration read anew"
    return "applies the configuration"


# -- who asks: the way back must not be sawn off unseen


def _session(target: Target, links: tuple[Link, ...], touched: str) -> tuple[tuple[str, ...], str]:
    """Warnings, and why to ask, when the person sits on ssh."""
    address = _ssh_address(target)
    if address is None:
        return (), ""
    on = next((link.name for link in links for one in link.addresses if str(one.interface.ip) == address), "")
    if on and on not in touched.split(", "):
        return (f"You are connected over ssh through {on}, which is not touched.",), ""
    return (
        ("You are connected over ssh. If the network does not come up, only Lish leads back to this host.",),
        f"this ssh session goes through {on or 'the network that is restarted'}; "
        "--confirm-within 2m takes it back by itself unless you confirm",
    )


def _ssh_address(target: Target) -> str | None:
    """The host's own address of the ssh connection that we were started from; "" when it can't be told, None
    without one. sudo drops SSH_CONNECTION, so our ancestors are asked, up to sshd."""
    said = os.environ.get("SSH_CONNECTION", "")
    address: str | None = _server(said)
    for pid in _ancestors(target):
        name = target.text(f"/proc/{pid}/comm", 256)
        if isinstance(name, str) and name.strip() in ("sshd", "sshd-session", "dropbear"):
            return address or ""
        environment = target.read(f"/proc/{pid}/environ")
        for word in environment.split(b"\0") if isinstance(environment, bytes) and not address else ():
            if word.startswith(b"SSH_CONNECTION="):
                address = _server(word.partition(b"=")[2].decode("utf-8", "replace"))
    return address


def _server(connection: str) -> str | None:
    """The third word of "client port server port" (ssh(1))."""
    words = connection.split()
    return words[2].partition("%")[0] if len(words) == 4 else None


def _ancestors(target: Target) -> Iterator[int]:
    pid = os.getpid()
    for _ in range(_DEPTH):
        stat = target.text(f"/proc/{pid}/stat", 4096)
        fields = stat.rpartition(")")[2].split() if isinstance(stat, str) else []
        if len(fields) < 2 or not fields[1].isdecimal() or int(fields[1]) <= 1:
            return
        pid = int(fields[1])
        yield pid


FIX = Fix(
    "restart-network",
    "bring the interface up again by its manager",
    RULES,
    plan,
    verify=verify,
    live_only=True,
    after_change=True,
)
