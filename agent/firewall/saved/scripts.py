"""Scripts of the administrator that load rules: ifupdown's hooks and commands, units of one's own, rc.local."""

from __future__ import annotations

import re

from agent.facts.netconfig.ifupdown_syntax import Dialect, parse
from agent.firewall.model import Family
from agent.firewall.saved import files
from agent.firewall.saved.commands import Kind, commands
from agent.firewall.saved.loaded import Loaded
from agent.firewall.saved.services import SAVED, Services, unit_commands
from agent.target import Target
from agent.target.model import Kind as FileKind
from agent.target.model import Stat
from agent.unknown import Unknown

_NAME = re.compile(r"[A-Za-z0-9_-]+")  # run-parts(8) takes no others
_NETWORKING = ("networking", "ifupdown-ng")
_RC_LOCAL = ("/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local")
_LOADERS = {name for saved in SAVED for name in saved.services} | {"ufw", "firewalld"}
_UNITS = 500  # in /etc; more are nobody's


def load(known: Services, loaded: Loaded) -> None:
    """Load what scripts would, in the order of a boot: units, ifupdown's hooks and commands, rc.local."""
    _units(known, loaded)
    target = known.target
    starts = any(known.starts(name) for name in _NETWORKING)
    for folder, option in (("if-pre-up.d", ("pre-up",)), ("if-up.d", ("up", "post-up"))):
        _options(target, loaded, option, starts)
        names = target.list(f"/etc/network/{folder}")
        for name in [] if isinstance(names, Unknown) else names:
            _script(target, loaded, f"/etc/network/{folder}/{name}", starts and _NAME.fullmatch(name) is not None)
    seen: set[str] = set()
    for path in _RC_LOCAL:
        resolved = target.resolve(path)
        if not isinstance(resolved, Unknown) and resolved not in seen:
            seen.add(resolved)
            _script(target, loaded, path, True)


def _units(known: Services, loaded: Loaded) -> None:
    for path in known.target.glob("/etc/systemd/system/*.service")[:_UNITS]:
        name = path.rsplit("/", 1)[1][: -len(".service")]
        if name in _LOADERS or not _NAME.fullmatch(name.replace("@", "").replace(".", "")):
            continue
        found = unit_commands(known.target, path)
        for command in found:
            if known.starts(name):
                files.load(known.target, loaded, command, f"{name}.service")
            elif command.file:
                _idle(known.target, loaded, command.file)


def _options(target: Target, loaded: Loaded, names: tuple[str, ...], starts: bool) -> None:
    """pre-up and up lines of the interfaces that are brought up by themselves."""
    if not target.exists("/etc/network/interfaces"):
        return
    parsed = parse(target, Dialect.CLASSIC)
    brought_up = set(parsed.auto).union(*parsed.allow.values()) if parsed.allow else set(parsed.auto)
    for stanza in parsed.stanzas:
        for option in stanza.values(*names):
            for command in commands(option.value):
                if starts and stanza.name in brought_up:
                    files.load(target, loaded, command, f"{option.origin.path}:{option.origin.line}")
                elif command.file:
                    _idle(target, loaded, command.file)


def _script(target: Target, loaded: Loaded, path: str, starts: bool) -> None:
    stat = target.stat(path)
    if not isinstance(stat, Stat) or stat.kind is not FileKind.FILE:
        return
    text = target.text(path)
    if isinstance(text, Unknown):
        loaded.say(f"a script that runs at boot can't be read: {files.printable(text.reason)}")
        return
    found = commands(text)
    runs = starts and stat.executable and _interpreted(target, text)
    for command in found:
        if runs:
            files.load(target, loaded, command, path)
        elif command.kind is not Kind.OTHER:
            _idle(target, loaded, command.file)


def _interpreted(target: Target, text: str) -> bool:
    """Does the kernel find the interpreter? Without #!, with CR at its end or with a missing one the script fails."""
    first = text.split("\n", 1)[0]
    words = first[2:].split(" ") if first.startswith("#!") else []
    words = [word for word in words if word]
    return bool(words) and "\r" not in first and target.exists(words[0].strip())


def _idle(target: Target, loaded: Loaded, path: str) -> None:
    if target.exists(path) and all(source.name != path for source in loaded.sources):
        flavour = files.backend(target, Family.IP)
        loaded.idle(path, flavour)
