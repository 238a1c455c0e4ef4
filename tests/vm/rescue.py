"""The rescue system: Debian live with the tools of Finnix, which Linode starts in rescue mode.

Like it, it runs from a squashfs on a medium of its own with an overlay in memory, mounts no disk, asks for no
login, and answers to the name finnix, which is one of the signs that the program knows it by. The program comes
in a second squashfs, which live-boot lays over the first.

python -m tests.vm.rescue FOLDER builds it there: vmlinuz, initrd.img, live/filesystem.squashfs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab.base import lower_folders
from tests.lab.root import Root
from tests.vm.store import SUITE, digest, run, vm_dir
from tests.vm.tree import QUICK, RECIPE, grown

COMMAND_LINE = f"boot=live live-media=/dev/sr0 console=ttyS0,19200n8 quiet {QUICK}"
_PACKAGES = (
    "linux-image-cloud-amd64",
    "live-boot",
    "live-boot-initramfs-tools",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "lvm2",
    "mdadm",
    "cryptsetup-bin",
    "dmsetup",
    "fdisk",
    "strace",
    "busybox",
    "less",
)
_FILES = {
    "/etc/hostname": "finnix\n",
    "/etc/hosts": "127.0.0.1 localhost finnix\n",
    "/etc/fstab": "",
    "/etc/motd": "\nA rescue system in memory. No disk is mounted.\n\n",
    "/usr/lib/os-release": (
        'PRETTY_NAME="Rescue system of the tests (Debian live)"\nNAME="Rescue system of the tests"\n'
        "ID=lish-agent-rescue\nID_LIKE=debian\n"
    ),
    # As serial-getty@.service, but for the login, and for the wait until udev has seen the port.
    "/etc/systemd/system/console.service": (
        "[Unit]\nAfter=systemd-user-sessions.service\n[Service]\nType=idle\nRestart=always\nUtmpIdentifier=ttyS0\n"
        "ExecStart=-/sbin/agetty --autologin root --noclear --noissue --keep-baud 115200 ttyS0 vt102\n"
        "StandardInput=tty\nStandardOutput=tty\nTTYPath=/dev/ttyS0\nTTYReset=yes\nTTYVHangup=yes\n"
        "IgnoreSIGPIPE=no\nSendSIGHUP=yes\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "/etc/network/interfaces": "",  # live-boot writes it
}
_IDLE = (
    "ssh.service",
    "mdmonitor.service",
    "lvm2-monitor.service",
    "serial-getty@ttyS0.service",
    "dbus.service",
    "dbus.socket",
)
_EARLY = ("btrfs", "mdadm", "lvm2")  # what looks for a root on those; live-boot looks for its medium


def rescue_folder() -> Path:
    """Where the rescue system lies once it is built."""
    below = [folder.name for folder in lower_folders(SUITE, "")]
    return vm_dir() / f"rescue-{digest(below, _PACKAGES, _FILES, _IDLE, RECIPE)}"


def make_medium(folder: Path, program: Path) -> Path:
    """The medium to boot from: the rescue system, and the program over it."""
    medium = folder / "rescue.iso"
    graft = (
        f"/live/filesystem.squashfs={rescue_folder()}/live/filesystem.squashfs",
        f"/live/program.squashfs={program}",
    )
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", str(medium), "-V", "RESCUE", "-graft-points", *graft]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return medium


def _build(folder: Path) -> None:
    with grown(folder, "", _PACKAGES, _FILES) as root:
        _dress(root)
        for name in ("vmlinuz", "initrd.img"):
            (found,) = root.at("/boot").glob(f"{name}-*")
            shutil.copy(found, folder / name)
        (folder / "live").mkdir()
        squashed = folder / "live" / "filesystem.squashfs"
        run("mksquashfs", root.path, squashed, "-comp", "lz4", "-no-progress", "-quiet", "-e", root.path / "boot")


def _dress(root: Root) -> None:
    root.run("systemctl", "enable", "--quiet", "console.service")
    root.mask(*_IDLE)
    root.remove("/var/log/journal")
    for name in _EARLY:
        root.remove(f"/usr/share/initramfs-tools/hooks/{name}")
    root.write("/etc/fstab", "")
    root.remove("/etc/update-motd.d")
    root.run("update-initramfs", "-u")


if __name__ == "__main__":
    _build(Path(sys.argv[1]))
