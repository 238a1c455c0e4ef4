"""Facts: everything that is read from one target, each fact read once, when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from agent.facts import (
    boot,
    devices,
    distro,
    dns,
    helper,
    initrd_decode,
    initrd_files,
    kernel_files,
    live_network,
    managers,
    packages,
    services,
    ssh,
    storage,
    superblock,
)
from agent.facts.filesystem import Check
from agent.facts.netconfig import readers
from agent.facts.netconfig.model import Manager, ManagerConfig
from agent.facts.network import Link, Neighbour, Route, RoutingRule
from agent.target import Target
from agent.unknown import Maybe

DECODING = 1.0  # seconds for the initrd of a running host


class Facts:
    """Lazy facts of a target. Reading one never changes the target, and never raises."""

    def __init__(self, target: Target, check: Check | None = None) -> None:
        """``check``: what a look at the unmounted filesystem of the root has shown, where there was one."""
        self.target = target
        self.check = check
        self.repaired: Mapping[str, float] = {}  # by rule id: logs older than this (seconds since the epoch) are over
        self.derived: dict[type, object] = {}  # what others have worked out of these facts, each once
        self._units: dict[str, services.Unit] = {}
        self._images: dict[str, Maybe[kernel_files.Image]] = {}
        self._initrds: dict[str, Maybe[initrd_files.Initrd]] = {}

    # -- who it is
    @cached_property
    def distro(self) -> distro.Distro:
        return distro.read(self.target)

    @cached_property
    def hostname(self) -> Maybe[str]:
        return boot.hostname(self.target)

    @cached_property
    def kernel(self) -> Maybe[str]:
        """Release of the running kernel (uname -r); Unknown when not live."""
        return boot.kernel(self.target)

    @cached_property
    def boot(self) -> boot.Boot:
        """Kernels and modules on disk, command line, GRUB's configuration, when this boot began."""
        return boot.read(self.target)

    def kernel_image(self, path: str) -> Maybe[kernel_files.Image]:
        """A kernel on disk, read to its end."""
        if path not in self._images:
            self._images[path] = kernel_files.read(self.target, path)
        return self._images[path]

    def initrd(self, path: str) -> Maybe[initrd_files.Initrd]:
        """An initrd on disk, read to its end. On a host that runs its decoders get less time: it has booted once."""
        if path not in self._initrds:
            seconds = DECODING if self.target.live else initrd_decode.SECONDS
            self._initrds[path] = initrd_files.read(self.target, path, seconds)
        return self._initrds[path]

    # -- live network
    @cached_property
    def links(self) -> Maybe[tuple[Link, ...]]:
        return live_network.links(self.target)

    @cached_property
    def routes(self) -> Maybe[tuple[Route, ...]]:
        return live_network.routes(self.target)

    @cached_property
    def rules(self) -> Maybe[tuple[RoutingRule, ...]]:
        return live_network.rules(self.target)

    @cached_property
    def neighbours(self) -> Maybe[tuple[Neighbour, ...]]:
        return live_network.neighbours(self.target)

    # -- configured network
    @cached_property
    def configs(self) -> Mapping[Manager, ManagerConfig]:
        """What each manager's files say, whether or not that manager is in charge."""
        return readers.read_all(self.target)

    @cached_property
    def managers(self) -> managers.Managers:
        """Which managers are installed, enabled and running, and which one is in charge."""
        return managers.read(self.target, self.unit, self.configs)

    @cached_property
    def helper(self) -> helper.NetworkHelper:
        """Traces of Linode's Network Helper."""
        return helper.read(self.target, self.boot)

    # -- system
    @cached_property
    def init(self) -> services.Init:
        return services.init(self.target)

    def unit(self, name: str) -> services.Unit:
        """One service: ``networking.service``; on other inits the script of the same stem."""
        if name not in self._units:
            self._units[name] = services.unit(self.target, self.init, name)
        return self._units[name]

    @cached_property
    def fstab(self) -> storage.Fstab:
        return storage.fstab(self.target)

    @cached_property
    def mounts(self) -> Maybe[tuple[storage.Mount, ...]]:
        return storage.mounts(self.target)

    @cached_property
    def devices(self) -> Maybe[tuple[devices.BlockDevice, ...]]:
        """Block devices of the target: live, or from the rescue system that holds its disks."""
        return devices.read(self.target)

    @cached_property
    def superblocks(self) -> tuple[superblock.Filesystem, ...]:
        """The target's own filesystems by their superblocks, its root first; none where no disk shows."""
        return superblock.own(self.target, self.mounts, self.fstab, self.devices)

    @cached_property
    def memory(self) -> Maybe[storage.Memory]:
        return storage.memory(self.target)

    @cached_property
    def packages(self) -> packages.Packages:
        return packages.read(self.target, self.distro)

    @cached_property
    def resolver(self) -> dns.Resolver:
        return dns.read(self.target)

    @cached_property
    def sshd(self) -> ssh.Sshd:
        return ssh.read(self.target)
