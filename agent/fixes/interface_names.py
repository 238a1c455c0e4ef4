"""--interface-names: the kernel's names (eth0) for the network cards again, which the configuration uses.

As Linode's guides say: net.ifnames=0 on the kernel's command line where the guest's own GRUB boots it, and udev's
naming masked, also in the initrd. --interface-names=config puts the present name into the configuration instead.
"""

from __future__ import annotations

import re

from agent.change.model import Link, MakeFolder, Operation, Plan, WriteFile
from agent.diagnosis.proofs import names, naming, wanted
from agent.facts.facts import Facts
from agent.facts.netconfig import networkd_links
from agent.fixes import boot_options, rename_in_config
from agent.fixes.boot_options import Options, Rebuild
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.unknown import Unknown

CONFIG = "--interface-names=config puts the present name into the configuration instead"
_POLICY = re.compile(r"^(\s*)(NamePolicy\s*=)", re.MULTILINE)


def plan(request: Request) -> Planned:
    pending = _pending(request)
    if pending:
        return pending
    if request.choice == "config":
        return rename_in_config.plan(request)
    facts = request.facts
    refusal = _unsuited(request) if request.findings else None
    if refusal and not (request.forced and refusal.forceable):
        return refusal
    options = boot_options.ifnames_off(facts)
    masks, notes = _masks(facts)
    before = naming.next_boot(facts)
    rebuild = Rebuild()
    if masks or before.stale:
        rebuild = boot_options.rebuild_initrds(facts, needed=not options.effective)
    if not options.effective and rebuild.run is None and naming.initrds(facts) and not naming.linode_kernel(facts):
        return _initrd_in_the_way(facts, options, rebuild, bool(masks or before.stale))
    operations = (*options.operations, *masks, *((rebuild.run,) if rebuild.run else ()))
    if not operations:
        return Refusal("net.ifnames=0 and the masks are in place already", CONFIG)
    return Plan(
        summary=_summary(options, bool(masks)),
        operations=operations,
        warnings=(*_warnings(request, options), *notes, *rebuild.warnings),
        reboot=True,
        next=_next(facts, rebuild),
    )


def _pending(request: Request) -> Refusal | None:
    pending = next((finding for finding in request.findings if finding.values.get("pending")), None)
    if pending is None:
        return None
    return Refusal(f"it is repaired on disk already: {pending.proof}", "reboot")


def _unsuited(request: Request) -> Refusal | None:
    """Why the kernel's names would not help here, or would break something else."""
    facts = request.facts
    values = request.findings[0].values
    old, new = values.get("old", ""), values.get("iface", "")
    if not names.KERNEL_NAME.fullmatch(old):
        return Refusal(f"the configuration uses {old or 'a name'} that the kernel does not give", CONFIG)
    if not names.UDEV_NAME.fullmatch(new):
        return Refusal(f"udev did not give the name {new}", CONFIG)
    if facts.target.live and wanted.container(facts):
        return Refusal("in a container the names of interfaces are given from outside", CONFIG)
    giver = _giver(facts, new)
    if giver:
        return Refusal(f"{giver} gives the name {new}: neither masks nor net.ifnames=0 change that", CONFIG)
    if facts.target.live and facts.boot.ifnames_off is True:
        why = f"the running kernel has net.ifnames=0, and the interface is called {new} all the same"
        return Refusal(why, CONFIG, forceable=True)
    others = sorted({w.card for w in wanted.all_of(facts) if w.at_boot and names.UDEV_NAME.fullmatch(w.card)})
    if others:
        why = f"{', '.join(others)} is configured by such a name too, and would be called eth something"
        return Refusal(why, CONFIG, forceable=True)
    return None


def _giver(facts: Facts, name: str) -> str:
    """The file by which an admin gives a card just this name."""
    found = (link.path for link in networkd_links.links(facts.target) if link.name == name and not link.masked)
    pinned = (f"{pin.path}:{pin.line}" for pin in names.pins(facts) if pin.name == name)
    return next(found, "") or next(pinned, "")


def _masks(facts: Facts) -> tuple[tuple[Operation, ...], tuple[str, ...]]:
    """The masks that are not in place, and what is to be said of them."""
    operations: list[Operation] = []
    notes: list[str] = []
    if not naming.masked(facts, naming.LINK):
        operations += _mask_link(facts, notes)
    for path in (naming.RULES, naming.SLOT):
        name = path.rpartition("/")[2]
        shipped = any(facts.target.exists(f"{base}/udev/rules.d/{name}") for base in ("/usr/lib", "/lib"))
        if naming.masked(facts, path) or (path == naming.SLOT and not shipped):
            continue
        if facts.target.exists(path, follow=False):
            notes.append(f"{path} is somebody's own file: it is left as it is")
            continue
        own = _own_links(facts) if path == naming.RULES else ()
        if own:
            notes.append(f"{name} is not masked, because it applies {own[0]}; the other steps do without")
            continue
        operations += [*_folders(facts, path), Link(path, "/dev/null")]
    return tuple(operations), tuple(notes)


def _mask_link(facts: Facts, notes: list[str]) -> tuple[Operation, ...]:
    """The link to /dev/null; in an admin's own file only its policy for names is taken out."""
    path = naming.LINK
    to = facts.target.readlink(path)
    if not isinstance(to, Unknown):
        notes.append(f"{path} was a link to {to}")
        return (Link(path, "/dev/null"),)
    data = facts.target.read(path)
    if isinstance(data, Unknown):
        if not data.absent:
            notes.append(f"{data.reason}: it is left as it is")
            return ()
        return (*_folders(facts, path), Link(path, "/dev/null"))
    text = data.decode("utf-8", "surrogateescape")
    if re.search(r"^\s*Name\s*=\s*\S", text, re.MULTILINE):
        notes.append(f"{path} gives a name of its own: it is left as it is")
        return ()
    notes.append(f"{path} is somebody's own file: only its NamePolicy is commented out")
    return (WriteFile(path, _POLICY.sub(r"\1#\2", text).encode("utf-8", "surrogateescape")),)


def _own_links(facts: Facts) -> tuple[str, ...]:
    """.link files that somebody wrote; 80-net-setup-link.rules is what applies them."""
    found = networkd_links.links(facts.target)
    return tuple(
        one.path for one in found if not one.masked and one.path.startswith("/etc/") and one.path != naming.LINK
    )


def _folders(facts: Facts, path: str) -> tuple[Operation, ...]:
    """The directories above ``path`` that are not there."""
    made: list[Operation] = []
    parent = path.rpartition("/")[0]
    while parent and not facts.target.exists(parent):
        made.insert(0, MakeFolder(parent))
        parent = parent.rpartition("/")[0]
    return tuple(made)


def _initrd_in_the_way(facts: Facts, options: Options, rebuild: Rebuild, masks: bool) -> Refusal:
    """Masks that no initrd takes up have no effect, and nothing else would have one."""
    if not masks:
        return Refusal(f"the masks are in place, and {options.missed}", CONFIG)
    command = f": {boot_options.by_hand(facts, rebuild.command)}" if rebuild.command else ""
    return Refusal(
        f"{options.missed}, and the initrd gives the names before the disk is read ({rebuild.why_not})",
        f"mask {naming.LINK} by hand and build the initrd anew{command}; or {CONFIG}",
    )


def _summary(options: Options, masks: bool) -> str:
    parts = []
    if options.operations:
        files = [one.path for one in options.operations if isinstance(one, WriteFile)]
        parts.append(f"puts net.ifnames=0 on the kernel's command line ({', '.join(files[:3])})")
    if masks:
        parts.append("masks udev's naming of network cards")
    text = " and ".join(parts) or "builds the initrds anew with udev's naming masked"
    return f"{text[0].upper()}{text[1:]}, so that the kernel's names are kept from the next boot on."


def _warnings(request: Request, options: Options) -> tuple[str, ...]:
    facts = request.facts
    found: list[str] = []
    if naming.linode_kernel(facts):
        found.append(
            "This Linode boots a kernel that Linode supplies: its command line is not on this disk, so the masks "
            "alone keep the names (Cloud Manager, the configuration profile, Kernel)."
        )
    elif options.missed:
        found.append(f"{options.missed[0].upper()}{options.missed[1:]}: the masks alone keep the names.")
    elif options.operations and not facts.target.exists(boot_options.DEFAULTS):
        found.append("There is no /etc/default/grub: a menu that is made anew will lack net.ifnames=0.")
    new = request.findings[0].values.get("iface", "") if request.findings else ""
    found += [f"{path} names {new}, which will be gone." for path in rename_in_config.mentions(facts.target, new)]
    if any(config.virtual for manager in facts.configs.values() for config in manager.interfaces):
        found.append("Masked naming also ends udev's fixed MAC addresses for bridges and other virtual interfaces.")
    return tuple(found)


def _next(facts: Facts, rebuild: Rebuild) -> tuple[str, ...]:
    if rebuild.run is not None or not (rebuild.command or rebuild.why_not):
        return ()
    if not rebuild.command:
        return ("The initrd was not built anew: net.ifnames=0 does without.",)
    return (f"When the host is up again: {rebuild.command} (net.ifnames=0 does without until then)",)


def verify(request: Request) -> str:
    """Nothing when the proof fails now, or says that only the reboot is missing."""
    still = [finding for finding in request.findings if not finding.values.get("pending")]
    return "; ".join(f"{finding.title}: {finding.proof}" for finding in still)


FIX = Fix(
    name="interface-names",
    help="keep the kernel's interface names (eth0), or with =config use the present name in the configuration",
    rules=("interface-renamed",),
    plan=plan,
    choices=("kernel", "config"),
    verify=verify,
)
