"""A small Debian 8 tree on disk, with hooks of ifupdown that break it: enough for scan, fix and undo."""

from __future__ import annotations

from pathlib import Path

HOOK = "#!/bin/sh\nset -e\n. /usr/share/sendmail/dynamic\necho ok\n"
INTERFACES = """\
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
"""


def tree(root: Path, sendmail: bool = True, hook: str = "") -> Path:
    """The root; with sendmail's hook that reads a missing file, and another hook with this text."""
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="8"\nPRETTY_NAME="Debian GNU/Linux 8 (jessie)"\n',
        "etc/debian_version": "8.11\n",
        "etc/hostname": "web1\n",
        "etc/network/interfaces": INTERFACES,
        "etc/resolv.conf": "nameserver 192.0.2.53\n",
        "etc/fstab": "/dev/sda / ext4 errors=remount-ro 0 1\n",
        "var/lib/dpkg/status": "Package: ifupdown\nStatus: install ok installed\nVersion: 0.7.53\n\n",
        "lib/systemd/system/networking.service": "[Service]\nExecStart=/sbin/ifup -a\n[Install]\n"
        "WantedBy=multi-user.target network-online.target\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path in ("bin/sh", "sbin/ifup", "sbin/ifdown", "bin/run-parts", "lib/systemd/systemd"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"\x7fELF")
        (root / path).chmod(0o755)
    (root / "sbin/init").symlink_to("/lib/systemd/systemd")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "networking.service").symlink_to("/lib/systemd/system/networking.service")
    for folder in ("if-up.d", "if-pre-up.d", "if-down.d", "if-post-down.d"):
        (root / "etc/network" / folder).mkdir()
    if sendmail:
        _program(root / "etc/network/if-up.d/sendmail", HOOK)
    if hook:
        _program(root / "etc/network/if-up.d/other", hook)
    return root


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
