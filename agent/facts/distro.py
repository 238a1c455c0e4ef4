"""Which distribution the target runs."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target


@dataclass(frozen=True)
class Distro:
    """``id`` is os-release's ID (or the legacy release file's, in the same words), "" when unknown.
    ``version`` is VERSION_ID ("" for rolling and sid), ``name`` for people. ``like`` are the families
    (ID_LIKE). ``source`` is the file that told."""

    id: str
    version: str
    name: str
    like: tuple[str, ...] = ()
    codename: str = ""
    source: str = ""

    @property
    def known(self) -> bool:
        return bool(self.id)

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, () when it has none: (18, 4) for Ubuntu 18.04."""
        numbers = []
        for part in self.version.split("."):
            if not part.isdigit():
                break
            numbers.append(int(part))
        return tuple(numbers)

    def is_a(self, *families: str) -> bool:
        """True when the id or one of the families is among ``families``."""
        return any(name in families for name in (self.id, *self.like))


def read(target: Target) -> Distro:
    raise NotImplementedError
