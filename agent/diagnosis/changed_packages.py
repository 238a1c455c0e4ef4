"""A run of a package manager in a few lines: kernel, boot, network and ssh by name, the rest counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.diagnosis.happening import WIDTH, Happening, clip, count, listed, plain
from agent.facts.package_logs.model import Action, PackageChange, PackageRun

KERNELS = re.compile(
    r"(?:linux|linux-(?:image|modules|lts|virt|hardened|zen|cloud|generic|kvm|vserver|edge)(?:-.*)?"
    r"|kernel|kernel-(?:core|modules|modules-core|default|huge|generic|uek|lt|ml|rt|kvmsmall|default-base)"
    r"|(?:sys-kernel/)?(?:gentoo-|vanilla-|linux-)?(?:sources|kernel|kernel-bin|dist-kernel))"
)
# The first of these that fit are named first.
TELLING = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:sys-boot/)?(?:grub|shim|systemd-boot|lilo|syslinux|extlinux|efibootmgr|u-boot).*",
        r"initramfs-tools.*|dracut.*|mkinitcpio.*|mkinitfs.*|mkinitrd.*|live-boot.*",
        r"(?:net-misc/)?(?:ifupdown.*|netplan.*|network-manager|NetworkManager|networkmanager|networking|netifrc|wicked)",
        r"(?:net-misc/)?(?:dhcpcd.*|isc-dhcp-client|dhclient|dhcp-client|dhcp|udhcpc|systemd-networkd|network-scripts)",
        r"(?:net-misc/|net-firewall/)?(?:openssh.*|dropbear.*|ufw|iptables.*|nftables|firewalld|fail2ban|cloud-init)",
        r"(?:sys-apps/|sys-fs/)?(?:systemd|systemd-sysv|systemd-resolved|udev|eudev|openrc|sysvinit.*|upstart|initscripts)",
        r"(?:sys-libs/)?(?:libc6|libc-bin|glibc|glibc-common|musl|aaa_glibc-solibs|libpam.*|pam|libssl.*|openssl.*|libcrypt1)",
        r"(?:sys-apps/)?(?:iproute2?|iproute|resolvconf|openresolv|sendmail.*|selinux-policy.*|e2fsprogs|lvm2|mdadm|util-linux)",
    )
)
_OPTIONS = re.compile(r"(?<= )(?:-o \S+|--?[A-Za-z]\S*)(?= |$)")
KERNEL_LINES = 2


def of_run(run: PackageRun) -> Iterator[Happening]:
    """One to four lines."""
    source = f"{run.source}:{run.line}" if run.line else run.source
    command = typed(run.command)
    if run.failed:
        failed = clip(run.failed.replace("Sub-process /usr/bin/", ""), WIDTH // 2)
        what = f"{clip(command or 'the package manager', WIDTH - len(failed) - 2)}: {failed}"
        yield Happening(run.began, what, "packages", source, 0)
    kernels = _kernels(run.changes)
    for change in kernels[:KERNEL_LINES]:
        yield Happening(run.began, described(change), "kernel", source, 0)
    rest = [change for change in run.changes if not KERNELS.fullmatch(change.package)]
    named = sorted((change for change in rest if _rank(change) < len(TELLING)), key=_rank)
    if len(run.changes) <= KERNEL_LINES:
        for change in rest:
            yield Happening(run.began, described(change), "packages", source, 0 if change in named else 1)
        return
    if len(named) == 1:
        yield Happening(run.began, described(named[0]), "packages", source, 0)
    elif named:
        yield Happening(run.began, _several(named), "packages", source, 0)
    if len(rest) > len(named) or len(named) > 1:
        yield Happening(run.began, _counted(run, command), "packages", source, 1)


def typed(command: str) -> str:
    """A command without its path and options, which take the room of what it was for."""
    words = _OPTIONS.sub("", plain(command)).split()
    return " ".join([words[0].rpartition("/")[2] or words[0], *words[1:]]) if words else ""


def described(change: PackageChange) -> str:
    """upgraded grub-pc 2.06-13 -> 2.06-14"""
    versions = f"{change.old} -> {change.new}" if change.old and change.new else change.new or change.old
    return clip(f"{change.action.value} {change.package} {versions}".rstrip())


def _kernels(changes: Sequence[PackageChange]) -> list[PackageChange]:
    """Kernels, new ones first; of one and the same version the package with the longest name, the image itself."""
    found: dict[tuple[Action, str], PackageChange] = {}
    for change in changes:
        if not KERNELS.fullmatch(change.package):
            continue
        key = (change.action, change.new or change.old)
        known = found.get(key)
        if known is None or _image(change) > _image(known):
            found[key] = change
    return sorted(found.values(), key=lambda change: change.action is Action.REMOVED)


def _image(change: PackageChange) -> tuple[bool, int]:
    return "modules" not in change.package, len(change.package)


def _rank(change: PackageChange) -> int:
    return next((index for index, known in enumerate(TELLING) if known.fullmatch(change.package)), len(TELLING))


def _several(changes: Sequence[PackageChange]) -> str:
    """Those of the action that most of them share come under its word."""
    groups: dict[Action, list[str]] = {}
    for change in changes:
        groups.setdefault(change.action, []).append(change.package)
    action, names = max(groups.items(), key=lambda item: (item[0] is Action.REMOVED, len(item[1])))
    others = len(changes) - len(names)
    tail = f", and {count(others, 'other')}" if others else ""
    return clip(f"{action.value} {listed(names, WIDTH - len(action.value) - len(tail) - 1)}{tail}")


def _counted(run: PackageRun, command: str) -> str:
    counts = sorted(((len(run.among(action)), action.value) for action in Action), key=lambda item: -item[0])
    parts: list[str] = []
    for number, word in counts:
        if number:
            parts.append(f"{number} {word}" if parts else f"{count(number, 'package')} {word}")
    text = ", ".join(parts)
    if len(text) > WIDTH:
        text = f"{count(len(run.changes), 'package')} installed, upgraded, removed"
    room = WIDTH - len(text) - 3
    return f"{text} ({clip(command, room)})" if command and room > 8 else text
