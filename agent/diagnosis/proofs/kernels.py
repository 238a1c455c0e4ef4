"""Proofs about what the next boot starts with: the kernel's initrd, its root device, its modules.

All by what stands on the disk: a boot that ends before the journal begins leaves no log there.
"""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import fstab_devices, wanted
from agent.diagnosis.proofs.boot_menus import next_time, one_line
from agent.facts import devices
from agent.facts.boot import KernelImage, MenuEntry
from agent.facts.facts import Facts
from agent.facts.kernels import has_modules
from agent.unknown import Unknown

# Drivers of the disks that servers have, and what turns a SCSI device into a disk.
_DISKS = frozenset(
    (
        "virtio_blk",
        "virtio_scsi",
        "virtio_mmio",
        "nvme",
        "ahci",
        "ata_piix",
        "ata_generic",
        "pata_acpi",
        "libata",
        "xen_blkfront",
        "hv_storvsc",
        "vmw_pvscsi",
        "mptspi",
        "mptsas",
        "mpt3sas",
        "megaraid_sas",
        "sym53c8xx",
        "hpsa",
        "aacraid",
        "mmc_block",
        "usb_storage",
        "uas",
        "sd_mod",
    )
)
_BASES = ("/lib/modules", "/usr/lib/modules")


# -- the initrd


def kernel_panic_no_root(context: Context) -> Proof:
    """The menu's default kernel boots without the initrd that it needs, or with one that is damaged."""
    facts = context.facts
    entry = _next_boot(context)
    if not isinstance(entry, MenuEntry):
        return entry
    image = _image(facts, entry)
    if image is None:
        return CantTell(f"{entry.kernel} is not on this disk")
    source = Evidence(entry.source or "boot menu", one_line(entry.text), entry.line)
    values = _kernel_values(entry, image)
    if entry.initrd:
        found = facts.initrd(entry.initrd)
        if isinstance(found, Unknown):
            if not found.absent:
                return CantTell(found.reason)
            why = f"{entry.kernel} boots with {entry.initrd}, which does not exist"
            return Holds(why, (source, Evidence(entry.initrd, "no such file")), values, next_time(facts))
        if found.problem.startswith("is no archive"):
            return CantTell(f"{entry.initrd} {found.problem}")  # very old kernels took images of filesystems
        if found.problem:
            why = f"{entry.kernel} boots with {entry.initrd}, which {found.problem}"
            size = f"{found.size} bytes: {found.problem}"
            return Holds(why, (source, Evidence(entry.initrd, size)), values, next_time(facts))
        return Fails(f"{entry.kernel} boots with {entry.initrd}")
    needs = _needs_initrd(facts, entry, image)
    if not needs or facts.target.live:
        return Fails(f"{entry.kernel} boots without an initrd, and nothing says that it needs one")
    return Holds(f"{entry.kernel} boots without an initrd, and {needs}", (source,), values)


def _kernel_values(entry: MenuEntry, image: KernelImage) -> dict[str, str]:
    """``cause`` tells --initramfs that an initrd is what is wrong."""
    values = {"kernel": image.path, "release": image.release, "cause": "initrd", "file": entry.source}
    return {**values, "initrd": entry.initrd} if entry.initrd else values


def _needs_initrd(facts: Facts, entry: MenuEntry, image: KernelImage) -> str:
    root = _root_of(entry)
    if root.startswith(("UUID=", "LABEL=")):
        return f"the kernel alone can't find root={root}"
    if _is_module(facts, image.release, "drivers/scsi/virtio_scsi"):
        return "its disk driver (virtio_scsi) is a module"
    line = facts.fstab.entry("/")
    type = "ext4" if line and line.type in ("ext2", "ext3", "ext4") else line.type if line else ""
    if re.fullmatch(r"ext4|xfs|btrfs", type) and _is_module(facts, image.release, f"fs/{type}/{type}"):
        return f"its filesystem ({type}) is a module"
    return ""


def _is_module(facts: Facts, release: str, path: str) -> bool:
    if not release or "/" in release or re.search(r"[*?\[]", release):
        return False
    return any(facts.target.glob(f"{base}/{release}/kernel/{path}.ko*") for base in _BASES)


def _next_boot(context: Context) -> MenuEntry | Proof:
    """The default entry, where this disk's own menu boots it."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live:
        if wanted.container(facts):
            return Fails("a container is started from outside")
        if not any(one.release == facts.kernel for one in facts.boot.kernels):
            return Fails("the root is mounted, and the kernel that runs does not come from this disk")
    entry = facts.boot.default_entry
    if entry is None and facts.target.live:
        return Fails("the root is mounted, and the system runs")
    if entry is None:
        return CantTell("no boot menu on this disk tells which kernel boots, and with which root")
    return entry


def _root_of(entry: MenuEntry) -> str:
    """The value of root= without quotes; the last one counts."""
    words = [word.strip("\"'") for word in entry.options.split()]
    return next((word[5:].strip("\"'") for word in reversed(words) if word.startswith("root=")), "")


def _image(facts: Facts, entry: MenuEntry) -> KernelImage | None:
    path = facts.target.resolve(entry.kernel)
    return next((image for image in facts.boot.kernels if image.path == path), None)


# -- the root


def initramfs_no_root(context: Context) -> Proof:
    """The default entry's root= names none of the machine's disks, or its initrd drives no disk at all."""
    facts = context.facts
    entry = _next_boot(context)
    if not isinstance(entry, MenuEntry):
        return entry
    if facts.target.live:
        return Fails("the root is mounted, and the system runs")
    blind = _drives_no_disk(facts, entry)
    if blind is not None:
        return blind
    root = _root_of(entry)
    if not root or not devices.is_device(root):
        return CantTell(f"root={root or '(none)'} of {entry.source or 'the boot menu'} names no disk")
    found = facts.devices
    if isinstance(found, Unknown):
        return CantTell(found.reason)
    if devices.find(found, root):
        return _other_root(facts, entry, root) or Fails(f"root={root} is there")
    doubt = fstab_devices.doubt(found, root, live=False)
    if doubt:
        return CantTell(f"root={root} is not among the disks, but {doubt}")
    return Holds(
        f"root={root} is none of the disks ({fstab_devices.shown(found)})",
        (
            Evidence(entry.source or "boot menu", one_line(entry.text), entry.line),
            Evidence("blkid", fstab_devices.shown(found)),
        ),
        {"device": root, "file": entry.source, "cause": "root"},
    )


def _other_root(facts: Facts, entry: MenuEntry, root: str) -> Proof | None:
    """root= names another disk that is there, by a name that lasts, and not the one that holds this menu.

    Two roots on one machine may be meant that way: a suspicion, no proof.
    """
    own, found = facts.target.device, facts.devices
    if not own or isinstance(found, Unknown) or not root.startswith(("UUID=", "LABEL=", "/dev/disk/by-")):
        return None
    named, mine = devices.find(found, root), devices.find(found, own)
    if named is None or mine is None or named.path == mine.path:
        return None
    return CantTell(f"root={root} is {named.path}, not this disk ({mine.path})")


def _drives_no_disk(facts: Facts, entry: MenuEntry) -> Holds | None:
    """The initrd lacks every driver for disks, while the kernel has these as modules only."""
    image = _image(facts, entry)
    found = facts.initrd(entry.initrd) if entry.initrd else None
    if image is None or found is None or isinstance(found, Unknown) or found.problem or found.unlisted:
        return None
    inside = {_module(name) for name in found.names if ".ko" in name.rpartition("/")[2]}
    builtin = next(
        (
            text
            for base in _BASES
            if isinstance(text := facts.target.text(f"{base}/{image.release}/modules.builtin"), str)
        ),
        None,
    )
    if (
        builtin is None
        or inside & _DISKS
        or {_module(line) for line in builtin.split()} & (_DISKS - {"libata", "sd_mod"})
    ):
        return None
    if not _is_module(facts, image.release, "drivers/scsi/virtio_scsi"):
        return None
    return Holds(
        f"{entry.initrd} holds no driver for any disk, and {image.release} has none built in",
        (
            Evidence(entry.source or "boot menu", one_line(entry.text), entry.line),
            Evidence(entry.initrd, f"{len(found.names)} files, {len(inside)} modules, none that drives a disk"),
        ),
        _kernel_values(entry, image),
    )


def _module(path: str) -> str:
    """kernel/drivers/scsi/virtio_scsi.ko.xz is virtio_scsi."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


# -- the modules


def kernel_modules_missing(context: Context) -> Proof:
    """The running kernel, or offline the menu's default, has no modules on disk while its like have them."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return _default_modules(facts)
    if wanted.container(facts):
        return Fails("a container's kernel is its host's")
    release = facts.kernel
    if isinstance(release, Unknown):
        return CantTell(release.reason)
    if has_modules(facts.target, release):
        return Fails(f"/lib/modules/{release} is there")
    if isinstance(facts.target.stat("/proc/modules"), Unknown):
        return Fails(f"{release} takes no modules")
    others = facts.boot.module_folders
    missed = context.entries(newest_boot=True)
    if not others and not missed:
        return Fails(f"{release} comes from outside of the disk, and nobody missed a module")
    there = f"/lib/modules holds {', '.join(others)}" if others else "/lib/modules holds none"
    return Holds(
        f"{release} runs, and {there}",
        (Evidence("uname -r", release), Evidence("/lib/modules", there)),
        {"release": release},
        None if missed else Severity.INFO,
    )


def _default_modules(facts: Facts) -> Proof:
    entry = facts.boot.default_entry
    if entry is None:
        return CantTell("no boot menu on this disk tells which kernel boots")
    image = _image(facts, entry)
    if image is None or not image.release:
        return CantTell(f"the release of {entry.kernel} can't be told")
    if image.modules or has_modules(facts.target, image.release):
        return Fails(f"/lib/modules/{image.release} is there")
    if not facts.boot.module_folders and not image.initrd:
        return Fails(f"{image.release} needs none: there are no modules and no initrd at all")
    there = ", ".join(facts.boot.module_folders) or "none"
    return Holds(
        f"{entry.kernel} boots, and /lib/modules/{image.release} is missing",
        (Evidence(entry.source or "boot menu", entry.text, entry.line), Evidence("/lib/modules", f"holds {there}")),
        {"release": image.release},
    )


PROOFS: dict[str, ProofFunction] = {
    "initramfs_no_root": initramfs_no_root,
    "kernel_modules_missing": kernel_modules_missing,
    "kernel_panic_no_root": kernel_panic_no_root,
}
