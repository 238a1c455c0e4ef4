"""The boot menu's default entry, its kernel, its initrd, and the modules that belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.diagnosis.boot_checks import model
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.diagnosis.proofs import wanted
from agent.facts.boot import KernelImage, MenuEntry
from agent.facts.initrd_files import Initrd
from agent.facts.kernel_files import Image
from agent.unknown import Unknown

FROM_LINODE = "it boots only with a kernel that Linode supplies (set in the configuration profile)"

# The drivers of a Linode's disk and network card.
_DISK = ("virtio_pci", "virtio_scsi", "sd_mod")
_CARD = "virtio_net"

_MENU_RULE = "grub-config-missing"

# What stands on the command line after somebody repaired something, and ends the boot before anybody can log in.
_STOPS = re.compile(r"(?:systemd\.unit|rd\.systemd\.unit)=(?:rescue|emergency)\S*|rd\.break\S*|emergency|single|[s1]")


def checks(checked: Checked) -> Iterator[BootCheck]:
    if checked.target.live and wanted.container(checked.facts):
        yield model.unknown("kernel", "a container's kernel is its host's")
        return
    entry = checked.entry
    if entry is None:
        yield _no_menu(checked)
        entry = _likely(checked)
        if entry is None:
            return
    else:
        yield _menu(checked, entry)
        yield from _options(checked, entry)
    image = checked.facts.kernel_image(entry.kernel)
    yield _kernel(checked, entry, image)
    if isinstance(image, Unknown) or image.problem:
        return
    checked.machine = image.machine
    yield from _rest(checked, entry)


def _likely(checked: Checked) -> MenuEntry | None:
    """Without a menu, what the distribution's own link calls the kernel, else the newest; with its initrd."""
    images = checked.facts.boot.kernels
    linked = [checked.target.resolve(path) for path in ("/vmlinuz", "/boot/vmlinuz")]
    image = next((one for one in images if one.path in linked), None)
    if image is None:
        image = max(images, key=lambda one: [int(n) for n in re.findall(r"\d{1,9}", one.release)], default=None)
    return None if image is None else MenuEntry(image.path, "", image.initrd)


def _no_menu(checked: Checked) -> BootCheck:
    """No entry: a host that boots Linode's own kernel has neither menu nor kernel, and needs none."""
    boot = checked.facts.boot
    path = boot.grub_config
    if not boot.kernels:
        if isinstance(path, str):
            return model.problem("boot menu", f"{path} names no kernel, and there is none on this disk")
        line = checked.facts.fstab.entry("/boot")
        if line is not None and not checked.target.list("/boot"):
            why = f"/boot is a disk of its own ({line.spec}), which is not mounted here"
            return model.unknown("kernel", why)
        return model.doubt("kernel", f"no kernel on this disk: {FROM_LINODE}")
    first = boot.kernels[0].path
    if isinstance(path, str):
        why = f"{path} names no kernel, though {first} is there"
        return model.problem("boot menu", why, *_make_menu(checked, path), finding=checked.named(_MENU_RULE))
    grub = any(
        checked.target.exists(path) for path in ("/etc/default/grub", "/etc/grub.d", "/boot/grub", "/boot/grub2")
    )
    why = f"{first} is there, and no boot menu names it ({path.reason})"
    if grub:
        why += ": GRUB 2 stops at its prompt, unless the profile boots a kernel from Linode"
        return model.problem("boot menu", why, *_make_menu(checked, ""), finding=checked.named(_MENU_RULE))
    return model.doubt("boot menu", f"{why}: {FROM_LINODE}")


def _make_menu(checked: Checked, path: str) -> tuple[str, ...]:
    for program in ("update-grub", "grub2-mkconfig", "grub-mkconfig"):
        if isinstance(checked.target.find_program(program), str):
            folder = "/boot/grub2" if program == "grub2-mkconfig" else "/boot/grub"
            words = program if program == "update-grub" else f"{program} -o {path or folder + '/grub.cfg'}"
            return (checked.inside(words),)
    return ()


def _menu(checked: Checked, entry: MenuEntry) -> BootCheck:
    boot = checked.facts.boot
    source = f"{entry.source}:{entry.line}" if entry.line else entry.source or "the boot menu"
    what = f"{entry.title or entry.kernel} ({source})"
    if boot.preset and boot.chosen is None and not boot.preset.isdecimal():
        why = f"its default, {boot.preset!r}, is none of its entries: the first one boots, {what}"
        return model.doubt("boot menu", why)
    return model.ok("boot menu", f"boots {what}")


def _options(checked: Checked, entry: MenuEntry) -> Iterator[BootCheck]:
    source = f"{entry.source}:{entry.line}" if entry.line else entry.source or "the boot menu"
    stops = [word for word in checked.options if _STOPS.fullmatch(word)]
    if stops:
        yield model.problem("command line", f"{stops[0]} in {source} ends the boot in a shell for repairs")
    elif not any(word.startswith("console=ttyS") for word in checked.options):
        why = f"without console=ttyS0 in {source} the kernel may show nothing at Lish"
        yield model.BootCheck("command line", model.BootState.OK, why)


def _kernel(checked: Checked, entry: MenuEntry, image: Image | Unknown) -> BootCheck:
    if isinstance(image, Unknown):
        if not image.absent:
            return model.unknown("kernel", image.reason)
        dangling = checked.target.readlink(entry.kernel)
        to = f" is a link to {dangling}, which" if isinstance(dangling, str) else ""
        others = [one.path for one in checked.facts.boot.kernels if one.path != entry.kernel]
        there = f"; there is {others[0]}" if others else _boot_elsewhere(checked)
        why = f"{entry.kernel}{to} does not exist{there}"
        fixes = _make_menu(checked, entry.source) if others else _reinstall(checked, entry)
        return model.problem("kernel", why, *fixes, finding=checked.named(_MENU_RULE))
    if image.problem:
        why = f"{image.path} {image.problem}"
        return model.problem("kernel", why, *_reinstall(checked, entry), finding=checked.named(_MENU_RULE))
    release = _release(checked, entry)
    version = f", {release}" if release else ""
    return model.ok("kernel", f"{image.path} ({image.kind}{version}) is all there")


def _boot_elsewhere(checked: Checked) -> str:
    """fstab has a /boot of its own that is not mounted here: then nothing is known of what it holds."""
    line = checked.facts.fstab.entry("/boot")
    return f", and /boot ({line.spec}) may not be mounted here" if line else ""


def _reinstall(checked: Checked, entry: MenuEntry) -> tuple[str, ...]:
    release = _release(checked, entry)
    if checked.facts.packages.system == "dpkg" and release:
        return (checked.inside(f"apt-get install --reinstall linux-image-{release}"),)
    return ()


def _image(checked: Checked, entry: MenuEntry) -> KernelImage | None:
    real = checked.target.resolve(entry.kernel)
    return next((image for image in checked.facts.boot.kernels if image.path == real), None)


def _release(checked: Checked, entry: MenuEntry) -> str:
    image = _image(checked, entry)
    if image:
        return image.release
    named = re.search(r"/vmlinuz-(\d[\w.+~-]*)$", entry.kernel)
    return named.group(1) if named else ""


def _rest(checked: Checked, entry: MenuEntry) -> Iterator[BootCheck]:
    modules = _Modules(checked, _release(checked, entry))
    if entry.initrd:
        found = checked.facts.initrd(entry.initrd)
        yield _initrd(checked, entry, found, modules)
    else:
        yield from checked.confirmed("initrd", "kernel-panic-no-root")
    yield from _modules(checked, entry, modules)


def _initrd(checked: Checked, entry: MenuEntry, found: Initrd | Unknown, modules: _Modules) -> BootCheck:
    rule = checked.named("kernel-panic-no-root", "initramfs-no-root")
    if isinstance(found, Unknown):
        if not found.absent:
            return model.unknown("initrd", found.reason)
        why = f"{entry.initrd}, which {entry.kernel} boots with, does not exist"
        return model.problem("initrd", why, *_rebuild(checked, entry), finding=rule)
    if found.problem:
        return model.problem("initrd", f"{found.path} {found.problem}", *_rebuild(checked, entry), finding=rule)
    kinds = " and ".join(dict.fromkeys(found.parts))
    told = f"{found.path} ({kinds}, {found.size // 1024} KiB) ends as it should"
    if found.unlisted:
        return model.ok("initrd", f"{told}; what is in it can't be listed: {found.unlisted}")
    inside = {_module(name) for name in found.names if ".ko" in name}
    absent = [name for name in modules.needed if name not in inside]
    if absent:
        why = f"{found.path} lacks {' and '.join(absent)}, without which the kernel does not find its root"
        return model.problem("initrd", why, *_rebuild(checked, entry), finding=rule)
    return model.ok("initrd", f"{told}, and has the drivers of the disk" if modules.needed else told)


def _rebuild(checked: Checked, entry: MenuEntry) -> tuple[str, ...]:
    release = _release(checked, entry)
    for program, words in (
        ("update-initramfs", f"update-initramfs -c -k {release}"),
        ("dracut", f"dracut --force {entry.initrd} {release}"),
        ("mkinitcpio", "mkinitcpio -P"),
        ("mkinitfs", f"mkinitfs -o {entry.initrd} {release}"),
    ):
        if release and isinstance(checked.target.find_program(program), str):
            return (checked.inside(words),)
    return ()


class _Modules:
    """The modules of one release: what is built in, where the others are, and which the disk needs."""

    def __init__(self, checked: Checked, release: str) -> None:
        target = checked.target
        self.release = release
        bases = ("/lib/modules", "/usr/lib/modules")
        self.folder = next(
            (f"{base}/{release}" for base in bases if release and target.is_dir(f"{base}/{release}")), ""
        )
        builtin = target.text(f"{self.folder}/modules.builtin") if self.folder else ""
        dep = target.text(f"{self.folder}/modules.dep", 16 * 1024 * 1024) if self.folder else ""
        self.built = frozenset(_module(line) for line in builtin.split()) if isinstance(builtin, str) else frozenset()
        listed = re.findall(r"^([^\s:]+):", dep, re.MULTILINE) if isinstance(dep, str) else []
        self.paths = {_module(path): self._path(path) for path in listed}
        root = checked.facts.fstab.entry("/")
        own = (root.type,) if root is not None and root.type in ("ext4", "xfs", "btrfs") else ()
        self.disk = (*_DISK, *own)

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.folder}/{path}"

    @property
    def needed(self) -> tuple[str, ...]:
        """Those of the disk that the kernel must find in its initrd; none where that isn't known."""
        return tuple(name for name in self.disk if name not in self.built and name in self.paths)


def _module(path: str) -> str:
    """kernel/drivers/scsi/virtio_scsi.ko.xz is virtio_scsi."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _modules(checked: Checked, entry: MenuEntry, modules: _Modules) -> Iterator[BootCheck]:
    """The kernel's modules, and the drivers of a Linode's disk and network card among them."""
    if not modules.release:
        yield model.unknown("modules", f"the release of {entry.kernel} can't be told")
    elif not modules.folder:
        why = f"/lib/modules/{modules.release} is missing: only what is built into {entry.kernel} works"
        rule = checked.named("kernel-modules-missing")
        if entry.initrd:  # a kernel that needs one has next to nothing built in, no network card either
            yield model.problem("modules", why, *_reinstall(checked, entry), finding=rule)
        else:
            yield model.doubt("modules", why, finding=rule)
    elif not modules.paths:
        command = checked.inside(f"depmod {modules.release}")
        yield model.problem("modules", f"{modules.folder}/modules.dep is missing or empty: no module is found", command)
    else:
        yield _drivers(checked, entry, modules)


def _drivers(checked: Checked, entry: MenuEntry, modules: _Modules) -> BootCheck:
    lacking: list[str] = []
    for name in (*modules.disk, _CARD):
        if name in modules.built:
            continue
        path = modules.paths.get(name)
        if path is None:
            lacking.append(name)
        elif not checked.target.is_file(path):
            return model.problem(
                "modules", f"{path} is missing, though modules.dep names it", *_reinstall(checked, entry)
            )
    if lacking:
        why = f"{modules.folder} has no {' and no '.join(lacking)}, which drive a Linode's disk or network card"
        return model.doubt("modules", why)
    return model.ok("modules", f"{modules.folder} has the drivers of a Linode's disk and network card")
