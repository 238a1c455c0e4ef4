"""A word on the kernel's command line, and a new initrd: what of them is on disk, and how a plan changes it.

The lines of the boot menu are edited where they stand, and not made anew by grub-mkconfig. Measured with GRUB 2.06
in a chroot: on a folder that is no mount point it ends well, and writes a menu that can't boot
(`linux /tmp/root/boot/vmlinuz root=/dev/vda`, the paths and the device of the machine around it); on a loop device
it fails (`grub-probe: error: failed to get canonical path`); without /dev it fails. It also lists new kernels,
runs os-prober over the other disks, and so changes more than the plan can show. An edited line needs no tool, is
the same change on the live host and on a mounted disk, and the next grub-mkconfig makes the same line from
/etc/default/grub, which is edited too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.change.model import Operation, Run, WriteFile
from agent.diagnosis.proofs import naming, parts
from agent.facts import boot_menu
from agent.facts.boot import names_off, read
from agent.facts.facts import Facts
from agent.facts.shell_words import assignments
from agent.fixes import imagined
from agent.target import Target
from agent.unknown import Unknown

WORD = "net.ifnames=0"
DEFAULTS = "/etc/default/grub"
KERNEL_INSTALL = "/etc/kernel/cmdline"  # kernel-install writes the entries of new kernels from it
GRUBENV = ("/boot/grub2/grubenv", "/boot/grub/grubenv")
GRUBENV_SIZE = 1024  # bytes: GRUB takes its environment block in exactly this size
REBUILD_TIME = 900.0  # seconds for all initrds

_OLD = re.compile(r"(?<![^\s\"'=])net\.ifnames=[^\s\"']*")
_KERNEL = re.compile(r"\s*(?:linux(?:16|efi)?|kernel)\s")
_APPEND = re.compile(r"\s*append\s", re.IGNORECASE)
_OPTIONS = re.compile(r"\s*options\s", re.IGNORECASE)
_BLOCK = re.compile(r"^\s*options\s.*\$(?:\{kernelopts\}|kernelopts\b)", re.MULTILINE)  # of GRUB's environment
_SETTING = re.compile(r"(?P<head>[ \t]*(?:export[ \t]+)?GRUB_CMDLINE_LINUX=)(?P<rest>[^\n]*)", re.MULTILINE)


@dataclass(frozen=True)
class Options:
    """The edits that put net.ifnames=0 on the kernel's command line. ``effective``: with them the next boot has
    it, or has it already; ``missed`` says what could not be edited, "" when nothing was missed."""

    operations: tuple[Operation, ...] = ()
    effective: bool = False
    missed: str = ""


def ifnames_off(facts: Facts) -> Options:
    """Edits of GRUB's defaults and of the menu in force; none where the word is there already."""
    if naming.linode_kernel(facts):
        return Options()
    target = facts.target
    edits = _Edits(target)
    _edit_defaults(edits)
    _edit_menu(edits, facts)
    operations = edits.operations()
    then = read(imagined.after(target, operations))
    effective = bool(then.menu) and all(names_off(entry.options) for entry in then.menu if not _foreign(target, entry))
    if then.menu and not effective:
        first = next(entry for entry in then.menu if not names_off(entry.options) and not _foreign(target, entry))
        return Options(operations, False, f"the kernel line of {first.source} could not be edited safely")
    return Options(operations, effective, "" if then.menu else "there is no boot menu on this disk")


class _Edits:
    """Texts that change, by real path; read once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._before: dict[str, bytes] = {}
        self._after: dict[str, bytes] = {}

    def text(self, path: str) -> str | None:
        """The file's present text, None when there is none to edit; odd bytes survive a round trip."""
        real = self.target.resolve(path)
        if isinstance(real, Unknown):
            return None
        if real not in self._after:
            data = self.target.read(real, boot_menu.LIMIT)
            if isinstance(data, Unknown):
                return None
            self._before[real] = self._after[real] = data
        return self._after[real].decode("utf-8", "surrogateescape")

    def put(self, path: str, text: str) -> None:
        real = self.target.resolve(path)
        if not isinstance(real, Unknown):
            self._after[real] = text.encode("utf-8", "surrogateescape")

    def operations(self) -> tuple[Operation, ...]:
        return tuple(WriteFile(path, data) for path, data in self._after.items() if data != self._before[path])


def _edit_defaults(edits: _Edits) -> None:
    """/etc/default/grub, and the snippet of grub.d that overrides it; kernel-install's own line."""
    target = edits.target
    text = edits.text(DEFAULTS)
    if text is not None:
        now = boot_menu.default_options(target)
        if isinstance(now, Unknown) or not names_off(now):
            edits.put(DEFAULTS, with_option(text))
            for path in reversed(target.glob("/etc/default/grub.d/*.cfg")):
                then = boot_menu.default_options(imagined.after(target, edits.operations()))
                if not isinstance(then, Unknown) and names_off(then):
                    break
                more = edits.text(path)
                if more is not None and _SETTING.search(_uncommented(more)):
                    edits.put(path, with_option(more))
    text = edits.text(KERNEL_INSTALL)
    if text is not None and text.strip() and not names_off(text):
        edits.put(KERNEL_INSTALL, _on_line(text))


def with_option(text: str, word: str = WORD) -> str:
    """``text`` of /etc/default/grub with ``word`` in GRUB_CMDLINE_LINUX: in the quotes of its last assignment,
    everything else as it was; where that line is too clever to edit, in a line of its own at the end."""
    text = _replaced(text)
    before = assignments(text, expand=True)
    words = before.get("GRUB_CMDLINE_LINUX", "").split()
    if word in words:
        return text
    edited = _in_last_assignment(text, word)
    if edited is not None:
        then = assignments(edited, expand=True)
        rest = {name: value for name, value in then.items() if name != "GRUB_CMDLINE_LINUX"}
        same = rest == {name: value for name, value in before.items() if name != "GRUB_CMDLINE_LINUX"}
        if same and then.get("GRUB_CMDLINE_LINUX", "").split() == [*words, word]:
            return edited
    end = "" if text.endswith("\n") or not text else "\n"
    value = f"$GRUB_CMDLINE_LINUX {word}" if "GRUB_CMDLINE_LINUX=" in _uncommented(text) else word
    return f'{text}{end}GRUB_CMDLINE_LINUX="{value}"\n'


def _replaced(text: str) -> str:
    """net.ifnames=1 that somebody wrote becomes net.ifnames=0; comments are left alone."""
    lines = text.split("\n")
    return "\n".join(line if line.lstrip().startswith("#") else _OLD.sub(WORD, line) for line in lines)


def _uncommented(text: str) -> str:
    """The same text, its comment lines blanked out so that offsets stay."""
    return re.sub(r"^[ \t]*#[^\n]*", lambda match: " " * len(match.group(0)), text, flags=re.MULTILINE)


def _in_last_assignment(text: str, word: str) -> str | None:
    found = list(_SETTING.finditer(_uncommented(text)))
    if not found:
        return None
    start = found[-1].start("rest")
    quote = text[start : start + 1]
    if quote in ('"', "'") and quote:
        close = start + 1
        while close < len(text) and text[close] != quote:
            close += 2 if text[close] == "\\" and quote == '"' else 1
        if close >= len(text):
            return None
        inside = text[start + 1 : close]
        gap = "" if not inside or inside[-1] in " \t\n" else " "
        return f"{text[:close]}{gap}{word}{text[close:]}"
    bare = re.match(r"[^\s;&|\"'\\$`#]*", text[start:])
    value = bare.group(0) if bare else ""
    following = text[start + len(value) : start + len(value) + 1]
    if following not in ("", "\n", " ", "\t", "\r"):
        return None
    joined = f"{value} {word}" if value else word
    return f'{text[:start]}"{joined}"{text[start + len(value) :]}'


def _edit_menu(edits: _Edits, facts: Facts) -> None:
    for source in dict.fromkeys(entry.source for entry in facts.boot.menu if entry.source):
        text = edits.text(source)
        if text is None:
            continue
        if source.endswith(".conf") and "/loader/entries/" in source:
            if not (_BLOCK.search(text) and _edit_block(edits)):
                edits.put(source, _lines(text, _OPTIONS))
        elif source in boot_menu.SYSLINUX:
            edits.put(source, _lines(text, _APPEND))
        else:
            edits.put(source, _lines(text, _KERNEL))


def _lines(text: str, kind: re.Pattern[str]) -> str:
    """``text`` with the word on all its kernel lines, but for those of other systems, which os-prober found."""
    lines = text.split("\n")
    foreign = False
    for number, line in enumerate(lines):
        section = re.match(r"### (BEGIN|END) \S*os-prober", line)
        if section:
            foreign = section.group(1) == "BEGIN"
        elif kind.match(line) and not foreign and not re.search(r"memtest|ipxe|\.c32|\.gz\b.*xen", line):
            lines[number] = _on_line(line)
    return "\n".join(lines)


def _on_line(line: str) -> str:
    """One line of words with net.ifnames=0 at its end: before blanks, a comment, a backslash, a line feed."""
    if _OLD.search(line):
        return _OLD.sub(WORD, line)
    body = re.match(r"(.*?)(\s*(?:\\|\s#.*)?\s*)$", line, re.DOTALL)
    head, tail = body.groups() if body else (line, "")
    return f"{head} {WORD}{tail}"


def _edit_block(edits: _Edits) -> bool:
    """kernelopts in GRUB's environment block, which keeps its size; False when it is not there or too full."""
    for path in (*GRUBENV, *edits.target.glob("/boot/efi/EFI/*/grubenv")):
        text = edits.text(path)
        if text is None:
            continue
        line = re.search(r"^kernelopts=.*$", text, re.MULTILINE)
        if line is None:
            return False
        if names_off(line.group(0).partition("=")[2]):
            return True
        edited = text[: line.start()] + _on_line(line.group(0)) + text[line.end() :]
        body = edited.rstrip("#")
        size = len(body.encode("utf-8", "surrogateescape"))
        if len(text.encode("utf-8", "surrogateescape")) != GRUBENV_SIZE or size > GRUBENV_SIZE or body[-1:] != "\n":
            return False
        edits.put(path, body + "#" * (GRUBENV_SIZE - size))
        return True
    return False


def _foreign(target: Target, entry: boot_menu.MenuEntry) -> bool:
    """An entry that os-prober wrote for a system on another disk."""
    if not entry.line:
        return False
    text = target.text(entry.source, boot_menu.LIMIT)
    above = [] if isinstance(text, Unknown) else text.split("\n")[: entry.line]
    marks = [line for line in above if re.match(r"### (?:BEGIN|END) ", line)]
    return bool(marks) and "os-prober" in marks[-1] and marks[-1].startswith("### BEGIN")


@dataclass(frozen=True)
class Rebuild:
    """How the initrds take up what changed below /etc: ``run`` does it; else ``command`` is what a person runs."""

    run: Run | None = None
    command: str = ""
    why_not: str = ""
    warnings: tuple[str, ...] = ()


_TOOLS = (
    ("update-initramfs", ("-u", "-k", "all"), ("/boot/initrd*", "/boot/initramfs*", "/var/lib/initramfs-tools/*")),
    ("dracut", ("-f", "--regenerate-all"), ("/boot/initramfs*", "/boot/initrd*")),
    (
        "mkinitcpio",
        ("-P",),
        ("/boot/*.img", "/efi/EFI/Linux/*.efi", "/boot/EFI/Linux/*.efi", "/boot/efi/EFI/Linux/*.efi"),
    ),
)


def rebuild_initrds(facts: Facts, needed: bool) -> Rebuild:
    """The target's own tool for its initrds. ``needed``: without it the change has no effect.

    dracut, mkinitcpio, and initramfs-tools with MODULES=dep put into the initrd what the machine at hand needs. In
    a rescue system that may be another selection than the host's own, and a host that does not boot is worse: where
    the change works without them they are left for the person, to be run on the host.
    """
    found = naming.initrds(facts)
    if not found or naming.linode_kernel(facts):
        return Rebuild()
    for tool, words, keeps in _TOOLS:
        if isinstance(facts.target.find_program(tool), Unknown):
            continue
        command = " ".join((tool, *words))
        if not needed and not facts.target.live and (tool != "update-initramfs" or selects(facts.target)):
            return Rebuild(None, command, "it selects modules by the machine that it runs on")
        aside = _other_folders(found)
        why = "builds the initrds anew, with the changed names in them"
        run = Run((tool, *words), why, (*keeps, *aside), timeout=REBUILD_TIME, required=needed)
        return Rebuild(run, command, "", post_update(facts.target))
    return Rebuild(None, "", "no tool that builds an initrd was found")


def selects(target: Target) -> bool:
    """Does initramfs-tools put in what the machine needs that it runs on (MODULES=dep), and nothing else?"""
    folder = "/etc/initramfs-tools"
    paths = (f"{folder}/initramfs.conf", *target.glob(f"{folder}/conf.d/*"))
    texts = (target.text(path) for path in paths)
    return any(assignments(text).get("MODULES") == "dep" for text in texts if isinstance(text, str))


def _other_folders(found: Sequence[str]) -> tuple[str, ...]:
    """Patterns for initrds that are not in /boot itself: /boot/<machine-id>/<release>/initrd."""
    folders = {path.rpartition("/")[0] for path in found}
    return tuple(f"{folder}/init*" for folder in sorted(folders) if folder != "/boot")


def post_update(target: Target) -> tuple[str, ...]:
    """A warning about programs that update-initramfs starts when it has ended; none where there are none."""
    names = [path.rpartition("/")[2] for path in target.glob("/etc/initramfs/post-update.d/*")]
    if not names:
        return ()
    shown = ", ".join(names[:3])
    return (f"update-initramfs also runs {shown}: what these write is not taken back by undo",)


def by_hand(facts: Facts, command: str) -> str:
    """The command as the person types it: inside of the mounted root."""
    return parts.in_root(facts, command)
