"""--initramfs: builds the initrd that the boot menu's default entry names anew, where it is missing, empty or cut off.

By the target's own tool, for that one kernel. In rescue mode it runs in a chroot of the disk, where it can't see
what the host will find at boot: so it is told to put in the drivers for any machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.change.model import Operation, Plan, Remove, Run, WriteFile
from agent.diagnosis.proofs import parts, wanted
from agent.facts.boot import MenuEntry
from agent.facts.facts import Facts
from agent.facts.kernels import has_modules
from agent.fixes import boot_options
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

TIMEOUT = 900.0  # seconds: compressing on a slow disk
SIZE = 64 * 1024 * 1024  # bytes of an initrd, where there is none to compare with
WORK = 4  # times the initrd's size: what is packed lies unpacked in /var/tmp
MIB = 1024 * 1024

# initramfs-tools with MODULES=dep looks at the machine that it runs on; this setting is read last.
DRIVERS = "/etc/initramfs-tools/conf.d/zz-lish-agent"
_ALL_DRIVERS = b"# made by lish-agent while an initrd is built on a disk that is not booted\nMODULES=most\n"
_RELEASE = re.compile(r"[0-9][\w.+~-]{1,120}")


@dataclass(frozen=True)
class _Tool:
    """How the target builds one initrd, and what is written by it."""

    argv: tuple[str, ...]
    keeps: tuple[str, ...]
    around: tuple[WriteFile, ...] = ()  # made before, removed after


def plan(request: Request) -> Planned:
    facts = request.facts
    cause = request.findings[0].values.get("cause", "") if request.findings else "initrd"
    if cause == "root":
        return _wrong_root(request)
    if facts.target.live and wanted.container(facts):
        return Refusal("a container is started from outside, without an initrd of its own")
    entry = facts.boot.default_entry
    if entry is None:
        return Refusal("no boot menu on this disk tells which kernel boots", "agent scan shows what is known")
    image = next((one for one in facts.boot.kernels if one.path == facts.target.resolve(entry.kernel)), None)
    release = image.release if image else ""
    if not _RELEASE.fullmatch(release):
        return Refusal(f"the release of {entry.kernel} can't be told")
    if not has_modules(facts.target, release):
        return Refusal(
            f"/lib/modules/{release} is missing: an initrd without its modules finds no disk",
            _reinstall(facts, release),
        )
    if not entry.initrd:
        return Refusal(
            f"the menu names no initrd for {entry.kernel}: a new one alone would not be used",
            "make the menu anew as well: " + parts.in_root(facts, f"update-initramfs -c -k {release} && update-grub"),
        )
    tool = _tool(facts, release, entry)
    if isinstance(tool, Refusal):
        return tool
    full = _full(facts, release)
    if full:
        return full
    run = Run(tool.argv, f"builds {entry.initrd} anew", tool.keeps, timeout=TIMEOUT)
    operations: tuple[Operation, ...] = (*tool.around, run, *(Remove(one.path) for one in tool.around))
    return Plan(
        summary=f"Builds {entry.initrd} anew, which the boot menu's default entry needs ({release}).",
        operations=operations,
        warnings=boot_options.post_update(facts.target) if tool.argv[0] == "update-initramfs" else (),
        reboot=True,
    )


def _wrong_root(request: Request) -> Refusal:
    """An initrd can't cure a root= that names no disk."""
    values = request.findings[0].values
    device, file = values.get("device", ""), values.get("file", "") or "the boot menu"
    return Refusal(
        f"root={device} of {file} names none of the disks: a new initrd would wait for it in vain, too",
        f"correct root= in {file} and /etc/default/grub (blkid lists the disks), or give the configuration profile "
        "the disk that is missing (Cloud Manager)",
    )


def _tool(facts: Facts, release: str, entry: MenuEntry) -> _Tool | Refusal:
    """The first tool that is there and that writes the very file that the menu names."""
    target, initrd = facts.target, entry.initrd
    real = target.resolve(initrd)
    path = _lasting(target, initrd) if isinstance(real, Unknown) else real
    beside = tuple(f"{path}{end}" for end in ("", ".new", ".bak", ".dpkg-bak", ".tmp"))
    if isinstance(target.find_program("update-initramfs"), str):
        own = f"/boot/initrd.img-{release}"
        if path != own:
            return Refusal(f"the menu names {initrd}, and update-initramfs writes {own}", _menu_anew(facts))
        around = (WriteFile(DRIVERS, _ALL_DRIVERS),) if not target.live and boot_options.selects(target) else ()
        script = target.text("/usr/sbin/update-initramfs")
        over = ("-t",) if isinstance(script, str) and "takeover" in script else ()  # before initramfs-tools 0.131
        keeps = (*beside, f"/var/lib/initramfs-tools/{release}")
        return _Tool(("update-initramfs", "-c", *over, "-k", release), keeps, around)
    if isinstance(target.find_program("dracut"), str):
        generic = not target.live and _knows(target, "hostonly")
        return _Tool(("dracut", "--force", *(("--no-hostonly",) if generic else ()), path, release), beside)
    if isinstance(target.find_program("mkinitcpio"), str):
        words = ("mkinitcpio", "-k", release, "-g", path)
        return _Tool(words if target.live else (*words, "-S", "autodetect"), beside)
    if isinstance(target.find_program("mkinitfs"), str):
        return _Tool(("mkinitfs", "-o", path, release), beside)
    return Refusal(
        "no tool that builds an initrd was found on this disk",
        "install one in a chroot with network: agent rescue --chroot (initramfs-tools, dracut, mkinitcpio, mkinitfs)",
    )


def _lasting(target: Target, path: str) -> str:
    """Where a missing file will be: through the link that names it, /initrd.img -> boot/initrd.img-6.1."""
    to = target.readlink(path)
    if isinstance(to, Unknown):
        folder, _, name = path.rpartition("/")
        real = target.resolve(folder or "/")
        return path if isinstance(real, Unknown) else f"{real.rstrip('/')}/{name}"
    return to if to.startswith("/") else f"{path.rpartition('/')[0]}/{to}"


def _knows(target: Target, word: str) -> bool:
    """Does the target's dracut (a shell script) know an option; that of CentOS 6 makes generic initrds anyway."""
    program = target.find_program("dracut")
    text = target.text(program) if isinstance(program, str) else program
    return isinstance(text, str) and f"no-{word}" in text


def _full(facts: Facts, release: str) -> Refusal | None:
    """A full disk is why the initrd is not whole, mostly; half of another one would not be better."""
    needed = max((_size(facts.target, one.initrd) for one in facts.boot.kernels if one.initrd), default=0)
    needed = int(needed * 1.25) or SIZE
    for path, wish in (("/boot", needed), ("/var/tmp", needed * WORK)):
        space = facts.target.space(path)
        if isinstance(space, Unknown) or not space.bytes_total:
            continue
        if space.bytes_free < wish:
            why = f"{space.bytes_free // MIB} MiB are free at {path}, and about {max(wish // MIB, 1)} MiB are needed"
            return Refusal(why, _room(facts, release, path))
        if space.inodes_total and space.inodes_free < 100:
            return Refusal(f"{space.inodes_free} inodes are free at {path}", _room(facts, release, path))
    return None


def _room(facts: Facts, release: str, path: str) -> str:
    """What takes the room: old kernels are named and never removed, for one of them may be the way back."""
    others = []
    for one in facts.boot.kernels:
        size = _size(facts.target, one.path) + _size(facts.target, one.initrd)
        if one.release and one.release not in (release, facts.kernel):
            others.append(f"{one.release} ({max(size // MIB, 1)} MiB)")
    if path != "/boot":
        return "make room first: apt-get clean; journalctl --vacuum-size=50M"
    if not others:
        return "make room in /boot first"
    oldest = others[0].partition(" ")[0]
    remove = f"apt-get purge linux-image-{oldest}" if facts.packages.system == "dpkg" else f"remove the kernel {oldest}"
    return f"make room first; other kernels: {', '.join(others[:5])}. For example: {parts.in_root(facts, remove)}"


def _size(target: Target, path: str) -> int:
    stat = target.stat(path) if path else None
    return stat.size if isinstance(stat, Stat) else 0


def _reinstall(facts: Facts, release: str) -> str:
    if facts.packages.system == "dpkg":
        install = f"apt-get install --reinstall linux-image-{release}"
        return f"install the kernel anew, in a chroot with network: {parts.in_root(facts, install)}"
    return "install the kernel anew, or choose another one in the boot menu"


def _menu_anew(facts: Facts) -> str:
    return f"make the menu anew: {parts.in_root(facts, 'update-grub')}"


def verify(request: Request) -> str:
    """What is still wrong with the initrd of the default entry; "" when it is there and ends as it should."""
    entry = request.facts.boot.default_entry
    if entry is None or not entry.initrd:
        return "the boot menu names no initrd"
    found = request.facts.initrd(entry.initrd)
    if isinstance(found, Unknown):
        return found.reason
    still = [one for one in request.findings if one.values.get("cause") == "initrd"]
    return f"{found.path} {found.problem}" if found.problem else "; ".join(one.proof for one in still)


FIX = Fix(
    name="initramfs",
    help="build the initrd of the kernel that boots anew, where it is missing or damaged",
    rules=("kernel-panic-no-root", "initramfs-no-root"),
    plan=plan,
    verify=verify,
)
