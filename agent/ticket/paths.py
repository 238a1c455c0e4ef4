"""Names inside the archive, made from names that anybody on the host may have chosen."""

from __future__ import annotations

import re

NAME = 60  # characters of one part of a path
DEPTH = 8  # parts
_OTHERS = re.compile(r"[^A-Za-z0-9._@+-]+")
_NEVER_FIRST = ".-"  # a hidden file, an option of a command
_WINDOWS = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")


def part(text: str, otherwise: str = "unnamed") -> str:
    """One part of a path: letters, digits and a few marks; never hidden, never "..", never empty."""
    kept = _OTHERS.sub("_", text)[:NAME].lstrip(_NEVER_FIRST).rstrip(".")
    return f"_{kept}" if _WINDOWS.match(kept) else kept or otherwise


def inside(folder: str, path: str) -> str:
    """Where a file of the host lies in the archive: config/etc/hosts."""
    parts = [part(piece) for piece in path.split("/") if piece][-DEPTH:]
    return "/".join([folder, *(parts or ["unnamed"])])


class Names:
    """Gives each path out once; a second one gets a number. Names that differ only in case are alike to some."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, path: str) -> str:
        """The path, or the path with a number before its ending."""
        found, number = path, 1
        while found.lower() in self._taken:
            number += 1
            folder, slash, name = path.rpartition("/")
            stem, dot, ending = name.rpartition(".")
            found = f"{folder}{slash}{stem or ending}-{number}{dot if stem else ''}{ending if stem else ''}"
        self._taken.add(found.lower())
        return found
