"""Proofs of names: a configured interface is there under another name, by udev's naming or by a stored rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import naming, parts, wanted
from agent.diagnosis.proofs.wanted import Wanted
from agent.facts.facts import Facts
from agent.facts.netconfig import networkd_links
from agent.facts.network import Link
from agent.logs.model import Match
from agent.unknown import Unknown

KERNEL_NAME = re.compile(r"eth\d+")  # given by the kernel, in the order in which cards are found
UDEV_NAME = re.compile(r"en[a-z0-9]+|em\d+|p\d+p\d+")  # given by udev after the card's place

RULES = (
    "/etc/udev/rules.d/*persistent-net*.rules",
    "/etc/udev/rules.d/*net*.rules",
    "/etc/udev/rules.d/10-*.rules",
)


@dataclass(frozen=True)
class Pin:
    """A rule of udev that gives the card with a MAC address a name."""

    path: str
    line: int
    text: str
    mac: str
    name: str


def interface_renamed(context: Context) -> Proof:
    """Live: a configured card is absent while another one has no configuration. Offline: the kernel named it
    otherwise in the newest boot, the configuration still has the old name, and nothing on disk keeps it."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live:
        return _live(context)
    return _offline(context)


def _live(context: Context) -> Proof:
    facts = context.facts
    if isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason, wanted.log_values(context))
    spare = wanted.spare_cards(facts)
    missing = [want for want in wanted.absent(facts) if not (want.manager in wanted.IDLE and parts.network_up(facts))]
    for want in missing:
        for link in spare:
            if KERNEL_NAME.fullmatch(want.card) and KERNEL_NAME.fullmatch(link.name):
                continue  # one ethN for another is no renaming by place: see the stored rules
            return _renamed(facts, want, link.name, (Evidence("ip link", _seen(link)),))
    if not missing:
        return Fails("every configured interface exists by its name")
    return Fails(f"there is no {missing[0].card}, and no interface without a configuration")


def _seen(link: Link) -> str:
    mac = f" link/ether {link.mac}" if link.mac else ""
    return f"{link.index}: {link.name}: <{','.join(link.flags)}>{mac}"


def _renamed(facts: Facts, want: Wanted, new: str, evidence: tuple[Evidence, ...]) -> Holds:
    origin = want.config.origin
    shown = Evidence(origin.path, f"configures {want.card}", origin.line)
    values = {"iface": new, "old": want.card, "file": origin.path}
    severity = Severity.WARNING if parts.network_up(facts) else Severity.CRITICAL
    why = f"{origin} configures {want.card}, and the interface is called {new}"
    repaired = naming.repaired_since_boot(facts) if KERNEL_NAME.fullmatch(want.card) else ""
    if repaired:
        pending = {**values, "pending": "reboot"}
        why += f"; repaired on disk ({repaired}), a reboot is pending"
        return Holds(why, (shown, *evidence), pending, severity, ("reboot",), ())
    commands, undo = _cure(facts, want, new)
    return Holds(why, (shown, *evidence), values, severity, commands, undo)


def _cure(facts: Facts, want: Wanted, new: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kernel's names back, as on every Linode; else the new name into the configuration."""
    predictable = KERNEL_NAME.fullmatch(want.card) and UDEV_NAME.fullmatch(new)
    if predictable and not wanted.container(facts):
        off = naming.next_boot(facts)
        commands: list[str] = []
        if not off.masks:
            commands += ["mkdir -p {root}/etc/systemd/network", f"ln -s /dev/null {{root}}{naming.LINK}"]
        if not isinstance(facts.target.find_program("update-initramfs"), Unknown):
            commands.append(parts.in_root(facts, "update-initramfs -u -k all"))
        if not off.masks or off.stale:
            return tuple(commands), () if off.masks else (f"rm {{root}}{naming.LINK}",)
    return wanted.edit(want.config.origin.path, f"sed -i 's/\\b{re.escape(want.card)}\\b/{new}/g' FILE")


def _offline(context: Context) -> Proof:
    facts = context.facts
    wants = [want for want in wanted.all_of(facts) if want.at_boot and want.card]
    renames = [match for match in parts.trusted_matches(context) if all(_old_and_new(match))]
    if not wants:
        return Fails("no interface is configured by its name")
    configured = {want.card for want in wants}
    for match in reversed(renames):
        old, new = _old_and_new(match)
        if new in configured or old not in configured:
            continue
        want = next(want for want in wants if want.card == old)
        kept = _keeps_name(facts, old)
        if kept:
            return Fails(f"{kept}: the next boot leaves the name {old} alone")
        path = want.config.origin.path
        changed = parts.changed_since(facts, match.entry.time, (path, "/etc/default/grub"))
        if changed:
            return CantTell(f"it was renamed in the newest boot, but {changed} was changed since", {"iface": new})
        return _renamed(facts, want, new, (parts.entry_evidence(match.entry),))
    if renames:
        return Fails("the configuration has the interface's present name")
    reason = "what the interfaces are called shows only on the running host"
    return CantTell(reason, wanted.log_values(context))


def _old_and_new(match: Match) -> tuple[str, str]:
    """The names before and after, of the kernel's own line, or of udevd's or a manager's."""
    if match.entry.trust is None or (match.entry.trust.transport != "kernel" and match.entry.trust.uid != 0):
        return "", ""
    found = re.search(
        r"(?:(?P<new>\w[\w.-]{0,14}): renamed from (?P<old>eth\d+))"
        r"|(?:renamed network interface (?P<old2>eth\d+) to (?P<new2>\w[\w.-]{0,14}))"
        r"|(?:^(?P<old3>eth\d+): Interface name change detected, .{0,30}renamed to (?P<new3>\w[\w.-]{0,14}))",
        match.entry.text,
    )
    if found is None:
        return "", ""
    groups = found.groupdict()
    old = next((groups[key] for key in ("old", "old2", "old3") if groups[key]), "")
    new = next((groups[key] for key in ("new", "new2", "new3") if groups[key]), "")
    return old, new.rstrip(".")


def _keeps_name(facts: Facts, name: str) -> str:
    """What on the disk makes udev leave the kernel's names alone, or gives this one; "" when nothing does."""
    off = naming.next_boot(facts)
    if off.off:
        return off.why
    for link in networkd_links.links(facts.target):
        if link.name == name and not link.masked:
            return f"{link.path} gives it"
    pin = next((pin for pin in pins(facts) if pin.name == name), None)
    return f"{pin.path}:{pin.line} gives it" if pin else ""


def pins(facts: Facts) -> Iterator[Pin]:
    """udev's rules on disk that give a card with a certain MAC address a name (70-persistent-net.rules)."""
    seen: set[str] = set()
    for path in (path for pattern in RULES for path in facts.target.glob(pattern)):
        lines = [] if path in seen else facts.target.lines(path)
        seen.add(path)
        for number, line in enumerate(() if isinstance(lines, Unknown) else lines[:2000], 1):
            if line.lstrip().startswith("#") or len(line) > 4096:
                continue
            mac = re.search(r"(?:ATTR|SYSFS)\{address\}==\"([0-9A-Fa-f:]{17})\"", line)
            name = re.search(r"\bNAME:?=\"([\w.-]{1,15})\"", line)
            if mac and name:
                yield Pin(path, number, line[:400], mac.group(1).lower(), name.group(1))


def stored(facts: Facts) -> tuple[Pin, ...]:
    """udev's rules, and the .link files of /etc, that give a card with a certain MAC address a name."""
    found = list(pins(facts))
    for link in networkd_links.links(facts.target):
        if link.masked or not link.name or not link.path.startswith("/etc/"):
            continue
        lines = facts.target.lines(link.path)
        for mac in link.macs:
            numbered = enumerate(() if isinstance(lines, Unknown) else lines, 1)
            place = next(((number, line) for number, line in numbered if mac in line.lower()), (0, f"MACAddress={mac}"))
            found.append(Pin(link.path, place[0], place[1][:400], mac, link.name))
    return tuple(found)


def interface_renamed_persistent(context: Context) -> Proof:
    """A rule or a configuration ties the name to a MAC address that no card of this host has."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return _pinned_offline(context)
    cards = wanted.cards(facts)
    if isinstance(cards, Unknown):
        return CantTell(cards.reason, wanted.log_values(context))
    macs = {link.mac for link in cards if link.mac}
    if not macs:
        return Fails("no network card has a MAC address")
    spare = wanted.spare_cards(facts)
    lost = [want for want in wanted.absent(facts) if not (want.manager in wanted.IDLE and parts.network_up(facts))]
    found = stored(facts)
    served = {pin.name for pin in found if pin.mac in macs}
    for pin in found if spare else ():
        want = next((want for want in lost if want.card == pin.name), None)
        if want and pin.mac not in macs and pin.name not in served:
            return _pinned(facts, pin, spare[0].name, (Evidence("ip link", _seen(spare[0])),))
    for want in lost if spare else ():
        repaired = _unpinned_since_boot(facts, want.card, spare[0], len(cards), found)
        if repaired:
            return _at_reboot(facts, want, spare[0], repaired)
    for want in wanted.all_of(facts):
        config = want.config
        if not want.at_boot or config.virtual or not config.macs or macs & set(config.macs) or not spare:
            continue
        if want.manager in wanted.IDLE and parts.network_up(facts):
            continue
        return _other_mac(facts, want, spare[0])
    return Fails("no stored rule ties a name to another card")


def _unpinned_since_boot(facts: Facts, name: str, card: Link, cards: int, found: tuple[Pin, ...]) -> str:
    """What changed on disk since this boot, so that the next one calls the card ``name``; "" when nothing did."""
    started = facts.boot.started
    if isinstance(started, Unknown) or not KERNEL_NAME.fullmatch(card.name):
        return ""
    mine = next((pin for pin in found if pin.mac == card.mac), None)
    if mine is not None:
        changed = parts.changed_since(facts, started, (mine.path,))
        return f"{mine.path}:{mine.line} gives it" if changed and mine.name == name else ""
    if cards != 1 or name != "eth0":
        return ""
    folder = parts.changed_since(facts, started, ("/etc/udev/rules.d", "/etc/systemd/network"))
    return f"nothing in {folder} gives {card.name} any more" if folder else ""


def _at_reboot(facts: Facts, want: Wanted, card: Link, repaired: str) -> Holds:
    return Holds(
        f"{want.config.origin} configures {want.card}, and the card is called {card.name}; "
        f"repaired on disk ({repaired}), a reboot is pending",
        (Evidence("ip link", _seen(card)),),
        {"iface": card.name, "old": want.card, "pending": "reboot"},
        Severity.WARNING if parts.network_up(facts) else Severity.CRITICAL,
        ("reboot",),
        (),
    )


def _pinned(facts: Facts, pin: Pin, new: str, evidence: tuple[Evidence, ...]) -> Holds:
    values = {
        "iface": new,
        "old": pin.name,
        "file": wanted.quoted(pin.path),
        "path": pin.path,
        "base": wanted.quoted(pin.path.rpartition("/")[2]),
        "mac": pin.mac,
    }
    return Holds(
        f"{pin.path}:{pin.line} keeps the name {pin.name} for {pin.mac}, so that the card is called {new}",
        (Evidence(pin.path, pin.text, pin.line), *evidence),
        values,
        Severity.WARNING if parts.network_up(facts) else Severity.CRITICAL,
    )


def _other_mac(facts: Facts, want: Wanted, link: Link) -> Holds:
    origin, mac = want.config.origin, want.config.macs[0]
    commands, undo = wanted.edit(origin.path, f"sed -i 's/{mac}/{link.mac}/I' FILE")
    values = {"iface": link.name, "file": origin.path, "base": origin.path.rpartition("/")[2], "mac": mac}
    values["path"] = origin.path
    return Holds(
        f"{origin} is for the card {mac}, and this host's is {link.mac} ({link.name})",
        (Evidence(origin.path, f"wants {mac}", origin.line), Evidence("ip link", _seen(link))),
        values,
        Severity.WARNING if parts.network_up(facts) else Severity.CRITICAL,
        commands,
        undo,
    )


def _pinned_offline(context: Context) -> Proof:
    facts = context.facts
    found = {pin.name: pin for pin in stored(facts)}
    pinned = [want for want in wanted.all_of(facts) if want.config.macs and want.at_boot and not want.config.virtual]
    if not found and not pinned:
        return Fails("no stored rule ties a name to a card")
    configured = {want.card for want in wanted.all_of(facts) if want.at_boot}
    for match in reversed(parts.trusted_matches(context, "kernel", "udev")):
        old, new = _old_and_new(match)
        pin = found.get(old)
        if pin is None and old in configured and new not in configured and new not in found:
            return Fails(f"no stored rule ties {old} or {new} to a card any more")
        if pin is None or old not in configured or new in configured:
            continue
        changed = parts.changed_since(facts, match.entry.time, (pin.path,))
        if changed and new not in found:
            return CantTell(f"it was renamed in the newest boot, but {changed} was changed since", {"iface": new})
        return _pinned(facts, pin, new, (parts.entry_evidence(match.entry),))
    if not found and not context.entries():
        return Fails("no stored rule, and no log of the newest boot says so")
    return CantTell("which cards the host has shows only on the running host", wanted.log_values(context))


PROOFS: dict[str, ProofFunction] = {
    "interface_renamed": interface_renamed,
    "interface_renamed_persistent": interface_renamed_persistent,
}
