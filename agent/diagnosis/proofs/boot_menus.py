"""The proof that GRUB finds no menu on the disk, or not the kernel that its menu boots.

By what stands on the disk: a boot that ends before the journal begins leaves no log there.
"""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import naming, wanted
from agent.facts.boot import MenuEntry
from agent.facts.facts import Facts
from agent.unknown import Unknown

_OTHER_LOADERS = (
    "/etc/lilo.conf",
    "/boot/efi/EFI/Linux",
    "/efi/EFI/Linux",
    "/boot/EFI/Linux",
    "/boot/loader/loader.conf",
)


def grub_config_missing(context: Context) -> Proof:
    """The disk has a kernel and no menu that names one, or the menu's default kernel is not there.

    Only where GRUB boots this disk: a Linode that boots Linode's own kernel needs neither.
    """
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live and wanted.container(facts):
        return Fails("a container is started from outside")
    if facts.target.live and naming.linode_kernel(facts):
        return Fails(f"{facts.kernel} comes from Linode, and needs no boot menu on this disk")
    entry = facts.boot.default_entry
    if entry is not None:
        return _kernel_of(facts, entry)
    away = _boot_away(facts)
    if away:
        return CantTell(away)
    path = facts.boot.grub_config
    if isinstance(path, Unknown) and not path.absent:
        return CantTell(path.reason)
    other = next((place for place in _OTHER_LOADERS if facts.target.exists(place)), "")
    if other:
        return Fails(f"{other} shows another boot loader than GRUB")
    return _no_entry(facts, "" if isinstance(path, Unknown) else path)


def _kernel_of(facts: Facts, entry: MenuEntry) -> Proof:
    """The default entry's kernel: there, and all of it."""
    if "$" in entry.kernel or not entry.kernel.startswith("/") or entry.kernel.startswith("/@"):
        return CantTell(f"which file {entry.kernel} means can't be told")
    image = facts.kernel_image(entry.kernel)
    source = Evidence(entry.source or "boot menu", one_line(entry.text), entry.line)
    if isinstance(image, Unknown):
        away = _boot_away(facts)
        if away or not image.absent:
            return CantTell(away or image.reason)
        if _is_default_of_running(facts):
            return CantTell(f"{entry.kernel} is not there, and yet the host runs: it was booted otherwise")
        others = ", ".join(one.path for one in facts.boot.kernels[:3]) or "none"
        why = f"the menu boots {entry.kernel}, which does not exist"
        evidence = (source, Evidence(entry.kernel, "no such file"), Evidence("/boot", f"kernels: {others}"))
        return Holds(why, evidence, {"kernel": entry.kernel, "file": entry.source}, next_time(facts), _menu_made(facts))
    if image.problem and not image.problem.startswith("is no kernel"):
        why = f"the menu boots {entry.kernel}, which {image.problem}"
        shown = Evidence(entry.kernel, f"{image.size} bytes: {image.problem}")
        return Holds(why, (source, shown), {"kernel": entry.kernel, "file": entry.source}, next_time(facts), ())
    return Fails(f"{entry.source or 'the menu'} boots {entry.kernel}, which is there")


def _no_entry(facts: Facts, menu: str) -> Proof:
    kernels = facts.boot.kernels
    values = {"kernel": kernels[0].path if kernels else "", "file": menu or "/boot/grub/grub.cfg"}
    if facts.target.live:
        running = next((one for one in kernels if one.release == facts.kernel), None)
        if running is None:
            return Fails("the kernel that runs does not come from this disk")
    if menu:
        what = f"{menu} names no kernel" + ("" if kernels else ", and there is none on this disk")
        text = facts.target.text(menu)
        size = f"{len(text)} characters, no kernel line" if isinstance(text, str) else "no kernel line"
        return Holds(what, (Evidence(menu, size),), values, next_time(facts), _menu_made(facts))
    if not kernels:
        return CantTell("no kernel and no boot menu on this disk: it boots with a kernel from outside, or not at all")
    sign = next((path for path in ("/boot/grub", "/boot/grub2", "/etc/default/grub") if facts.target.exists(path)), "")
    why = f"{kernels[0].path} is there, and no boot menu names it"
    if not sign:
        return CantTell(f"{why}; nothing shows that GRUB ever booted this disk", values)
    evidence = (Evidence(values["file"], "no such file"), Evidence(sign, "GRUB was set up here"))
    return Holds(f"{why} ({sign} shows that GRUB was set up)", evidence, values, next_time(facts), _menu_made(facts))


def _menu_made(facts: Facts) -> tuple[str, ...] | None:
    """How the menu is made anew with what the target has; None: the rule's own advice."""
    for program, words in (
        ("update-grub", "update-grub"),
        ("grub2-mkconfig", "grub2-mkconfig -o /boot/grub2/grub.cfg"),
        ("grub-mkconfig", "grub-mkconfig -o /boot/grub/grub.cfg"),
    ):
        if isinstance(facts.target.find_program(program), str):
            if facts.target.live:
                return (words,)
            return (f"agent rescue --chroot {facts.target.device or '/dev/sda'} {words}",)
    return None


def _boot_away(facts: Facts) -> str:
    """/boot is a filesystem of its own that is not mounted: then nothing is known of what it holds."""
    line = facts.fstab.entry("/boot")
    if line is None:
        return ""
    names = facts.target.list("/boot")
    empty = not isinstance(names, Unknown) and not [name for name in names if name not in ("lost+found", "efi", "grub")]
    return f"/boot is a disk of its own ({line.spec}), which is not mounted here" if empty else ""


def _is_default_of_running(facts: Facts) -> bool:
    return facts.target.live and not any(one.release == facts.kernel for one in facts.boot.kernels)


def next_time(facts: Facts) -> Severity | None:
    """A host that runs has booted once; what is wrong now concerns its next boot."""
    return Severity.WARNING if facts.target.live else None


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


PROOFS: dict[str, ProofFunction] = {"grub_config_missing": grub_config_missing}
