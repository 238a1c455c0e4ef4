"""Scripts of the administrator that load rules: units of one's own, ifupdown's hooks and commands, rc.local ..."""

from __future__ import annotations

import re

from agent.facts.netconfig.ifupdown_syntax import Dialect, parse
from agent.facts.service_model import Init
from agent.firewall.saved import files
from agent.firewall.saved.commands import MENTIONS, Command, Kind, commands
from agent.firewall.saved.known import ALONE, BESIDE, SAVED
from agent.firewall.saved.loaded import Loaded
from agent.firewall.saved.services import Services, unit_commands
from agent.target import Target
from agent.target.model import Kind as FileKind
from agent.target.model import Stat
from agent.unknown import Unknown

_NAME = re.compile(r"[A-Za-z0-9_-]+")  # run-parts(8) takes no others
_NETWORKING = ("networking", "ifupdown-ng")
_DISPATCHERS = ("/usr/lib/NetworkManager/dispatcher.d", "/etc/NetworkManager/dispatcher.d")
_NETWORKD_DISPATCHER = tuple(
    f"/etc/networkd-dispatcher/{state}.d" for state in ("configuring", "configured", "routable")
)
_LOCAL = ("/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local", "/etc/rc.d/rc.firewall")
_KNOWN = {saved.service for saved in SAVED} | {"ufw", "firewalld", *BESIDE, *ALONE}
_UNITS = 500  # in /etc; more are nobody's
_PATH = re.compile(r"^\s*PATH\s*=.*/sbin", re.MULTILINE)
_CRON = re.compile(r"^\s*@reboot\s+(.*)$", re.MULTILINE)


def load(known: Services, loaded: Loaded) -> None:
    """Load what scripts would, in the order of a boot: units, the network's hooks and commands, rc.local, cron."""
    _units(known, loaded)
    _init_scripts(known, loaded)
    _ifupdown(known, loaded)
    _dispatchers(known, loaded)
    _local(known, loaded)
    _cron(known, loaded)


def _units(known: Services, loaded: Loaded) -> None:
    if known.init is not Init.SYSTEMD:
        return
    for path in known.target.glob("/etc/systemd/system/*.service")[:_UNITS]:
        name = path.rsplit("/", 1)[1][: -len(".service")]
        if name in _KNOWN or known.target.readlink(path):
            continue  # loaded by then, or an alias
        found = unit_commands(known.target, path)
        for command in found:
            if known.starts(name):
                files.run(known.target, loaded, command, f"{name}.service", path)
            else:
                files.idle(known.target, loaded, command)


def _init_scripts(known: Services, loaded: Loaded) -> None:
    """Init scripts of one's own: they ask for their argument, so that most are not followed."""
    for path in known.target.glob("/etc/init.d/*")[:_UNITS]:
        name = path.rsplit("/", 1)[1]
        if name in _KNOWN or name == "rc.local" or not _NAME.fullmatch(name):
            continue
        text = known.target.text(path)
        mentions = not isinstance(text, Unknown) and MENTIONS.search(text)
        if mentions and known.starts(name) and known.unit(name).path == path:
            files.script(known.target, loaded, path, name)


def _ifupdown(known: Services, loaded: Loaded) -> None:
    target = known.target
    starts = any(known.starts(name) for name in _NETWORKING)
    for folder, options in (("if-pre-up.d", ("pre-up",)), ("if-up.d", ("up", "post-up"))):
        _options(target, loaded, options, starts)
        names = target.list(f"/etc/network/{folder}")
        for name in () if isinstance(names, Unknown) else names:
            runs = starts and _NAME.fullmatch(name) is not None
            _script(target, loaded, f"/etc/network/{folder}/{name}", runs)


def _options(target: Target, loaded: Loaded, names: tuple[str, ...], starts: bool) -> None:
    """pre-up and up lines of the interfaces that are brought up by themselves."""
    if not target.exists("/etc/network/interfaces"):
        return
    parsed = parse(target, Dialect.CLASSIC)
    brought_up = set(parsed.auto).union(*parsed.allow.values())
    for stanza in parsed.stanzas:
        for option in stanza.values(*names):
            place = f"{option.origin.path}:{option.origin.line}"
            for command in commands(option.value):
                if starts and stanza.name in brought_up:
                    files.run(target, loaded, command, place)
                else:
                    files.idle(target, loaded, command)


def _dispatchers(known: Services, loaded: Loaded) -> None:
    """Scripts that NetworkManager or networkd-dispatcher run when an interface is up; hidden and writable ones not."""
    for service, folders in (("NetworkManager", _DISPATCHERS), ("networkd-dispatcher", _NETWORKD_DISPATCHER)):
        for folder in folders:
            for sub in ("", "/pre-up.d") if service == "NetworkManager" else ("",):
                for path in known.target.glob(f"{folder}{sub}/*"):
                    stat = known.target.stat(path)
                    refused = isinstance(stat, Stat) and (stat.uid != 0 or stat.mode & 0o4022)
                    _script(known.target, loaded, path, known.starts(service) and not refused)


def _local(known: Services, loaded: Loaded) -> None:
    """rc.local: systemd starts it by itself, other inits through a shell (which needs no #!)."""
    target = known.target
    seen: set[str] = set()
    for path in _LOCAL:
        resolved = target.resolve(path)
        if not isinstance(resolved, Unknown) and resolved not in seen:
            seen.add(resolved)
            _script(target, loaded, path, True, by_shell=known.init is not Init.SYSTEMD)
    for path in target.glob("/etc/local.d/*.start"):
        _script(target, loaded, path, known.starts("local"))


def _cron(known: Services, loaded: Loaded) -> None:
    """@reboot lines of cron."""
    if not any(known.starts(name) for name in ("cron", "crond", "cronie")):
        return
    for path in ("/etc/crontab", *known.target.glob("/etc/cron.d/*"), *known.target.glob("/var/spool/cron/crontabs/*")):
        text = known.target.text(path)
        if isinstance(text, Unknown):
            continue
        for found in _CRON.finditer(text):
            line = found.group(1)
            if "/crontabs/" not in path:
                line = line.partition(" ")[2]  # behind the user's name
            for command in commands(line):
                _by_cron(known.target, loaded, command, path, _PATH.search(text) is not None)


def _by_cron(target: Target, loaded: Loaded, command: Command, path: str, has_path: bool) -> None:
    """cron's own PATH is /usr/bin:/bin, where most systems have none of these programs (crontab(5))."""
    if command.kind is Kind.SCRIPT:
        text = target.text(command.file)
        if not isinstance(text, Unknown) and MENTIONS.search(text):
            loaded.say(f"{files.printable(command.file)}, run by cron at boot, is not followed")
        return
    program = command.text.split(" ", 1)[0]
    if (
        program.startswith("/")
        or has_path
        or any(target.exists(f"{folder}/{program}") for folder in ("/usr/bin", "/bin"))
    ):
        files.run(target, loaded, command, path)
    else:
        files.idle(target, loaded, command)


def _script(target: Target, loaded: Loaded, path: str, starts: bool, by_shell: bool = False) -> None:
    stat = target.stat(path)
    if not isinstance(stat, Stat) or stat.kind is not FileKind.FILE:
        return
    text = target.text(path)
    if isinstance(text, Unknown):
        if starts and stat.executable:
            loaded.say(f"a script that runs at boot can't be read: {files.printable(text.reason)}")
    elif starts and stat.executable and (by_shell or _interpreted(target, text)):
        files.script(target, loaded, path, path)
    elif MENTIONS.search(text):
        for command in commands(text):
            files.idle(target, loaded, command)


def _interpreted(target: Target, text: str) -> bool:
    """Does the kernel find the interpreter? Without #!, with CR at its end or with a missing one the script fails."""
    first = text.split("\n", 1)[0]
    words = first[2:].split(" ") if first.startswith("#!") else []
    words = [word for word in words if word]
    return bool(words) and "\r" not in first and target.exists(words[0].strip())
