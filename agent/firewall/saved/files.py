"""Loading of files and commands into what a boot has loaded so far, by the program that each is for."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from agent.firewall.model import Backend, Family
from agent.firewall.saved.commands import MENTIONS, Command, Kind, commands
from agent.firewall.saved.loaded import Loaded, Opener
from agent.firewall.saved.shell import Guard
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Maybe, Unknown, Why

_LIMIT = 16 * 1024 * 1024  # bytes: lists of banned addresses are long
_FILES = 256  # that includes may add up to
_WILD = 2  # parts of an include's pattern that may be open
_DEPTH = 4  # of scripts that run scripts
_INCLUDE = re.compile(r"^\s*include\s+\"([^\"\n]{1,500})\"", re.MULTILINE)
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "busybox", "openrc-run", "runscript")


def backend(target: Target, family: Family) -> Backend:
    """The back end of iptables-restore (ip6tables-restore): where the links of the disk lead."""
    path = _program(target, family)
    return Backend.NF_TABLES if not isinstance(path, Unknown) and "nft" in path.rsplit("/", 1)[1] else Backend.LEGACY


def _program(target: Target, family: Family) -> Maybe[str]:
    name = "ip6tables-restore" if family is Family.IP6 else "iptables-restore"
    found = target.find_program(name)
    return target.resolve(found) if not isinstance(found, Unknown) else found


def check_program(target: Target, loaded: Loaded, family: Family, path: str) -> None:
    """Says so where there is no program to load a file for iptables-restore."""
    found = _program(target, family)
    if isinstance(found, Unknown):
        loaded.say(f"{found.reason}: whether {printable(path)} is loaded is not certain")


def run(target: Target, loaded: Loaded, command: Command, by: str, file: str = "", depth: int = 0) -> None:
    """What one command does; ``by`` is the service or script that runs it, ``file`` where it stands."""
    held = [_holds(target, guard) for guard in command.guards]
    if False in held:
        idle(target, loaded, command)
        return
    if None in held:
        script_too = command.kind is Kind.SCRIPT
        command = replace(command, certain=False) if script_too else replace(command, kind=Kind.OTHER)
    flavour = command.backend or backend(target, command.family)
    where = file or by
    if command.kind is Kind.OTHER:
        loaded.say(f"{printable(where)} has a command that is not followed (line {command.line}: {_short(command)})")
    elif command.kind is Kind.SCRIPT and not command.certain:
        text = target.text(command.file)
        if not isinstance(text, Unknown) and MENTIONS.search(text):
            loaded.say(f"{printable(where)} may run {printable(command.file)}, which is not followed")
    elif command.kind is Kind.SCRIPT:
        script(target, loaded, command.file, by, depth + 1)
    elif command.kind is Kind.RULE:
        check_program(target, loaded, command.family, where)
        loaded.command(command.words, where, command.line, command.family, flavour)
    elif command.kind is Kind.RESTORE and command.file:
        xtables(target, loaded, command.file, command.family, flavour, by, command.noflush)
    elif command.kind is Kind.RESTORE:
        check_program(target, loaded, command.family, where)
        loaded.restore(command.content, where, command.family, flavour, command.noflush)
    elif command.kind is Kind.NFT:
        if command.file:
            nft(target, loaded, command.file, by)
        else:
            loaded.flush_by(command.content)
            loaded.nft(command.content, where, command.line, _opener(target, loaded))
    elif command.file:
        ipset(target, loaded, command.file, by)
    else:
        loaded.sets(command.content, where, command.line)


def script(target: Target, loaded: Loaded, path: str, by: str, depth: int = 0) -> None:
    """What a script does that is run: its commands as far as they are plain."""
    text = target.text(path)
    if isinstance(text, Unknown):
        if text.why not in (Why.ABSENT, Why.TOO_LARGE, Why.SPECIAL):
            loaded.say(f"a script that runs at boot can't be read: {printable(text.reason)}")
        return
    if "\0" in text[:1024] or not loaded.takes_script():  # a program
        return
    if depth > _DEPTH:
        loaded.say(f"{printable(path)} is run by scripts within scripts, which is not followed")
        return
    if not _is_shell(text):
        if MENTIONS.search(text):
            loaded.say(f"{printable(path)} mentions a firewall's programs, and is no shell script: it is not followed")
        return
    found = commands(text)
    if any(command.kind in (Kind.RESTORE, Kind.RULE, Kind.NFT, Kind.IPSET) for command in found):
        loaded.loads(path, backend(target, Family.IP), None, by)
    for command in found:
        run(target, loaded, command, by, path, depth)


def _is_shell(text: str) -> bool:
    """By its first line; a text without #! is a shell's where a shell runs it."""
    first = text.split("\n", 1)[0]
    if not first.startswith("#!"):
        return True
    words = first[2:].split()
    names = [word.rsplit("/", 1)[-1] for word in words]
    return bool(names) and (names[0] in _SHELLS or (names[0] == "env" and len(names) > 1 and names[1] in _SHELLS))


def _holds(target: Target, guard: Guard) -> bool | None:
    """Does the condition hold? None where only the running host could tell."""
    if not guard.path:
        return False
    stat = target.stat(guard.path)
    if isinstance(stat, Unknown) and not stat.absent:
        return None
    if not isinstance(stat, Stat):
        held = False
    elif guard.test in ("-f", "-d"):
        held = target.is_file(guard.path) if guard.test == "-f" else target.is_dir(guard.path)
    elif guard.test == "-s":
        held = stat.size > 0
    else:
        held = stat.executable if guard.test == "-x" else True
    return held is guard.holds


def idle(target: Target, loaded: Loaded, command: Command) -> None:
    """A command that is not run: its file is one that nothing loads."""
    if command.file and command.kind in (Kind.RESTORE, Kind.NFT, Kind.IPSET) and target.exists(command.file):
        loaded.idle(command.file, Backend.NFT if command.kind is Kind.NFT else backend(target, command.family))


def printable(text: str) -> str:
    """A line of a file for people: without control characters, and short."""
    return "".join(char if char.isprintable() else "?" for char in text)[:100]


def _short(command: Command) -> str:
    return printable(command.text[:60])


def xtables(
    target: Target, loaded: Loaded, path: str, family: Family, flavour: Backend, by: str, noflush: bool = False
) -> None:
    """A file for iptables-restore."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its rules: {printable(text.reason)}")
        return
    check_program(target, loaded, family, path)
    loaded.restore(text, printable(path), family, flavour, noflush)
    loaded.loads(path, flavour, family, by)


def ipset(target: Target, loaded: Loaded, path: str, by: str) -> None:
    """A file for ipset restore."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its sets: {printable(text.reason)}")
        return
    loaded.sets(text, printable(path))
    loaded.loads(path, Backend.LEGACY, None, by)


def nft(target: Target, loaded: Loaded, path: str, by: str) -> None:
    """A file for nft -f, with what it includes."""
    text = target.text(path, _LIMIT)
    if isinstance(text, Unknown):
        loaded.say(f"{by} can't load its rules: {printable(text.reason)}")
        return
    if isinstance(target.find_program("nft"), Unknown):
        loaded.say(f"nft is not found: whether {printable(path)} is loaded is not certain")
    for one in _with_included(target, text):
        loaded.flush_by(one)
    loaded.nft(text, printable(path), 1, _opener(target, loaded))
    loaded.loads(path, Backend.NFT, None, by)


def _opener(target: Target, loaded: Loaded) -> Opener:
    """Opens what a file includes; one that can't be opened makes nft refuse the whole."""

    def opened(path: str) -> str:
        parts: list[str] = []
        for one in _included(target, path):
            text = target.text(one)
            if isinstance(text, Unknown):
                loaded.say(f"an include can't be read: {printable(text.reason)}")
                raise FileNotFoundError(printable(text.reason))
            parts.append(text)
        return "\n".join(parts)

    return opened


def _included(target: Target, path: str) -> tuple[str, ...]:
    """The files of an include. nft looks for names without a folder in /etc, and takes a pattern for all files that
    match it; ./NAME is looked for where nft was started, which is / at boot."""
    path = posixpath.normpath(posixpath.join("/" if path.startswith("./") else "/etc", path))
    wild = sum(any(char in part for char in "*?[") for part in path.split("/"))
    return (path,) if not wild else target.glob(path)[:_FILES] if wild <= _WILD else ()


def _with_included(target: Target, text: str) -> list[str]:
    """A text and those of the files that it includes, for what they flush."""
    texts, todo, seen = [text], [text], set[str]()
    while todo and len(texts) < _FILES:
        for include in _INCLUDE.finditer(todo.pop()):
            for path in _included(target, include.group(1)):
                found = target.text(path) if path not in seen else Unknown("seen")
                seen.add(path)
                if not isinstance(found, Unknown):
                    texts.append(found)
                    todo.append(found)
    return texts
