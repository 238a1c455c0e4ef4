"""Boot: the kernel that runs, those on disk, their modules, GRUB's configuration, /proc/cmdline."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class KernelImage:
    path: str
    release: str  # as uname -r would print it
    initrd: str  # "" when there is none beside it
    modules: bool  # /lib/modules/<release> holds modules


@dataclass(frozen=True)
class Boot:
    """``cmdline`` is live only; ``grub_cmdline`` is what /etc/default/grub sets, ``menu_cmdlines`` the
    kernel lines of grub.cfg (or BLS entries). ``started`` is the time of this boot in seconds since
    the epoch (btime), or offline the newest boot that the target's logs or wtmp show."""

    kernels: tuple[KernelImage, ...]
    module_folders: tuple[str, ...]  # releases in /lib/modules
    cmdline: Maybe[str]
    grub_cmdline: Maybe[str]
    grub_config: Maybe[str]  # path of the grub.cfg in force
    menu_cmdlines: tuple[str, ...]
    started: Maybe[float]

    @property
    def ifnames_off(self) -> Maybe[bool]:
        """True when net.ifnames=0 is (live) or will be (on disk) on the kernel's command line."""
        raise NotImplementedError


def hostname(target: Target) -> Maybe[str]:
    raise NotImplementedError


def kernel(target: Target) -> Maybe[str]:
    raise NotImplementedError


def read(target: Target) -> Boot:
    raise NotImplementedError
