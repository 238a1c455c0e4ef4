"""--persistent-net: a stored MAC address of a card that this host no longer has.

udev's 70-persistent-net.rules (written by its generator until systemd 208) and .link files tie a name to a card;
HWADDR of ifcfg, MACAddress= of networkd and their kin tie a configuration to one. After a clone, a restore or a new
card they hold the old address.
"""

from __future__ import annotations

import re

from agent.change.model import Move, Operation, Plan, WriteFile
from agent.diagnosis.proofs import names
from agent.diagnosis.proofs.names import Pin
from agent.facts.facts import Facts
from agent.fixes import boot_options, imagined
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target import Target
from agent.unknown import Unknown

LIMIT = 256 * 1024  # bytes
_MAC_KEYS = r"(?:Permanent)?MACAddress\s*=|mac-address\s*=|macaddress\s*:"


def plan(request: Request) -> Planned:
    facts = request.facts
    pending = next((finding for finding in request.findings if finding.values.get("pending")), None)
    if pending is not None:
        return Refusal(f"it is repaired on disk already: {pending.proof}", "reboot")
    values = request.findings[0].values if request.findings else {}
    path, mac = values.get("path", ""), values.get("mac", "")
    if not path or not mac:
        return Refusal("which stored address is another card's is not proven", "agent scan shows what is known")
    data = facts.target.read(path, LIMIT)
    if isinstance(data, Unknown):
        return Refusal(data.reason, "the stored address can't be changed by this")
    text = data.decode("utf-8", "surrogateescape")
    if path.endswith(".rules"):
        return _rules(request, path, text)
    if path.endswith(".link"):
        return _link(request, path, text)
    return _config(request, path, text, mac)


def _rules(request: Request, path: str, text: str) -> Planned:
    facts, values = request.facts, request.findings[0].values
    old, new = values.get("old", ""), values.get("iface", "")
    here = [pin for pin in names.pins(facts) if pin.path == path]
    stale = [pin for pin in here if _is_stale(facts, pin, values["mac"])]
    lines = text.split("\n")
    if any(lines[number - 1].rstrip().endswith("\\") or _continues(lines, number) for number in (p.line for p in here)):
        return Refusal(f"{path} has rules that run over several lines", "edit it by hand")
    others = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(stale) == len(others):
        operation: Operation = Move(path, aside(facts.target, path))
        what = f"Moves {path} aside: all its rules are for cards that this host does not have."
    else:
        mine = [pin for pin in here if pin not in stale and pin.name == new]
        for pin in mine:
            lines[pin.line - 1] = re.sub(r'(\bNAME:?=")[^"]*"', rf'\g<1>{old}"', lines[pin.line - 1])
        gone = {pin.line for pin in stale if pin.name == old}
        kept = [line for number, line in enumerate(lines, 1) if number not in gone]
        operation = WriteFile(path, "\n".join(kept).encode("utf-8", "surrogateescape"))
        renamed = f", and gives {old} to the card that is called {new}" if mine else ""
        what = f"Takes the rule for {values['mac']} out of {path}{renamed}."
    return _at_boot(request, (operation,), what)


def _is_stale(facts: Facts, pin: Pin, mac: str) -> bool:
    """Live: no card has the address. On a disk only the one that the finding proved is known."""
    if not facts.target.live or isinstance(facts.links, Unknown):
        return pin.mac == mac
    return pin.mac not in {link.mac for link in facts.links}


def _continues(lines: list[str], number: int) -> bool:
    return number > 1 and lines[number - 2].rstrip().endswith("\\")


def aside(target: Target, path: str) -> str:
    """A name beside the file that udev does not read, and that nothing has yet."""
    names_ = (f"{path}.saved", *(f"{path}.saved{number}" for number in range(2, 100)))
    return next((name for name in names_ if not target.exists(name, follow=False)), f"{path}.saved100")


def _link(request: Request, path: str, text: str) -> Planned:
    """Live the present card's address is known, and put in; on a disk the file is moved aside."""
    values = request.findings[0].values
    present = _present(request.facts, values.get("iface", ""))
    if not present:
        operation: Operation = Move(path, aside(request.facts.target, path))
        return _at_boot(request, (operation,), f"Moves {path} aside: it is for the card {values['mac']}.")
    edited = _with_mac(text, values["mac"], present)
    if edited == text:
        return Refusal(f"{path} writes {values['mac']} in a way that can't be edited", "edit it by hand")
    what = f"Puts {present}, the address of {values.get('iface', '')}, in place of {values['mac']} into {path}."
    return _at_boot(request, (_write(path, edited),), what)


def _at_boot(request: Request, operations: tuple[Operation, ...], what: str) -> Planned:
    """A plan whose effect comes with udev at the next boot, in the initrd first."""
    facts = request.facts
    old = request.findings[0].values.get("old", "")
    then = names.stored(Facts(imagined.after(facts.target, operations)))
    if any(pin.name == old and _is_stale(facts, pin, request.findings[0].values["mac"]) for pin in then):
        return Refusal(f"{old} would still be tied to another card", "edit it by hand")
    rebuild = boot_options.rebuild_initrds(facts, needed=False)
    later = (f"When the host is up again: {rebuild.command}",) if rebuild.command and rebuild.run is None else ()
    return Plan(
        summary=what,
        operations=(*operations, *((rebuild.run,) if rebuild.run else ())),
        warnings=rebuild.warnings,
        reboot=True,
        next=later,
    )


def _config(request: Request, path: str, text: str, mac: str) -> Planned:
    facts, values = request.facts, request.findings[0].values
    if not path.startswith("/etc/"):
        return Refusal(f"{path} is made anew at each boot", "change what it is made from")
    if facts.helper.on and path in facts.helper.files and not request.forced:
        hint = "switch off Auto-configure networking in Cloud Manager (the Linode's configuration profile) first"
        return Refusal(f"Network Helper writes {path} anew at the next boot", hint, forceable=True)
    if path.rpartition("/")[2].startswith("ifcfg-"):
        edited = re.sub(
            rf"^(\s*)(HWADDR\s*=\s*[\"']?{re.escape(mac)})", r"\1#\2", text, flags=re.MULTILINE | re.IGNORECASE
        )
        what = f"Comments HWADDR={mac} out of {path}, so that it is for the card by its name."
    else:
        present = _present(facts, values.get("iface", ""))
        edited = _with_mac(text, mac, present) if present else text
        what = f"Puts {present}, the address of {values.get('iface', '')}, in place of {mac} into {path}."
    if edited == text:
        return Refusal(f"{path} writes {mac} in a way that can't be edited", "edit it by hand")
    named = "set-name" in text and path.startswith("/etc/netplan/")
    warnings = ("cloud-init wrote this file, and may write it anew.",) if "cloud-init" in path else ()
    following = () if named or not facts.target.live else ("agent fix --restart-network",)
    real = facts.target.resolve(path)
    return Plan(
        what, (_write(path if isinstance(real, Unknown) else real, edited),), warnings, "", not following, following
    )


def _with_mac(text: str, mac: str, present: str) -> str:
    """``text`` with the address changed in the settings that match a card by it, and nowhere else."""
    return re.sub(
        rf"^(?!\s*[#;])(.*(?:{_MAC_KEYS}).*?){re.escape(mac)}",
        rf"\g<1>{present}",
        text,
        flags=re.MULTILINE | re.IGNORECASE,
    )


def _present(facts: Facts, name: str) -> str:
    """The MAC address of a live card, "" where it is not known."""
    links = () if isinstance(facts.links, Unknown) else facts.links
    return next((link.mac for link in links if link.name == name), "")


def _write(path: str, text: str) -> WriteFile:
    return WriteFile(path, text.encode("utf-8", "surrogateescape"))


def verify(request: Request) -> str:
    """Nothing when the proof fails now, or says that only the reboot is missing."""
    still = [finding for finding in request.findings if not finding.values.get("pending")]
    return "; ".join(f"{finding.title}: {finding.proof}" for finding in still)


FIX = Fix(
    name="persistent-net",
    help="take out the stored MAC address of a card that this host no longer has",
    rules=("interface-renamed-persistent",),
    plan=plan,
    verify=verify,
)
