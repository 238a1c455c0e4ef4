"""The network of the next boot: a manager that is enabled, and an interface by the name that it will have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.diagnosis.boot_checks import model, programs
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.diagnosis.model import Layer
from agent.diagnosis.proofs import names, naming, parts, wanted
from agent.facts.facts import Facts
from agent.facts.netconfig import networkd_links
from agent.facts.netconfig.model import Manager
from agent.facts.services import Init
from agent.unknown import Unknown

_LAYERS = (Layer.LINK, Layer.NAME, Layer.MANAGER, Layer.ADDRESS, Layer.ROUTE)
_UDEV_RULES = ("/usr/lib/udev/rules.d/80-net-setup-link.rules", "/lib/udev/rules.d/80-net-setup-link.rules")
_RENAMED = re.compile(r"\b([a-z][\w.-]{1,14}): renamed from (eth\d{1,3})\b")
_PROGRAMS = {
    Manager.NETWORKD: ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"),
    Manager.NETWORKMANAGER: ("/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"),
    Manager.IFUPDOWN: ("/usr/sbin/ifup", "/sbin/ifup"),
    Manager.WICKED: ("/usr/sbin/wicked",),
}


def checks(checked: Checked) -> Iterator[BootCheck]:
    rules = [one.rule.id for one in checked.findings.values() if one.rule.layer in _LAYERS and not one.explained_by]
    held = checked.confirmed("network", *rules)
    yield from held
    if any(one.state is model.BootState.PROBLEM for one in held):
        return
    manager = checked.facts.managers.main
    if manager is None:
        if not held:
            yield _nobody(checked)
        return
    program = next((path for path in _PROGRAMS.get(manager, ()) if checked.target.exists(path)), "")
    stopped = tuple(programs.started(checked, "network", program)) if program else ()
    yield from stopped
    if any(one.state is model.BootState.PROBLEM for one in stopped):
        return
    if not any(one.finding.startswith("interface-") for one in held):
        yield _named(checked, manager)


def _nobody(checked: Checked) -> BootCheck:
    facts = checked.facts
    other = parts.other_service(facts)
    if other:
        return model.unknown("network", f"{other} is enabled, and what it does is not read here")
    enabled = [manager.value for manager in facts.managers.states if parts.enabled(facts, manager)]
    if enabled:
        return model.doubt("network", f"{' and '.join(enabled)} is enabled, and no file configures an interface for it")
    return model.doubt("network", "no network manager is enabled")


def _named(checked: Checked, manager: Manager) -> BootCheck:
    """Whether the interface that the configuration names will be there."""
    facts = checked.facts
    wants = [want for want in wanted.all_of(facts) if want.at_boot and not want.config.virtual]
    cards = [want for want in wants if want.card]
    said = f"{manager.value} is enabled"
    if not wants:
        return model.ok("network", f"{said}, and takes the cards that it finds")
    if not cards or len(cards) < len(wants):
        loose = next(want for want in wants if not want.card)
        return model.ok("network", f"{said}, and configures {loose.config.name or 'a card'} ({loose.config.origin})")
    for want in cards:
        kept = _keeps(facts, want.card)
        if kept:
            return model.ok("network", f"{said}, and configures {want.card} ({want.config.origin}); {kept}")
    first = cards[0]
    return _guessed(checked, first.card, f"{first.config.origin} configures {first.card}", said)


def _keeps(facts: Facts, name: str) -> str:
    """What gives a card this name at the next boot, as a clause; "" when nothing on disk does."""
    if facts.target.live and name in wanted.names(facts):
        return "which is its name now"
    for link in networkd_links.links(facts.target):
        if link.name == name and not link.masked:
            return f"{link.path} gives it"
    pin = next((pin for pin in names.pins(facts) if pin.name == name), None)
    if pin:
        return f"{pin.path}:{pin.line} gives it"
    if not names.KERNEL_NAME.fullmatch(name) or naming.linode_kernel(facts):
        return ""
    off = naming.next_boot(facts)
    if off.off:
        return off.why
    return "" if _udev_names(facts) else "nothing on this disk names cards otherwise"


def _udev_names(facts: Facts) -> bool:
    """udev with its predictable names is on the disk: where mdev, or an old udev, makes /dev, eth0 stays eth0."""
    if facts.init not in (Init.SYSTEMD, Init.OPENRC, Init.SYSVINIT, Init.RUNIT, Init.UNKNOWN):
        return False
    return any(facts.target.exists(path) for path in _UDEV_RULES)


def _guessed(checked: Checked, name: str, where: str, said: str) -> BootCheck:
    facts = checked.facts
    predictable = names.UDEV_NAME.fullmatch(name)
    seen = _seen(checked)
    if seen and seen == name:
        return model.ok("network", f"{said}, and {where}, as the card was called at the last boot")
    if naming.linode_kernel(facts):
        return model.unknown("network", f"{where}; how the card is called depends on the kernel that Linode supplies")
    off = naming.next_boot(facts)
    if predictable and off.off:
        return model.problem("network", f"{where}, and {off.why}: the card will be called eth0")
    if predictable:
        why = f"{where}; whether udev calls the card so shows only on the running host"
        return model.unknown("network", why)
    if names.KERNEL_NAME.fullmatch(name):
        called = f" (it was called {seen} at the last boot)" if seen else ""
        why = f"{where}, and nothing keeps udev from giving the card another name: no net.ifnames=0{called}"
        if seen:
            return model.problem("network", why)
        return model.doubt("network", why)
    return model.unknown("network", f"{where}; whether there is such a card shows only on the running host")


def _seen(checked: Checked) -> str:
    """The card's name at the last boot, by the kernel's messages that some systems keep; "" when none tells."""
    for path in ("/var/log/dmesg", "/var/log/dmesg.0"):
        text = checked.target.text(path)
        if isinstance(text, Unknown):
            continue
        found = _RENAMED.findall(text)
        return str(found[-1][0]) if found else "eth0" if re.search(r"\beth0:|\bvirtio_net virtio\d+ eth0", text) else ""
    return ""
