"""Loading of saved files into what a boot has loaded so far, by the program that each is for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from agent.firewall.model import Backend, Family, Ruleset
from agent.firewall.reading import Source
from agent.firewall.saved.commands import Command, Kind
from agent.firewall.saved.loaded import Loaded
from agent.target import Target
from agent.unknown import Unknown

_LIMIT = 64 * 1024 * 1024  # bytes: lists of banned addresses are long
_FLUSH = re.compile(r"^\s*flush\s+ruleset(?:\s+(\w+))?\s*;?\s*(?:#.*)?$", re.MULTILINE)
_FILES = 256  # that includes may add up to


def backend(target: Target, family: Family) -> Backend:
    """The back end of iptables-restore (ip6tables-restore): where the links of the disk lead."""
    name = "ip6tables-restore" if family is Family.IP6 else "iptables-restore"
    found = target.find_program(name)
    path = target.resolve(found) if not isinstance(found, Unknown) else found
    return Backend.NF_TABLES if not isinstance(path, Unknown) and "nft" in path.rsplit("/", 1)[1] else Backend.LEGACY


def load(target: Target, loaded: Loaded, command: Command, by: str) -> None:
    """What one command loads; ``by`` is the service or script that runs it."""
    if command.kind is Kind.XTABLES:
        flavour = command.backend or backend(target, command.family)
        xtables(target, loaded, command.file, command.family, flavour, by, command.noflush)
    elif command.kind is Kind.NFT:
        nft(target, loaded, command.file, by)
    elif command.kind is Kind.IPSET:
        ipset(target, loaded, command.file, by)
    else:
        loaded.say(f"{by} runs a command at line {command.line} that is not followed: {printable(command.text)}")


def printable(text: str) -> str:
    """A line of a file for people: without control characters, and short."""
    return "".join(char if char.isprintable() else "?" for char in text)[:100]


def xtables(
    target: Target, loaded: Loaded, path: str, family: Family, flavour: Backend, by: str, noflush: bool = False
) -> None:
    """A file for iptables-restore."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its rules: {printable(text.reason)}")
        return
    name = "ip6tables-restore" if family is Family.IP6 else "iptables-restore"
    if isinstance(target.find_program(name), Unknown):
        loaded.say(f"{name} is not found: whether {printable(path)} is loaded is not certain")
    loaded.restore(text, path, family, flavour, noflush)
    loaded.sources.append(Source(path, flavour, family, by))


def ipset(target: Target, loaded: Loaded, path: str, by: str) -> None:
    """A file for ipset restore."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its sets: {printable(text.reason)}")
        return
    loaded.restore_sets(text, path)
    loaded.sources.append(Source(path, Backend.LEGACY, None, by))


def nft(target: Target, loaded: Loaded, path: str, by: str) -> None:
    """A file for nft -f, with what it includes."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its rules: {printable(text.reason)}")
        return
    read = nft_reader()
    if read is None:
        loaded.say(f"{by} loads {printable(path)}, which can't be read by this version")
        return
    texts = [text]
    ruleset = read(text, printable(path), _opener(target, loaded, texts))
    for part in texts:
        for flush in _FLUSH.finditer(part):
            loaded.flush_ruleset(flush.group(1) or "")
    loaded.add(ruleset, printable(path))
    loaded.sources.append(Source(path, Backend.NFT, None, by))


def nft_reader() -> Callable[[str, str, Callable[[str], str]], Ruleset] | None:
    """The reader of nft's text."""
    try:
        from agent.firewall.nft import text as nft_text
    except ImportError:
        return None
    return lambda text, name, opener: nft_text.read(text, name=name, opener=opener)


def _opener(target: Target, loaded: Loaded, texts: list[str]) -> Callable[[str], str]:
    """Opens what a file includes: names without a folder stand in /etc, a pattern is all files that match it."""

    def opened(path: str) -> str:
        path = posixpath.normpath(posixpath.join("/etc", path))
        paths = target.glob(path) if any(char in path for char in "*?[") else (path,)
        parts: list[str] = []
        for one in paths:
            text = target.text(one) if len(texts) < _FILES else Unknown("too many files are included")
            if isinstance(text, Unknown):
                loaded.say(f"an include can't be read: {printable(text.reason)}")
                raise FileNotFoundError(printable(text.reason))
            parts.append(text)
            texts.append(text)
        return "\n".join(parts)

    return opened
