"""A real Debian with kernel, initrd and boot menu, broken in one way after the other, each time checked.

Run in namespaces of its own by test_bootable_real: `python -m tests.diagnosis.real_boot FOLDER`; prints JSON: for
each breakage (and for "nothing") what the checks said.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.diagnosis.bootable import checks
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.target.detect import open_target
from tests.fixes.real_initrd import INTERFACES, make_menu
from tests.lab.base import lower_folders, mount_overlay

DISKS = (
    BlockDevice("/dev/sda", ("/dev/sda", "UUID=11111111-1111-4111-8111-111111111111"), "ext4"),
    BlockDevice("/dev/sdb", ("/dev/sdb",), "swap"),
)
FSTAB = "/dev/sda / ext4 errors=remount-ro 0 1\n/dev/sdb none swap sw 0 0\nproc /proc proc defaults 0 0\n"
MULTIARCH = "usr/lib/x86_64-linux-gnu"


def main(folder: Path) -> None:
    root = folder / "root"
    lower = lower_folders("bookworm", "boot")
    well = folder / "well"
    for path in (root, well, folder / "work"):
        path.mkdir()
    mount_overlay(lower, well, folder / "work", root)
    _make_well(root)
    subprocess.run(["umount", str(root)], check=True)
    seen: dict[str, list[list[object]]] = {}
    for number, (name, breaks) in enumerate(BREAKS.items()):
        upper, work = folder / f"upper-{number}", folder / f"work-{number}"
        for path in (upper, work):
            path.mkdir()
        mount_overlay([well, *lower], upper, work, root)
        breaks(root)
        facts = Facts(open_target(str(root)))
        facts.__dict__["devices"] = DISKS
        seen[name] = [[one.what, one.state.value, one.why, one.commands, one.finding] for one in checks(facts)]
        subprocess.run(["umount", "--lazy", str(root)], check=True)  # the door holds its root open
    print(json.dumps(seen))


def _make_well(root: Path) -> None:
    """As Linode makes it: /dev/sda, the kernel's names for network cards, a console at Lish."""
    (root / "etc/network/interfaces").write_text(INTERFACES)
    (root / "etc/fstab").write_text(FSTAB)
    (root / "boot/grub").mkdir(exist_ok=True)
    defaults = (root / "usr/share/grub/default/grub").read_text()
    words = 'GRUB_CMDLINE_LINUX="console=ttyS0,19200n8 net.ifnames=0"'
    (root / "etc/default/grub").write_text(defaults.replace('GRUB_CMDLINE_LINUX=""', words))
    make_menu(root)


def _kernel(root: Path) -> Path:
    (found,) = root.glob("boot/vmlinuz-*")
    return found


def _initrd(root: Path) -> Path:
    (found,) = root.glob("boot/initrd.img-*")
    return found


def _modules(root: Path) -> Path:
    (found,) = root.glob("usr/lib/modules/*")
    return found


def _cut(path: Path, part: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])


def _patch(path: Path, at: float, data: bytes) -> None:
    whole = bytearray(path.read_bytes())
    start = int(len(whole) * at) // 4096 * 4096
    whole[start : start + len(data)] = data
    path.write_bytes(bytes(whole))


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, (path, old)
    path.write_text(text.replace(old, new))


def _without_driver(root: Path) -> None:
    """What an initrd that was built for another machine lacks."""
    path = _initrd(root)
    data = gzip.decompress(path.read_bytes())
    assert b"/virtio_scsi.ko" in data
    path.write_bytes(gzip.compress(data.replace(b"/virtio_scsi.ko", b"/other_driver.o"), 1))


def _older_libc(root: Path) -> None:
    """An upgrade that ended in the middle: programs of the new release, libc of the old one."""
    (older,) = lower_folders("bullseye", "")
    path = f"{MULTIARCH}/libc.so.6"
    (root / path).unlink()
    source = next(one for one in (older / path, older / "lib/x86_64-linux-gnu/libc.so.6") if one.exists())
    shutil.copyfile(source, root / path)
    (root / path).chmod(0o755)


def _half_configured(root: Path) -> None:
    path = root / "var/lib/dpkg/status"
    head, _, tail = path.read_text().partition("Package: openssh-server\nStatus: install ok installed")
    path.write_text(f"{head}Package: openssh-server\nStatus: install ok half-configured{tail}")


def _relink(path: Path, to: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def _mount_on_a_file(root: Path) -> None:
    (root / "data").write_text("")
    _edit(root / "etc/fstab", "proc /proc", "tmpfs /data tmpfs defaults 0 0\nproc /proc")


def _without_client(root: Path) -> None:
    _remove(path for name in ("dhclient", "udhcpc", "dhcpcd") for path in root.glob(f"usr/sbin/{name}"))
    (root / "etc/network/interfaces").write_text("auto eth0\niface eth0 inet dhcp\n")


def _open_keys(root: Path) -> None:
    for path in _keys(root):
        path.chmod(0o644)


def _keys(root: Path) -> list[Path]:
    return list(root.glob("etc/ssh/ssh_host_*_key"))


BREAKS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: None,
    # the menu
    "no grub.cfg": lambda root: (root / "boot/grub/grub.cfg").unlink(),
    "an empty grub.cfg": lambda root: (root / "boot/grub/grub.cfg").write_text(""),
    "left in rescue mode": lambda root: _edit(
        root / "boot/grub/grub.cfg", "net.ifnames=0", "net.ifnames=0 systemd.unit=rescue.target"
    ),
    "a default that is gone": lambda root: _edit(
        root / "boot/grub/grub.cfg", 'set default="0"', 'set default="gnulinux-5.10.0-8-amd64-advanced"'
    ),
    # the kernel
    "the kernel is empty": lambda root: _kernel(root).write_bytes(b""),
    "the kernel is cut off": lambda root: _cut(_kernel(root), 0.6),
    "the kernel is gone": lambda root: _kernel(root).unlink(),
    "the kernel has a hole": lambda root: _patch(_kernel(root), 0.5, bytes(64 * 1024)),
    "the kernel is something else": lambda root: _kernel(root).write_text("404 Not Found\n" * 1000),
    # the initrd
    "the initrd is empty": lambda root: _initrd(root).write_bytes(b""),
    "the initrd is cut off": lambda root: _cut(_initrd(root), 0.9),
    "the initrd is gone": lambda root: _initrd(root).unlink(),
    "the initrd has a hole": lambda root: _patch(_initrd(root), 0.5, bytes(8 * 1024)),
    "the initrd lacks the driver": _without_driver,
    # modules
    "modules.dep is empty": lambda root: (_modules(root) / "modules.dep").write_text(""),
    "the modules are gone": lambda root: shutil.rmtree(_modules(root)),
    "virtio_net is gone": lambda root: (_modules(root) / "kernel/drivers/net/virtio_net.ko").unlink(),
    # the root and fstab
    "root= names another disk": lambda root: _edit(root / "boot/grub/grub.cfg", "root=/dev/sda", "root=UUID=22222222"),
    "fstab wants a disk that is gone": lambda root: _edit(
        root / "etc/fstab", "/dev/sdb none", "UUID=0fc63daf-8483-4772-8e79-3d69d8477de4 /data ext4 defaults 0 2\n#"
    ),
    "the swap is gone": lambda root: _edit(root / "etc/fstab", "/dev/sdb none", "UUID=33333333 none"),
    "a mount point is a file": _mount_on_a_file,
    "what is bound is gone": lambda root: _edit(
        root / "etc/fstab", "proc /proc", "/old/home /home none bind 0 0\nproc /proc"
    ),
    # programs
    "systemd is gone": lambda root: (root / "usr/lib/systemd/systemd").unlink(),
    "systemd can't be executed": lambda root: (root / "usr/lib/systemd/systemd").chmod(0o644),
    "systemd's own library is gone": lambda root: next(root.glob("usr/lib/**/libsystemd-shared-*.so")).unlink(),
    "the loader is gone": lambda root: (root / "lib64").unlink(),
    "libc is cut off": lambda root: _cut(root / MULTIARCH / "libc.so.6", 0.5),
    "libc is empty": lambda root: (root / MULTIARCH / "libc.so.6").write_bytes(b""),
    "libc is the old release's": _older_libc,
    "the shell is gone": lambda root: (root / "usr/bin/dash").unlink(),
    "default.target is rescue.target": lambda root: _relink(
        root / "etc/systemd/system/default.target", "/lib/systemd/system/rescue.target"
    ),
    "default.target leads nowhere": lambda root: _relink(
        root / "etc/systemd/system/default.target", "/lib/systemd/system/none.target"
    ),
    # the network
    "networking is not enabled": lambda root: _remove(root.glob("etc/**/networking*.service")),
    "udev names the card": lambda root: _edit(root / "boot/grub/grub.cfg", " net.ifnames=0", ""),
    "another card is configured": lambda root: _edit(root / "etc/network/interfaces", "eth0", "enp0s3"),
    "no client for DHCP": _without_client,
    # ssh
    "ssh is not enabled": lambda root: _remove(root.glob("etc/systemd/**/ssh*.service")),
    "no host keys": lambda root: _remove(_keys(root)),
    "open host keys": _open_keys,
    "empty host keys": lambda root: [path.write_text("") for path in _keys(root)],
    "a word that sshd does not know": lambda root: (root / "etc/ssh/sshd_config.d/50.conf").write_text(
        "\n\nPermitRootLogins yes\n"
    ),
    "a value that sshd does not take": lambda root: (root / "etc/ssh/sshd_config.d/50.conf").write_text(
        "PasswordAuthentication yess\n"
    ),
    "no user sshd": lambda root: _edit(root / "etc/passwd", "\nsshd:", "\nother:"),
    "sshd's library is gone": lambda root: next(root.glob(f"{MULTIARCH}/libcrypto.so.*")).unlink(),
    # what waits
    "dpkg was interrupted": _half_configured,
    "a relabelling waits": lambda root: (root / ".autorelabel").write_text(""),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
