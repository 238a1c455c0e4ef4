"""Commands in scripts and units that change rules, each with what it loads.

Followed are iptables, iptables-restore, nft and ipset with words that need no shell to be understood, and scripts that
run others. Of any other command that has to do with rules it is said that it was not followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from agent.firewall.model import Backend, Family
from agent.firewall.saved.shell import Guard, Simple, simple_commands
from agent.firewall.saved.shell_words import NotAScript

_XTABLES = re.compile(r"(ip|ip6)tables(-legacy|-nft)?(-restore)?")
_OTHERS = re.compile(
    r"arptables.*|ebtables.*|ip6?tables.*|xtables.*|ufw|firewall-cmd|firewall-offline-cmd|ferm|shorewall6?(-lite)?"
    r"|firehol|netfilter-persistent|iptables-persistent|csf|apf"
)
MENTIONS = re.compile(r"\b(ip6?tables(-legacy|-nft)?(-restore)?|nft|ipset|ufw|firewall-cmd|nftables|firewalld)\b")
_BACKENDS = {"-legacy": Backend.LEGACY, "-nft": Backend.NF_TABLES}
_RESTORE_VALUES = ("-M", "--modprobe", "-T", "--table")
_LOOKS = ("-L", "-S", "-C", "-V", "-h", "-Z", "--list", "--list-rules", "--check", "--version", "--help", "--zero")
_IPSET_LOOKS = ("list", "save", "test", "version", "help", "-L", "-S", "-T", "-V", "-v", "--list", "--save", "--test")
_SHELLS = ("sh", "bash", "dash", "ash", "ksh")
_PREFIXES = ("exec", "sudo", "nohup", "command", "env", "nice", "/usr/bin/env")
_FOLDERS = ("/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/lib/systemd/", "/usr/lib/systemd/", "/usr/libexec/")
_HARMLESS = (
    *("echo", "printf", "logger", "grep", "[", "[[", "test", "which", "type", "hash", "modprobe", "rmmod", "lsmod"),
    *("cat", "cp", "mv", "rm", "mkdir", "touch", "chmod", "chown", "ls", "sleep", "return", "exit", "cd", "export"),
    *("log_daemon_msg", "log_progress_msg", "log_end_msg", "local", "trap", "unset", "readonly", "ln"),
)
_DEPTH = 4  # of sh -c within sh -c


class Kind(Enum):
    RESTORE = "iptables-restore"
    RULE = "iptables"
    NFT = "nft"
    IPSET = "ipset"
    SCRIPT = "a script"
    OTHER = "not followed"


@dataclass(frozen=True)
class Command:
    """``file`` is what is loaded, else ``content`` is its text (of nft and ipset also what stands on the line).

    ``words`` are those of one iptables command. ``backend`` is None where the program's name leaves it open.
    ``certain`` is false for a script of which it is not known whether it is run."""

    kind: Kind
    line: int
    text: str
    file: str = ""
    content: str = ""
    words: tuple[str, ...] = ()
    family: Family = Family.IP
    backend: Backend | None = None
    noflush: bool = False
    guards: tuple[Guard, ...] = ()
    certain: bool = True


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a shell's text that have to do with rules, in its order."""
    return tuple(_commands(text, 0))


def _commands(text: str, depth: int) -> list[Command]:
    try:
        simple = simple_commands(text)
    except NotAScript as problem:
        line = next((n for n, line in enumerate(text.split("\n"), start=1) if MENTIONS.search(line)), 0)
        return [Command(Kind.OTHER, line, str(problem))] if line else []
    found: list[Command] = []
    for one in simple:
        for command in _command(one, depth):
            if command.kind is Kind.SCRIPT:
                command = replace(command, certain=command.certain and one.certain)
            elif one.expands or one.piped or not one.certain:
                command = Command(Kind.OTHER, command.line, command.text)
            found.append(replace(command, guards=(*one.guards, *command.guards)))
    return found


def _command(one: Simple, depth: int) -> list[Command]:
    words = list(one.words)
    other = [Command(Kind.OTHER, one.line, one.text)]
    if words[0].startswith("$") or (one.expands and not words[0]):
        return other  # a program that only a shell would know
    if words[0] == "command" and words[1:2] in (["-v"], ["-V"]):
        return []
    while len(words) > 1 and (words[0] in _PREFIXES or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    program, rest = words[0].rsplit("/", 1)[-1], words[1:]
    xtables = _XTABLES.fullmatch(program)
    if program in _SHELLS and rest[:1] and rest[0] in ("-c", "-ec", "-ce") and len(rest) > 1:
        if depth == _DEPTH:
            return other
        return [replace(found, line=one.line) for found in _commands(rest[1], depth + 1)]
    if xtables is not None:
        return _iptables(one, xtables, rest)
    if program == "nft":
        return _nft(one, rest)
    if program == "ipset":
        return _ipset(one, rest)
    if _OTHERS.fullmatch(program):
        looks = program.endswith("-save") or (program == "ufw" and rest[:1] in (["status"], ["version"]))
        return [] if looks else other
    if program in (*_SHELLS, ".", "source"):
        rest = [word for word in rest if not word.startswith("-")]
        path = rest[0] if rest else ""
    else:
        path = words[0]
    if path.startswith("/") and not path.startswith(_FOLDERS) and not any(char in path for char in "$`*?"):
        return [Command(Kind.SCRIPT, one.line, one.text, path)]
    return other if program not in _HARMLESS and any(map(_is_program, words)) else []


def _is_program(word: str) -> bool:
    """Does a word name a firewall's program (xargs iptables), or hold a command with one (eval "iptables ...")?"""
    name = word.rsplit("/", 1)[-1]
    return MENTIONS.fullmatch(name) is not None or (" " in word and MENTIONS.search(word) is not None)


def _iptables(one: Simple, program: re.Match[str], rest: list[str]) -> list[Command]:
    family = Family.IP6 if program.group(1) == "ip6" else Family.IP
    known = Command(
        Kind.RULE, one.line, one.text, family=family, backend=_BACKENDS.get(program.group(2) or ""), guards=()
    )
    if not program.group(3):
        return [] if any(word in _LOOKS for word in rest[:3]) else [replace(known, words=tuple(rest))]
    if any(word in ("-t", "--test") for word in rest):
        return []
    noflush = any(word in ("-n", "--noflush") for word in rest)
    known = replace(known, kind=Kind.RESTORE, noflush=noflush)
    return [_fed(known, one, _argument(rest, _RESTORE_VALUES))]


def _nft(one: Simple, rest: list[str]) -> list[Command]:
    known = Command(Kind.NFT, one.line, one.text)
    at = next((place for place, word in enumerate(rest) if word in ("-f", "--file", "-nf", "-ef", "-cf")), -1)
    if any(word in ("-c", "--check", "-cf") for word in rest):
        return []
    if at >= 0:
        path = rest[at + 1] if len(rest) > at + 1 else ""
        return [_fed(known, one, "" if path in ("-", "/dev/stdin") else path)]
    words = rest
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-I", "--includepath", "-D", "--define") else words[1:]
    if not words or words[0] in ("list", "monitor", "describe"):
        return []
    return [replace(known, content=" ".join(words) + "\n")]


def _ipset(one: Simple, rest: list[str]) -> list[Command]:
    known = Command(Kind.IPSET, one.line, one.text)
    words = [word for word in rest if word not in ("-exist", "-!", "--exist", "-q", "-quiet", "--quiet")]
    if not words or words[0] in _IPSET_LOOKS:
        return []
    if any(word in ("restore", "-R", "--restore") for word in words):
        at = next((place for place, word in enumerate(words) if word in ("-f", "-file", "--file")), len(words))
        return [_fed(known, one, words[at + 1] if at + 1 < len(words) else "")]
    return [replace(known, content=" ".join(words) + "\n")]


def _fed(known: Command, one: Simple, argument: str) -> Command:
    """With what the program reads: a file that it names, else its input."""
    path = argument or one.file
    if path:
        return replace(known, file=path) if path.startswith("/") else replace(known, kind=Kind.OTHER)
    if one.document is not None:
        return replace(known, content=one.document)
    return replace(known, kind=Kind.OTHER)


def _argument(words: list[str], with_value: tuple[str, ...]) -> str:
    """The first word that is neither an option nor the value of one."""
    skip = False
    for word in words:
        if not skip and not word.startswith("-") and not word.isdecimal():
            return word
        skip = word in with_value
    return ""
