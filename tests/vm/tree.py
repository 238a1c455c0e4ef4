"""A Debian tree to make an image of: the lab's base, with more packages over it in an overlay that vanishes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.base import lower_folders, mount_overlay
from tests.lab.root import Root
from tests.vm.store import SUITE, run

# What nobody needs for a boot, and what takes long in software emulation.
_EMPTY = ("/var/lib/apt/lists", "/var/cache/apt", "/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/tmp")
_IDLE = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "modprobe@configfs.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-logind.service",
    "systemd-pstore.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-update-utmp-runlevel.service",
)

# The shell says how each command ended, in a sequence that no terminal shows. 697 means nothing to any of them.
PROMPT = "PROMPT_COMMAND='printf \"\\033]697;%d\\007\" $?'\n"
_BASHRC = f"PS1='\\u@\\h:\\w\\$ '\n{PROMPT}"
_MODULES = ("virtio_pci", "virtio_scsi", "sd_mod", "sr_mod", "isofs", "squashfs", "overlay", "loop", "crc32c_generic")
# norandmaps: an emulator translates the same code again for each address that it is loaded at.
QUICK = "mitigations=off norandmaps nokaslr"
FILES = {
    "/root/.bashrc": _BASHRC,
    "/root/.profile": ". /root/.bashrc\n",
    "/etc/initramfs-tools/conf.d/small": "COMPRESS=lz4\nMODULES=list\n",
    "/etc/modprobe.d/order.conf": "softdep virtio_scsi pre: sd_mod\n",  # else sda and sdb take each other's names
    "/etc/initramfs-tools/modules": "".join(f"{name}\n" for name in _MODULES),
}
_NO_PACKAGES = shutil.ignore_patterns("lock", "partial")
RECIPE = (_EMPTY, _IDLE, FILES)


@contextmanager
def grown(
    folder: Path, layer: str, packages: Sequence[str], files: Mapping[str, str], later: Sequence[str] = ()
) -> Iterator[Root]:
    """The lab's layer ("" for its base) with these files written and packages installed, as a tree to be changed.

    ``later``: packages that are only downloaded, with what they need, to FOLDER/debs.
    """
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir()
    mount_overlay(lower_folders(SUITE, layer), upper, work, merged)
    root = Root(merged, SUITE)
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("devpts", "dev/pts")):
        run("mount", "-t", kind, kind, merged / place)
    try:
        for name, text in {**FILES, **files}.items():
            root.write(name, text)
        root.run("apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", "install", *packages)
        root.run("apt-get", "-q", "clean")
        if later:
            root.run("apt-get", "-q", "-y", "install", "--download-only", *later)
            shutil.copytree(root.at("/var/cache/apt/archives"), folder / "debs", ignore=_NO_PACKAGES)
        for place in ("dev/pts", "sys", "proc"):
            run("umount", merged / place)
        _settle(root)
        yield root
    finally:
        run("umount", "-R", merged)
    for path in (upper, work, merged):
        shutil.rmtree(path)


def _settle(root: Root) -> None:
    """From a container's root to a machine's."""
    for path in ("/usr/sbin/policy-rc.d", "/etc/dpkg/dpkg.cfg.d/lab", "/etc/systemd/system.conf.d/lab.conf"):
        root.remove(path)
    for path in _EMPTY:
        for entry in root.at(path).iterdir():
            root.remove(f"{path}/{entry.name}")
    root.mask(*_IDLE)
