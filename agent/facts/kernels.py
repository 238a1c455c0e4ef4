"""Kernels on disk: images in /boot and beside their modules, their initrds, the folders of modules."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

_IMAGE = re.compile(r"(?:vmlinu[xz]|kernel|linux|bzImage|Image)(?:[-.](?P<flavour>.+))?")
_NOT_IMAGES = (".old", ".bak", ".hmac", ".sig", ".efi.signed", ".map", ".config", ".cfg", ".conf", ".img")
_RELEASE = re.compile(r"\d+\.\d+[\w.+~-]*")
HEADER = 64 * 1024  # bytes; the boot protocol's version text lies within the real-mode part
IMAGES = 200  # more kernels than a /boot ever held


@dataclass(frozen=True)
class KernelImage:
    path: str
    release: str  # as uname -r would print it
    initrd: str  # "" when there is none beside it
    modules: bool  # /lib/modules/<release> holds modules


def module_folders(target: Target) -> tuple[str, ...]:
    """Releases that have modules: a folder with modules.dep or kernel/ (what a removed kernel leaves behind,
    a few generated files, is not one)."""
    return tuple(sorted(release for release in _module_names(target) if has_modules(target, release)))


def has_modules(target: Target, release: str) -> bool:
    """True when depmod's index, or the modules themselves, are there for a release."""
    if not release or "/" in release:
        return False
    for base in _MODULES:
        if target.is_file(f"{base}/{release}/modules.dep") or target.is_dir(f"{base}/{release}/kernel"):
            return True
    return False


_MODULES = ("/lib/modules", "/usr/lib/modules")


def _module_names(target: Target) -> tuple[str, ...]:
    names: set[str] = set()
    for base in _MODULES:
        listed = target.list(base)
        if not isinstance(listed, Unknown):
            names.update(listed[:IMAGES])
    return tuple(sorted(names))


def read(target: Target, entries: tuple[tuple[str, str], ...] = ()) -> tuple[KernelImage, ...]:
    """Kernel images, those of /boot first. ``entries`` are (kernel, initrd) paths that a boot menu names;
    images outside of the usual places are found by them."""
    initrds = _initrds(target)
    found: dict[str, KernelImage] = {}
    paths = [*_in_boot(target), *(kernel for kernel, _ in entries)]
    for path in paths[:IMAGES]:
        real = target.resolve(path)
        if isinstance(real, Unknown) or real in found or not target.is_file(real):
            continue
        named = next((initrd for kernel, initrd in entries if kernel in (path, real) and initrd), "")
        release, flavour = _release(target, real)
        initrd = _initrd(initrds, release, flavour) or (named if named and target.exists(named) else "")
        found[real] = KernelImage(real, release, initrd, has_modules(target, release))
    known = {kernel.release for kernel in found.values()}
    for release in _module_names(target):
        path = f"/usr/lib/modules/{release}/vmlinuz"
        if release not in known and target.is_file(path):
            initrd = _initrd(initrds, release, "") or _existing(target, f"/usr/lib/modules/{release}/initramfs.img")
            found[path] = KernelImage(path, release, initrd, has_modules(target, release))
    return tuple(found.values())


def _existing(target: Target, path: str) -> str:
    return path if target.is_file(path) else ""


def _in_boot(target: Target) -> list[str]:
    """Regular files in /boot (and kernel-install's folders below it) that are named like a kernel."""
    paths: list[str] = []
    names = target.list("/boot")
    for name in () if isinstance(names, Unknown) else names:
        match = _IMAGE.fullmatch(name)
        if match is None or name.endswith(_NOT_IMAGES):
            continue
        stat = target.stat(f"/boot/{name}", follow=False)
        if isinstance(stat, Stat) and stat.kind is Kind.FILE:
            paths.append(f"/boot/{name}")
    for pattern in ("/boot/*/*/linux", "/efi/*/*/linux", "/boot/efi/*/*/linux", "/boot/ostree/*/vmlinuz*"):
        paths += target.glob(pattern)
    return paths


def _release(target: Target, path: str) -> tuple[str, str]:
    """The release that uname -r would print, and the flavour in the file's name.

    The image's own header tells; where it has none (other processors, compressed EFI images) the name does,
    and on Arch, whose names hold no release, the modules' pkgbase.
    """
    name = path.rsplit("/", 1)[1]
    match = _IMAGE.fullmatch(name)
    flavour = (match.group("flavour") or "" if match else "") or name
    header = header_release(target, path)
    if header:
        return header, flavour
    named = _RELEASE.search(flavour)
    if named:
        return named.group(0), flavour
    folder = path.rsplit("/", 2)[-2]  # kernel-install: /boot/<machine-id>/<release>/linux
    if _RELEASE.fullmatch(folder):
        return folder, flavour
    for release in _module_names(target):
        base = target.text(f"/usr/lib/modules/{release}/pkgbase", 4096)
        if not isinstance(base, Unknown) and base.strip() == flavour:
            return release, flavour
        # Alpine and Void end the release with the flavour: 6.6.31-0-lts
        if release.endswith("-" + flavour):
            return release, flavour
    return "", flavour


def header_release(target: Target, path: str) -> str:
    """The version text of an x86 bzImage (Linux x86 boot protocol: kernel_version at 0x20e); "" if none."""
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return ""
    try:
        with stream:
            data = stream.read(HEADER)
    except OSError:
        return ""
    if data[0x202:0x206] != b"HdrS" or len(data) < 0x210:
        return ""
    (offset,) = struct.unpack_from("<H", data, 0x20E)
    text = data[offset + 0x200 : offset + 0x200 + 256].split(b"\0")[0].decode("ascii", "replace")
    match = _RELEASE.match(text)
    return match.group(0) if match else ""


def _initrds(target: Target) -> tuple[str, ...]:
    names = target.list("/boot")
    found = [
        f"/boot/{name}"
        for name in (() if isinstance(names, Unknown) else names)
        if re.match(r"initrd|initramfs", name) and not re.search(r"fallback|kdump|\.old$|\.bak$", name)
    ]
    for pattern in ("/boot/*/*/initrd*", "/efi/*/*/initrd*", "/boot/ostree/*/initramfs*"):
        found += target.glob(pattern)
    return tuple(found)


def _initrd(initrds: tuple[str, ...], release: str, flavour: str) -> str:
    """initrd.img-R, initramfs-R.img, initrd-R, initramfs-linux.img, initramfs-genkernel-x86_64-R ..."""
    for wanted in filter(None, (release, flavour)):
        exact = re.compile(rf"(?:initrd|initramfs)(?:\.img)?-(?:.*-)?{re.escape(wanted)}(?:\.img)?(?:\.\w+)?")
        for path in initrds:
            if exact.fullmatch(path.rsplit("/", 1)[1]) or path.rsplit("/", 2)[-2] == wanted:
                return path
    if not re.search(r"\d", flavour):  # one kernel, one initrd, neither with a release: Slackware, by hand
        plain = [path for path in initrds if re.fullmatch(r"/boot/initr(?:d|amfs)(?:\.img|\.gz)?", path)]
        return plain[0] if plain else ""
    return ""
