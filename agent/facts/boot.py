"""Boot: the kernel that runs, those on disk, their modules, GRUB's configuration, /proc/cmdline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts import boot_menu, kernels, utmp
from agent.facts.boot_menu import MenuEntry
from agent.facts.kernels import KernelImage
from agent.facts.shell_words import assignments
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

__all__ = ["Boot", "KernelImage", "MenuEntry", "hostname", "kernel", "read"]


@dataclass(frozen=True)
class Boot:
    """``cmdline`` is live only; ``grub_cmdline`` is what /etc/default/grub sets, ``menu_cmdlines`` the
    kernel lines of grub.cfg (or BLS entries). ``started`` is the time of this boot in seconds since
    the epoch (btime), or offline the newest boot that the target's logs or wtmp show. ``menu`` are the
    kernel lines taken apart, in the menu's order."""

    kernels: tuple[KernelImage, ...]
    module_folders: tuple[str, ...]  # releases in /lib/modules
    cmdline: Maybe[str]
    grub_cmdline: Maybe[str]
    grub_config: Maybe[str]  # path of the grub.cfg in force
    menu_cmdlines: tuple[str, ...]
    started: Maybe[float]
    menu: tuple[MenuEntry, ...] = ()
    preset: str = ""  # what the menu calls its default: a number, an id, a title, "1>2" in a submenu
    chosen: MenuEntry | None = None  # the entry that the preset names

    @property
    def default_entry(self) -> MenuEntry | None:
        """What the menu boots unless somebody chooses otherwise: its preset, or the first entry that is no
        recovery mode."""
        return self.chosen or next((entry for entry in self.menu if not entry.recovery), None)

    @property
    def ifnames_off(self) -> Maybe[bool]:
        """True when net.ifnames=0 is (live) or will be (on disk) on the kernel's command line."""
        return self.ifnames_off_next if isinstance(self.cmdline, Unknown) else names_off(self.cmdline)

    @property
    def ifnames_off_next(self) -> Maybe[bool]:
        """The same for the next boot, as the disk has it, also on the live host."""
        entry = self.default_entry
        if entry is not None:
            return names_off(entry.options)
        if self.menu_cmdlines:
            return names_off(self.menu_cmdlines[0])
        if isinstance(self.grub_cmdline, Unknown):
            return Unknown(
                f"neither a boot menu nor GRUB's defaults tell ({self.grub_cmdline.reason})",
                self.grub_cmdline.why,
            )
        return names_off(self.grub_cmdline)


def names_off(cmdline: str) -> bool:
    """udev's builtin net_id stays silent with net.ifnames=0; the last word counts."""
    words = [word.partition("=")[2] for word in cmdline.split() if word.startswith("net.ifnames=")]
    return bool(words) and words[-1].strip("\"'").lower() in ("0", "no", "n", "false", "f", "off")


def hostname(target: Target) -> Maybe[str]:
    """The running host's name; otherwise the one that it will take at boot."""
    if target.live:
        text = target.text("/proc/sys/kernel/hostname", 4096)
        if not isinstance(text, Unknown) and text.strip():
            return _name(text)
    failed: Unknown | None = None
    for path in ("/etc/hostname", "/etc/HOSTNAME"):
        text = target.text(path, 64 * 1024)
        if isinstance(text, Unknown):
            failed = failed if text.absent or failed else text
            continue
        for line in text.split("\n"):
            if line.strip() and not line.lstrip().startswith("#"):
                return _name(line)
    for path, key in (("/etc/sysconfig/network", "HOSTNAME"), ("/etc/conf.d/hostname", "hostname")):
        text = target.text(path, 64 * 1024)
        if not isinstance(text, Unknown):
            value = assignments(text).get(key, "").strip()
            if value:
                return _name(value)
    return failed or Unknown("no /etc/hostname", Why.ABSENT)


def _name(text: str) -> str:
    word = (text.split() or [""])[0]
    return "".join(char for char in word if char.isprintable())[:253]


def kernel(target: Target) -> Maybe[str]:
    """Release of the running kernel (uname -r); Unknown when not live."""
    if not target.live:
        return Unknown("the kernel that runs is not the target's own", Why.NOT_LIVE)
    text = target.text("/proc/sys/kernel/osrelease", 4096)
    return text if isinstance(text, Unknown) else text.strip()


def read(target: Target) -> Boot:
    """All facts of booting; no part that fails takes the others with it."""
    menu = boot_menu.read(target)
    images = kernels.read(target, tuple((entry.kernel, entry.initrd) for entry in menu.entries))
    return Boot(
        kernels=images,
        module_folders=kernels.module_folders(target),
        cmdline=_cmdline(target),
        grub_cmdline=boot_menu.default_options(target),
        grub_config=menu.path,
        menu_cmdlines=tuple(entry.text for entry in menu.entries),
        started=_started(target),
        menu=menu.entries,
        preset=menu.preset,
        chosen=menu.chosen,
    )


def _cmdline(target: Target) -> Maybe[str]:
    if not target.live:
        return Unknown("the command line shows only on the running host", Why.NOT_LIVE)
    text = target.text("/proc/cmdline", 64 * 1024)
    return text if isinstance(text, Unknown) else text.replace("\x00", " ").strip()


def _started(target: Target) -> Maybe[float]:
    """btime of proc_stat(5) when live. Offline wtmp's newest boot record, or the kernel's messages that
    Debian and its kin keep in /var/log/dmesg at every boot, whichever is newer."""
    if target.live:
        text = target.text("/proc/stat")
        if isinstance(text, Unknown):
            return text
        match = re.search(r"^btime (\d{1,12})$", text, re.MULTILINE)
        return float(match.group(1)) if match else Unknown("/proc/stat: no btime", Why.UNREADABLE)
    recorded = utmp.newest_boot(target)
    messages = target.stat("/var/log/dmesg")
    if isinstance(messages, Unknown) or messages.mtime <= 0:
        return recorded
    return messages.mtime if isinstance(recorded, Unknown) else max(recorded, messages.mtime)
