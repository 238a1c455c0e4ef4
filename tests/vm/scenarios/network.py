"""Hosts that boot, and that nobody reaches."""

from __future__ import annotations

from tests.lab.root import Root
from tests.vm.alpine import INTERFACES as ALPINE_INTERFACES
from tests.vm.disk import Disk
from tests.vm.machine import ADDRESS, GATEWAY, PREFIX
from tests.vm.model import LOGIN, Scenario
from tests.vm.system import INTERFACES, system_folder

LOOKS = f"ping -c 1 {GATEWAY}"
UNREACHABLE = r"[Nn]etwork is unreachable|100% packet loss"
_SLIP = "10.0.2.150.1"
NAMES = ("/etc/default/grub", "/boot/grub/grub.cfg")  # where the kernel is told how to name cards
NETWORKD = f"""\
[Match]
Name=eth0

[Network]
DHCP=no
DNS=192.0.2.53
IPv6PrivacyExtensions=false

Gateway={GATEWAY}
Address={ADDRESS}/{PREFIX}
"""


def predictable_names(disk: Disk) -> None:
    """Somebody rewrote the kernel's command line without net.ifnames=0."""
    with disk.opened() as root:
        for path in NAMES:
            root.replace(path, " net.ifnames=0", "")


def sendmail_hook(disk: Disk) -> None:
    """sendmail was removed and its hook stayed: from the days before it had a guard. The hook runs for the
    first stanza of eth0 (IPv6), fails, and the second (IPv4) is never brought up."""
    with disk.opened() as root:
        packages = sorted((system_folder() / "debs").glob("*.deb"))
        for package in packages:
            root.at(f"/tmp/{package.name}").write_bytes(package.read_bytes())
        root.run("dpkg", "--install", *(f"/tmp/{package.name}" for package in packages))
        root.run("dpkg", "--remove", "sendmail-base")
        for package in packages:
            root.remove(f"/tmp/{package.name}")
        _unguarded(root)


def _unguarded(root: Root) -> None:
    for place in ("if-up.d", "if-down.d", "if-post-down.d"):
        name = f"/etc/network/{place}/sendmail"
        lines = root.read(name).splitlines(keepends=True)
        kept = [line for line in lines if not (line.startswith("test -r") and "dynamic" in line)]
        assert len(kept) == len(lines) - 1, f"{name} has no guard to remove"
        root.write(name, "".join(kept), mode=0o755)


def networkd_not_enabled(disk: Disk) -> None:
    """An upgrade to systemd-networkd: its configuration is there, ifupdown is gone, and nobody enabled it."""
    with disk.opened() as root:
        root.write("/etc/systemd/network/05-eth0.network", NETWORKD)
        root.purge("ifupdown")
        root.remove(INTERFACES)


def alpine_interfaces(disk: Disk) -> None:
    """A slip of the finger in the address: ifupdown-ng says that all is well, and there is no address."""
    with disk.opened() as root:
        root.replace(ALPINE_INTERFACES, f"address {ADDRESS}", f"address {_SLIP}")


SCENARIOS = (
    Scenario(
        "a",
        "eth0 has another name: net.ifnames=0 is gone",
        predictable_names,
        shows=r"renamed from eth0",
        ends=LOGIN,
        finding=r"eth0",
        fix="--interface-names",
        polite=True,
    ),
    Scenario(
        "e",
        "sendmail's hook, left behind",
        sendmail_hook,
        shows=r"Failed to start \S*networking",
        ends=LOGIN,
        finding=r"sendmail",
        fix="--sendmail",
        polite=True,
    ),
    Scenario(
        "f",
        "systemd-networkd is configured and not enabled",
        networkd_not_enabled,
        looks=LOOKS,
        shows=UNREACHABLE,
        ends=LOGIN,
        finding=r"networkd",
        fix="--networkd",
        polite=True,
    ),
    Scenario(
        "i",
        "Alpine: /etc/network/interfaces can't be used",
        alpine_interfaces,
        looks=LOOKS,
        shows=UNREACHABLE,
        ends=LOGIN,
        finding=r"/etc/network/interfaces",
        fix="/etc/network/interfaces:6",
        by_hand=f"agent rescue --chroot /dev/sda sed -i 's/{_SLIP}/{ADDRESS}/' {ALPINE_INTERFACES}",
        image="alpine",
        polite=True,
    ),
)
