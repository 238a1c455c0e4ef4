"""The boot loader's menu as it is on disk, and the defaults it is made from.

GRUB 2's grub.cfg, Boot Loader Specification entries, GRUB legacy's menu.lst and syslinux. A menu is a
shell-like script; only its plain lines are read: what a condition would leave out may be listed too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.facts import boot_choice
from agent.facts.shell_words import assignments
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

# Where a menu may be, in the order in which it is asked for on a Linode (whose own GRUB reads /boot/grub).
MENUS = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub/grub.conf",
    "/boot/grub/menu.lst",
)
SYSLINUX = ("/boot/extlinux.conf", "/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg")
ENTRIES = ("/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries")
LIMIT = 1024 * 1024  # bytes
COUNT = 500  # entries


@dataclass(frozen=True)
class MenuEntry:
    """One kernel line. ``kernel`` and ``initrd`` are paths in the target; ``options`` the command line."""

    kernel: str
    options: str
    initrd: str = ""
    title: str = ""
    source: str = ""
    line: int = 0
    names: tuple[tuple[str, ...], ...] = ()  # by which a default may call it: number, id and title, a level each

    @property
    def recovery(self) -> bool:
        words = self.options.split()
        return bool({"single", "recovery", "rd.break", "emergency"} & set(words)) or "rescue" in self.kernel

    @property
    def text(self) -> str:
        """The line as GRUB has it: the kernel, then its options."""
        return f"{self.kernel} {self.options}".strip()


@dataclass(frozen=True)
class Menu:
    """``path`` is the menu in force; ``entries`` those it would boot, in its order. ``preset`` is what it (or its
    environment block) calls the default: a number, an id, a title, "1>2" in a submenu; "" when it does not say."""

    path: Maybe[str]
    entries: tuple[MenuEntry, ...]
    preset: str = ""

    @property
    def chosen(self) -> MenuEntry | None:
        """The entry that ``preset`` names; None when it names none of those with a kernel."""
        number = boot_choice.find(self.preset, [entry.names for entry in self.entries])
        return None if number is None else self.entries[number]

    @property
    def default(self) -> MenuEntry | None:
        """What boots unless somebody chooses otherwise at the console: the preset, or the first entry that is no
        recovery mode."""
        return self.chosen or next((entry for entry in self.entries if not entry.recovery), None)


def read(target: Target) -> Menu:
    """The menu in force with its entries."""
    path = _in_force(target)
    text = "" if isinstance(path, Unknown) else target.text(path, LIMIT)
    if isinstance(text, Unknown):
        return Menu(text, _specified(target))
    source = "" if isinstance(path, Unknown) else path
    entries = parse_syslinux(text, source) if source in SYSLINUX else parse_grub(text, source)
    if isinstance(path, Unknown) or re.search(r"^\s*blscfg\b", text, re.MULTILINE):
        first = _specified(target)
        entries = (*first, *(_shifted(entry, len(first)) for entry in entries))
    return Menu(path, tuple(_resolved(target, entry) for entry in entries[:COUNT]), _preset(target, source, text))


def _preset(target: Target, source: str, text: str) -> str:
    if source in SYSLINUX:
        return boot_choice.of_syslinux(text)
    if source.endswith((".lst", ".conf")):
        saved = target.text("/boot/grub/default", 4096)
        return boot_choice.of_legacy(text, "" if isinstance(saved, Unknown) else saved)
    return boot_choice.of_grub(text, _environment(target))


def _shifted(entry: MenuEntry, count: int) -> MenuEntry:
    """An entry of grub.cfg whose numbers come after those of the specification's entries."""
    if not entry.names or not entry.names[0][0].isdecimal():
        return entry
    first = (str(int(entry.names[0][0]) + count), *entry.names[0][1:])
    return replace(entry, names=(first, *entry.names[1:]))


def _in_force(target: Target) -> Maybe[str]:
    for path in (*MENUS, *SYSLINUX, *target.glob("/boot/efi/EFI/*/grub.cfg")):
        if target.is_file(path):
            return path
    return Unknown("no grub.cfg in /boot/grub or /boot/grub2", Why.ABSENT)


_KERNEL_LINE = re.compile(r"\s*(?:linux(?:16|efi)?|kernel|multiboot2?)\s+(?:--\S+\s+)*(\S+)[ \t]*(.*)")
_INITRD_LINE = re.compile(r"\s*initrd(?:16|efi)?\s+(.*)")


def parse_grub(text: str, source: str = "") -> tuple[MenuEntry, ...]:
    """The kernel lines of a grub.cfg (or menu.lst), each with the initrd line that follows it."""
    entries: list[MenuEntry] = []
    places = boot_choice.Places()
    for number, line in enumerate(text.split("\n"), start=1):
        if places.took(line):
            continue
        kernel = _KERNEL_LINE.match(line)
        if kernel and len(entries) < COUNT:
            path = _path(kernel.group(1))
            if "memtest" not in path and "ipxe" not in path:
                options = kernel.group(2).strip()
                entries.append(MenuEntry(path, options, "", places.title, source, number, places.names))
            continue
        initrd = _INITRD_LINE.match(line)
        if initrd and entries and not entries[-1].initrd:
            entries[-1] = _with_initrd(entries[-1], initrd.group(1))
    return tuple(entries)


def parse_syslinux(text: str, source: str = "") -> tuple[MenuEntry, ...]:
    """LABEL, KERNEL (or LINUX), INITRD and APPEND of extlinux.conf."""
    entries: list[MenuEntry] = []
    title = ""
    for number, line in enumerate(text.split("\n"), start=1):
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if word.upper() == "LABEL":
            title = rest
        elif word.upper() in ("KERNEL", "LINUX") and len(entries) < COUNT:
            if not rest.endswith((".c32", ".bin")):
                path = _path(rest.split()[0]) if rest else ""
                entries.append(MenuEntry(path, "", "", title, source, number, ((title,),)))
        elif word.upper() == "APPEND" and entries and entries[-1].title == title:
            last = entries[-1]
            found = re.search(r"(?:^|\s)initrd=(\S+)", rest)
            entries[-1] = replace(last, options=rest)
            if found:
                entries[-1] = _with_initrd(entries[-1], found.group(1).replace(",", " "))
        elif word.upper() == "INITRD" and entries and entries[-1].title == title:
            entries[-1] = _with_initrd(entries[-1], rest.replace(",", " "))
    return tuple(entries)


def _with_initrd(entry: MenuEntry, text: str) -> MenuEntry:
    """An entry with the initrd of its line: the last one, for microcode comes before it."""
    paths = [_path(word) for word in text.split()]
    chosen = next((path for path in reversed(paths) if "$" not in path), "")
    return replace(entry, initrd=chosen)


def _path(word: str) -> str:
    """GRUB's path without its device and quotes: ($root)/boot/vmlinuz, (hd0,0)/vmlinuz."""
    path = re.sub(r"^\([^)]*\)", "", word.strip("\"'"))
    return path if path.startswith("/") else f"/{path}"


def _specified(target: Target) -> tuple[MenuEntry, ...]:
    """Boot Loader Specification entries, newest version first (as blscfg sorts them, nearly)."""
    found: list[tuple[tuple[object, ...], MenuEntry]] = []
    variables = _environment(target)
    for folder in ENTRIES:
        for path in target.glob(f"{folder}/*.conf")[:COUNT]:
            text = target.text(path, LIMIT)
            if isinstance(text, Unknown):
                continue
            fields: dict[str, list[str]] = {}
            for line in text.split("\n"):
                key, _, value = line.strip().partition(" ")
                if key and not key.startswith("#"):
                    fields.setdefault(key, []).append(value.strip())
            if "linux" not in fields:
                continue
            options = _expanded(" ".join(fields.get("options", [])), variables)
            entry = MenuEntry(_path(fields["linux"][-1]), options, "", fields.get("title", [""])[-1], path)
            entry = _with_initrd(entry, " ".join(fields.get("initrd", [])))
            found.append((_version_key(fields.get("version", [""])[-1] or path), entry))
    found.sort(key=lambda item: item[0], reverse=True)
    return tuple(
        replace(entry, names=((str(number), entry.source.rsplit("/", 1)[1][: -len(".conf")], entry.title),))
        for number, (_, entry) in enumerate(found)
    )


def _version_key(text: str) -> tuple[object, ...]:
    """Sorts 5.14.0-70 after 5.14.0-9, and rescue entries (version 0-rescue-...) last."""
    pieces = re.findall(r"\d+|[a-z]+", text.lower())[:40]
    return tuple((1, int(piece[:18]), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces)


def _environment(target: Target) -> dict[str, str]:
    """Variables of GRUB's environment block (kernelopts on EL 8)."""
    for path in ("/boot/grub2/grubenv", "/boot/grub/grubenv", *target.glob("/boot/efi/EFI/*/grubenv")):
        text = target.text(path, LIMIT)
        if not isinstance(text, Unknown):
            lines = (line for line in text.split("\n") if "=" in line and line[0] != "#")
            return {name: value for name, _, value in (line.partition("=") for line in lines)}
    return {}


def _expanded(options: str, variables: dict[str, str]) -> str:
    return " ".join(re.sub(r"\$(\w+)", lambda match: variables.get(match.group(1), ""), options).split())


def _resolved(target: Target, entry: MenuEntry) -> MenuEntry:
    """Paths as the target has them: a menu counts from its own filesystem, which may be /boot itself."""
    return replace(entry, kernel=_below_boot(target, entry.kernel), initrd=_below_boot(target, entry.initrd))


def _below_boot(target: Target, path: str) -> str:
    if not path or target.exists(path):
        return path
    for base in ("/boot", "/boot/efi", "/efi"):
        if target.exists(base + path):
            return base + path
    return path


def default_options(target: Target) -> Maybe[str]:
    """GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT together, as grub-mkconfig would join them."""
    text = target.text("/etc/default/grub", LIMIT)
    drop_ins = target.glob("/etc/default/grub.d/*.cfg")
    if isinstance(text, Unknown):
        kernel_install = target.text("/etc/kernel/cmdline", LIMIT)
        if not isinstance(kernel_install, Unknown):
            return " ".join(kernel_install.split())
        if not drop_ins:
            return text
        text = ""
    values = assignments(text, expand=True)
    for path in drop_ins:
        more = target.text(path, LIMIT)
        if not isinstance(more, Unknown):
            values = assignments(more, expand=True, known=values)
    both = (values.get("GRUB_CMDLINE_LINUX", ""), values.get("GRUB_CMDLINE_LINUX_DEFAULT", ""))
    return " ".join(" ".join(both).split())
