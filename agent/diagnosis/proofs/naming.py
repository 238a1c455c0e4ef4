"""What names the next boot gives to network cards: udev's masks on disk, the kernel's command line, the initrd.

udev gives predictable names by /usr/lib/systemd/network/99-default.link, applied by 80-net-setup-link.rules.
Masking either leaves the kernel's names (eth0), and so does net.ifnames=0 (systemd.net-naming-scheme(7)). An
initrd has its own udev and a copy of these files: a mask that is newer than the initrd is not in it, and the
initrd renames the card before the root is mounted (README.Debian of udev).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts.facts import Facts
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

LINK = "/etc/systemd/network/99-default.link"
RULES = "/etc/udev/rules.d/80-net-setup-link.rules"
SLOT = "/etc/udev/rules.d/80-net-name-slot.rules"  # of systemd 197 to 208

_LINODE_KERNEL = re.compile(r"-linode\d*$|-linode\d+\b")


@dataclass(frozen=True)
class Naming:
    """``options_off``: net.ifnames=0 stands in the kernel line that the next boot uses. ``masks``: paths that
    keep udev from naming. ``stale``: the initrd that is older than all masks, so that it holds none of them."""

    options_off: bool
    masks: tuple[str, ...] = ()
    stale: str = ""

    @property
    def off(self) -> bool:
        """The next boot leaves cards with the kernel's names."""
        return self.options_off or (bool(self.masks) and not self.stale)

    @property
    def why(self) -> str:
        """By what, as a clause: "net.ifnames=0 is set"; "" where names are given."""
        if self.options_off:
            return "net.ifnames=0 is set"
        return "udev's naming is masked" if self.off else ""


def next_boot(facts: Facts) -> Naming:
    """As the disk has it now."""
    masks = tuple(path for path in (LINK, RULES, SLOT) if masked(facts, path))
    options = facts.boot.ifnames_off_next is True and not linode_kernel(facts)
    return Naming(options, masks, _stale(facts, masks))


def masked(facts: Facts, path: str) -> bool:
    """A link to /dev/null, an empty file, or (a .link file) one without any policy for names."""
    if facts.target.readlink(path) == "/dev/null":
        return True
    text = facts.target.text(path)
    if isinstance(text, Unknown):
        return False
    if path.endswith(".link"):
        return not re.search(r"^\s*(?:NamePolicy|Name)\s*=\s*\S", text, re.MULTILINE)
    return not re.search(r"^\s*[^#\s]", text, re.MULTILINE)


def linode_kernel(facts: Facts) -> bool:
    """The instance boots a kernel that Linode supplies: no GRUB, no command line and no initrd of the disk's.
    Live its release tells (6.2.9-x86_64-linode160); a disk without any kernel can boot nothing else."""
    release = facts.kernel
    if not isinstance(release, Unknown):
        return bool(_LINODE_KERNEL.search(release))
    boot = facts.boot
    return not (boot.kernels or boot.menu or boot.module_folders) and isinstance(boot.grub_cmdline, Unknown)


def initrds(facts: Facts) -> tuple[str, ...]:
    """The initrds on disk, that of the default entry first."""
    entry = facts.boot.default_entry
    named = (entry.initrd if entry else "", *(image.initrd for image in facts.boot.kernels))
    return tuple(dict.fromkeys(path for path in named if path and facts.target.is_file(path)))


def _stale(facts: Facts, masks: tuple[str, ...]) -> str:
    found = initrds(facts)
    if not found or not masks or linode_kernel(facts):
        return ""
    built = facts.target.stat(found[0])
    made = [stat.mtime for stat in (facts.target.stat(path, follow=False) for path in masks) if isinstance(stat, Stat)]
    # Files have whole seconds on some filesystems: an initrd of the same second counts as built after.
    return found[0] if isinstance(built, Stat) and made and min(made) >= built.mtime + 1 else ""


def repaired_since_boot(facts: Facts) -> str:
    """Live: what was put on disk since this boot and keeps the names at the next; "" when nothing was.

    What had been there when the host booted did not help, and will not at the next boot either.
    """
    boot = facts.boot
    naming = next_boot(facts)
    if not facts.target.live or not naming.off:
        return ""
    if naming.options_off and boot.ifnames_off is False:
        return naming.why
    if isinstance(boot.started, Unknown):
        return ""
    newer = [path for path in naming.masks if _mtime(facts, path) > boot.started]
    rebuilt = any(_mtime(facts, path) > boot.started for path in initrds(facts)[:1])
    return f"{naming.masks[0]} masks udev's naming" if newer or (naming.masks and rebuilt) else ""


def _mtime(facts: Facts, path: str) -> float:
    stat = facts.target.stat(path, follow=False)
    if isinstance(stat, Stat) and stat.kind is Kind.LINK and not path.startswith("/etc/"):
        stat = facts.target.stat(path)
    return stat.mtime if isinstance(stat, Stat) else 0.0
