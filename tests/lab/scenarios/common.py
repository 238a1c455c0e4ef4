"""What several scenarios share: a resolver's address, a missing disk, a name server that is not there."""

from __future__ import annotations

from tests.lab.host import ADDRESS, GATEWAY, PREFIX
from tests.lab.root import Root
from tests.lab.scenarios.model import Running

CIDR = f"{ADDRESS}/{PREFIX}"
PRIVATE = "192.168.133.7"  # in the network of a Linode's private addresses, 192.168.128.0/17
OFF_SUBNET = "198.51.100.1"
OTHER_LINK = "ens3"
RENAMED = f"virtio_net virtio0 {OTHER_LINK}: renamed from eth0"
MISSING_UUID = "5f0c1d3e-0000-4000-8000-000000000000"

# What the kernel and the managers do about a link that nobody brought up.
DOWN = frozenset({"interface-down", "address-missing", "default-route-missing", "wait-online-timeout"})

_GENERATOR = "systemd-fstab-generator"
GENERATED = "/var/lib/fstab-units"


def static_resolver(root: Root) -> None:
    """A resolv.conf as an installer writes it."""
    root.write("/etc/resolv.conf", f"nameserver {GATEWAY}\n")


def dangling_resolver(root: Root) -> None:
    """The link of a resolver that was removed since."""
    root.link("/etc/resolv.conf", "../run/resolvconf/resolv.conf")


def missing_disk(root: Root) -> None:
    """fstab names a disk that was taken away.

    In a container systemd's own generator leaves out all of fstab's devices. So it is run here,
    outside of any container, and what it made is handed to the host when it boots: the mount fails at once,
    before there is a journal, and the boot ends in emergency mode.
    """
    root.write("/etc/fstab", f"UUID={MISSING_UUID} /srv/data ext4 defaults 0 2\n")
    root.at(GENERATED).mkdir(parents=True)
    root.run(generator(root), GENERATED, GENERATED, GENERATED)
    root.write(f"/etc/systemd/system-generators/{_GENERATOR}", f'#!/bin/sh\ncp -a {GENERATED}/. "$1"\n', mode=0o755)


def generator(root: Root) -> str:
    """systemd's own generator of units from fstab."""
    places = (f"{folder}/systemd/system-generators/{_GENERATOR}" for folder in ("/usr/lib", "/lib"))
    return next(path for path in places if root.exists(path))


def leave_the_emergency(host: Running) -> None:
    """What a person at that prompt does: Ctrl-D. The boot goes on, and stops at the same place.

    In a container the wait for the disk is over before journald listens; this time it hears of it.
    """
    host.inside("systemctl", "--no-block", "default")
