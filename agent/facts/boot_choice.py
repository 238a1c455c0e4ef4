"""Which entry a boot menu boots when nobody chooses: the menu's default, by number, id or title, in submenus too.

GRUB 2 (Info: grub, "Menu entries", "default"), GRUB legacy, syslinux. Pure functions on texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_HEADING = re.compile(
    r"""\s*(?P<kind>menuentry|submenu|title)\s+(?:'(?P<one>[^']*)'|"(?P<two>[^"]*)"|(?P<bare>\S.*))(?P<rest>.*)"""
)
_ID = re.compile(r"""(?:--id[= ]|\$menuentry_id_option\s+)\s*['"]?([^\s'"{]+)""")
_LEVELS = 8  # of submenus


class Places:
    """The headings of a grub.cfg (or menu.lst) as its lines go by: which entry the next kernel line belongs to.

    Entries without a kernel (a memory test, the firmware's settings) count as GRUB counts them.
    """

    def __init__(self) -> None:
        self.title = ""
        self.names: tuple[tuple[str, ...], ...] = ()
        self._counts = [0]
        self._above: list[tuple[str, ...]] = []
        self._open: list[str] = []  # what the braces that are open belong to

    def took(self, line: str) -> bool:
        """True when the line is a heading, or closes one."""
        found = _HEADING.match(line)
        if found is None:
            self._braces(line)
            return False
        kind = found["kind"]
        title = next(text for text in (found["one"], found["two"], found["bare"]) if text is not None)
        if kind == "title":
            title = title.strip()
        named = _ID.search(found["rest"] or "")
        own = (str(self._counts[-1]), *((named[1],) if named else ()), title)
        self._counts[-1] += 1
        if kind != "submenu":
            self.title, self.names = title.strip(), (*self._above, own)
        elif len(self._above) < _LEVELS:
            self._above.append(own)
            self._counts.append(0)
        if kind != "title" and line.rstrip().endswith("{"):
            self._open.append(kind)
        return True

    def _braces(self, line: str) -> None:
        text = line.strip()
        if text.endswith("{") and not text.endswith("${") and not text.startswith("#"):
            self._open.append("other")
        elif text == "}" and self._open and self._open.pop() == "submenu" and self._above:
            self._above.pop()
            self._counts.pop()


def find(preset: str, entries: Sequence[tuple[tuple[str, ...], ...]]) -> int | None:
    """Which of the entries, by their names, a preset means: "0", "gnulinux-simple-...", "Advanced options>Debian".

    A submenu that is chosen without one of its entries means its first. None when nothing is called so.
    """
    if not preset:
        return None
    parts = [part.replace("\0", ">") for part in preset.replace(">>", "\0").split(">")]
    for number, names in enumerate(entries):
        if len(names) >= len(parts) and all(_called(part, own) for part, own in zip(parts, names)):
            return number
    return None


def _called(part: str, names: tuple[str, ...]) -> bool:
    part = part.strip()
    if part.isdecimal() and len(part) < 6 and names[0].isdecimal():
        return int(part) == int(names[0])
    return part in names


def of_grub(text: str, environment: Mapping[str, str]) -> str:
    """The default of a grub.cfg: what is for the next boot alone, else the last that is set, with its variables."""
    preset = ""
    for value in re.findall(r"^\s*set\s+default=(.*)$", text, re.MULTILINE):
        value = value.strip().strip("\"'")
        if "next_entry" in value:
            once = environment.get("next_entry", "").strip()
            if once:
                return once
            continue
        preset = re.sub(r"\$\{?(\w+)\}?", lambda match: environment.get(match.group(1), ""), value).strip()
    return preset


def of_legacy(text: str, saved: str) -> str:
    """``default N`` of a menu.lst; ``default saved`` means the number in the file /boot/grub/default."""
    found = re.findall(r"^\s*default\s*[= \t]\s*(\w+)", text, re.MULTILINE)
    if not found:
        return "0"
    if found[-1] != "saved":
        return str(found[-1])
    number = re.match(r"\s*(\d{1,3})\b", saved)
    return number.group(1) if number else "0"


def of_syslinux(text: str) -> str:
    """The label of DEFAULT, or the one with MENU DEFAULT, which counts where a menu is shown."""
    label = preset = marked = ""
    for line in text.split("\n"):
        words = line.split()
        if len(words) < 2:
            continue
        first, second = words[0].upper(), words[1]
        if first == "LABEL":
            label = line.strip().partition(" ")[2].strip()
        elif first == "DEFAULT" and not second.endswith(".c32"):
            preset = line.strip().partition(" ")[2].strip()
        elif first == "MENU" and second.upper() == "DEFAULT":
            marked = marked or label
    return marked or preset
