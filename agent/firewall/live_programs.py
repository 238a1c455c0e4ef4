"""The programs that print what is in force, and what they say when they can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.firewall.model import Backend
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

TIMEOUT = 60.0  # seconds; nft takes one for 20,000 rules
LIMIT = 64 * 1024 * 1024  # bytes of one text
_SHOWN = 200  # characters of a program's complaint


def said(target: Target, argv: Sequence[str], warn: Callable[[str], None] | None = None) -> Maybe[str]:
    """What a program prints; Unknown with a clause for people where it fails, or does not print all.

    ``warn`` gets what it complains of although it goes on: nft leaves out what it does not know of a newer kernel."""
    output = target.run(argv, TIMEOUT, LIMIT)
    line = " ".join(argv)
    if isinstance(output, Unknown):
        return output
    if output.truncated:
        return Unknown(f"{line} prints more than {LIMIT >> 20} MiB", Why.TOO_LARGE)
    if output.exit:
        return _failed(line, complaint(output.stderr or output.stdout) or f"exit status {output.exit}")
    grumble = complaint("\n".join(text for text in output.stderr.split("\n") if text[:1] != "#"))
    if warn is not None and grumble:
        warn(f"{line} complains: {grumble}")
    return output.stdout


def _failed(line: str, why: str) -> Unknown:
    denied = any(word in why.lower() for word in ("not permitted", "permission denied", "must be root"))
    return Unknown(f"{line}: {why}", Why.DENIED if denied else Why.FAILED)


def complaint(text: str) -> str:
    """The first line that says something, without what could move a terminal's cursor."""
    for line in text.splitlines():
        plain = "".join(char if char.isprintable() else "?" for char in line.strip())
        if plain:
            return plain[:_SHOWN]
    return ""


def save_program(target: Target, backend: Backend, family: int) -> Maybe[tuple[str, ...]]:
    """The command that prints the tables of xtables of one back end, without its options. ``family``: 4 or 6."""
    plain = "ip6tables" if family == 6 else "iptables"
    for flavour in ("legacy",) if backend is Backend.LEGACY else ("nft", "compat"):  # compat: as 1.6 called it
        own = f"{plain}-{flavour}-save"
        if not isinstance(target.find_program(own), Unknown):
            return (own,)
    path = target.find_program(f"{plain}-save")
    if not isinstance(path, Unknown) and _flavour(target, path, plain) is backend:
        return (f"{plain}-save",)
    for several in ("xtables-legacy-multi", "xtables-multi") if backend is Backend.LEGACY else ("xtables-nft-multi",):
        if not isinstance(target.find_program(several), Unknown):
            return (several, f"{plain}-save")
    return Unknown(f"{plain}-{'legacy' if backend is Backend.LEGACY else 'nft'}-save is not installed", Why.ABSENT)


def _flavour(target: Target, path: str, plain: str) -> Backend | None:
    """Whose tables a plain iptables-save prints: by the program behind it, else by what its own iptables says."""
    real = target.resolve(path)
    name = real.rpartition("/")[2] if isinstance(real, str) else ""
    if "nft" in name or "compat" in name:
        return Backend.NF_TABLES
    if "legacy" in name or name.endswith("tables-multi"):
        return Backend.LEGACY
    version = target.run((plain, "-V"))
    if isinstance(version, Unknown):
        return None
    return Backend.NF_TABLES if "nf_tables" in version.stdout else Backend.LEGACY
