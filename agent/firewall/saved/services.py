"""The services that load saved rules before the network comes up, in the order in which they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from agent.facts import services
from agent.facts.service_model import Init, Unit
from agent.facts.shell_words import assignments
from agent.firewall.model import Backend, Family
from agent.firewall.saved import files, firewalld, ufw
from agent.firewall.saved.commands import MENTIONS, Command, Kind, commands
from agent.firewall.saved.known import ALONE, BESIDE, PERSISTENT_SETTINGS, SAVED, Saved
from agent.firewall.saved.loaded import Loaded
from agent.firewall.saved.shell_words import NotAScript, read
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

# The order where the units themselves tell none.
_ORDER = (
    "ipset",
    "netfilter-persistent",
    "iptables-persistent",
    "iptables",
    "ip6tables",
    "nftables",
    "firewalld",
    "ufw",
)
_STARTS = ("ExecStartPre", "ExecStart", "ExecStartPost")


class Services:
    """The services of a target, each asked for once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.init = services.init(target)
        self._units: dict[str, Unit] = {}

    def unit(self, name: str) -> Unit:
        if name not in self._units:
            full = f"{name}.service" if self.init is Init.SYSTEMD else name
            self._units[name] = services.unit(self.target, self.init, full)
        return self._units[name]

    def starts(self, name: str) -> bool:
        """Is it started at boot, under its own name? (iptables.service may be an alias of netfilter-persistent.)"""
        unit = self.unit(name)
        own = re.sub(r"^rc\.|\.(service|conf)$", "", unit.path.rsplit("/", 1)[-1])
        return unit.starts_at_boot and own == name

    def values(self, name: str, *keys: str) -> list[tuple[int, str]]:
        """What a systemd unit and its drop-ins say for some keys, with the lines; an empty value forgets the others."""
        path = self.unit(name).path
        return unit_values(self.target, path, keys) if path.endswith(".service") else []

    def words(self, name: str, key: str) -> set[str]:
        """Units that a unit names for a key (After=, Conflicts=), without their suffix."""
        return {word.removesuffix(".service") for _, value in self.values(name, key) for word in value.split()}


def unit_values(target: Target, path: str, keys: tuple[str, ...]) -> list[tuple[int, str]]:
    name = path.rsplit("/", 1)[1]
    dropins = [
        one
        for folder in ("/usr/lib", "/lib", "/etc")
        for one in target.glob(f"{folder}/systemd/system/{name}.d/*.conf")
    ]
    found: list[tuple[str, int, str]] = []
    for file in [path, *dropins]:
        text = target.text(file)
        joined = "" if isinstance(text, Unknown) else re.sub(r"\\\n", lambda _: "\0", text)
        number = 1
        for line in joined.split("\n"):
            key, equals, value = line.replace("\0", " ").strip().partition("=")
            if equals and key.strip() in keys:
                value = value.strip()
                found = [one for one in found if value or one[0] != key.strip()]
                if value:
                    found.append((key.strip(), number, value))
            number += 1 + line.count("\0")
    return list(dict.fromkeys((number, value) for _, number, value in found))


def unit_commands(target: Target, path: str) -> tuple[Command, ...]:
    """The commands that a unit runs when it starts and that may have to do with rules, with their lines."""
    found: list[Command] = []
    for number, value in unit_values(target, path, _STARTS):
        text = value.lstrip("-@:+!")
        if _has_operators(text):  # systemd runs no shell: to it they are words
            found += [Command(Kind.OTHER, number, text)] if MENTIONS.search(text) else []
        else:
            found += (replace(one, line=number) for one in commands(text))
    return tuple(found)


def _has_operators(text: str) -> bool:
    try:
        return any(word.operator for word in read(text))
    except NotAScript:
        return True


def load(known: Services, loaded: Loaded) -> None:
    """Load what the services that start at boot would; files that nothing loads are sources without a loader."""
    target = known.target
    steps: dict[str, Callable[[], None]] = {}
    for name in _ORDER:
        if known.starts(name):
            steps[name] = partial(_load_one, known, loaded, name)
    for name in _ordered(known, list(steps)):
        steps[name]()
    for saved in SAVED:
        if saved.service not in steps:
            _idle(known, loaded, saved)
    if "firewalld" not in steps and target.exists("/etc/firewalld/zones"):
        loaded.idle("/etc/firewalld/zones", Backend.NFT)
    if "ufw" not in steps and target.exists(ufw.SETTINGS):
        loaded.idle(ufw.SETTINGS, files.backend(target, Family.IP))
    loaders = {source.loaded_by for source in loaded.sources}
    _doubts(known, loaded, [name for name in steps if name == "firewalld" or known.unit(name).name in loaders])
    for name, said in BESIDE.items():
        if known.starts(name):
            loaded.manager(said)
    for name in ALONE:
        if known.starts(name):
            loaded.manager(name)
            loaded.say(f"{name} makes rules of its own when it starts, which are not read")


def _load_one(known: Services, loaded: Loaded, name: str) -> None:
    target, unit = known.target, known.unit(name)
    if name == "ufw":
        ufw.load(target, loaded, partial(files.backend, target), unit.name)
        return
    if name == "firewalld":
        loaded.manager("firewalld")
        loaded.firewalld(firewalld.zones(target))
        return
    own = unit_commands(target, unit.path) if unit.path.endswith(".service") else ()
    own = tuple(one for one in own if one.kind in (Kind.RESTORE, Kind.NFT, Kind.IPSET, Kind.OTHER))
    if any(one.kind is not Kind.OTHER for one in own):
        for command in own:
            files.run(target, loaded, command, unit.name, unit.path)
        return
    for saved in SAVED:
        if saved.service == name:
            _saved(known, loaded, saved)


def _ordered(known: Services, names: list[str]) -> list[str]:
    """The services in the order of their units, as far as these tell it."""
    found: list[str] = []
    for name in names:
        before = (place for place, other in enumerate(found) if _is_before(known, name, other))
        found.insert(next(before, len(found)), name)
    return found


def _is_before(known: Services, first: str, second: str) -> bool:
    return second in known.words(first, "Before") or first in known.words(second, "After")


def _doubts(known: Services, loaded: Loaded, names: list[str]) -> None:
    """Services that stop each other, or load into the same tables in no order."""
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            if other in known.words(one, "Conflicts") or one in known.words(other, "Conflicts"):
                loaded.say(f"{one} and {other} stop each other: which of them runs after a boot is not certain")
            elif not _is_before(known, one, other) and not _is_before(known, other, one) and _meet(loaded, one, other):
                loaded.say(f"{one} and {other} both load rules, and nothing says which comes last")


def _meet(loaded: Loaded, one: str, other: str) -> bool:
    """Does it matter which of two comes last?"""
    if {one, other} <= {"iptables", "ip6tables"} or "ipset" in (one, other):
        return False
    if "firewalld" in (one, other):
        return loaded.flushed or "nftables" not in (one, other)
    if "nftables" in (one, other):
        return loaded.flushed and any(source.backend is Backend.NF_TABLES for source in loaded.sources)
    return True


def _path(known: Services, saved: Saved) -> str:
    """The file, where this init's services would load it; "" where they would not."""
    if (saved.setting is not None) is not (known.init is Init.OPENRC):
        return ""
    if saved.setting is None:
        return saved.path
    text = known.target.text(saved.setting[0])
    values = {} if isinstance(text, Unknown) else assignments(text, expand=True)
    return values.get(saved.setting[1], "") or saved.path


def _saved(known: Services, loaded: Loaded, saved: Saved) -> None:
    target, path = known.target, _path(known, saved)
    if not path or not target.exists(path) or any(one.name == path and one.loaded_by for one in loaded.sources):
        return
    noflush = False
    if saved.plugin:
        stat = target.stat(saved.plugin)
        if not isinstance(stat, Stat) or not stat.executable:
            loaded.idle(path, _flavour(target, saved), saved.family if saved.kind is Kind.RESTORE else None)
            return
        noflush = _noflush(target, saved)
    loader = Command(saved.kind, 0, "", path, family=saved.family, noflush=noflush)
    files.run(target, loaded, loader, known.unit(saved.service).name)


def _noflush(target: Target, saved: Saved) -> bool:
    settings, plugin = target.text(PERSISTENT_SETTINGS), target.text(saved.plugin)
    if isinstance(settings, Unknown) or isinstance(plugin, Unknown):
        return False
    name = "IP6TABLES_RESTORE_NOFLUSH" if saved.family is Family.IP6 else "IPTABLES_RESTORE_NOFLUSH"
    return name in plugin and assignments(settings).get(name) == "yes"


def _flavour(target: Target, saved: Saved) -> Backend:
    return Backend.NFT if saved.kind is Kind.NFT else files.backend(target, saved.family)


def _idle(known: Services, loaded: Loaded, saved: Saved) -> None:
    path = _path(known, saved)
    if path and known.target.exists(path):
        loaded.idle(path, _flavour(known.target, saved), saved.family if saved.kind is Kind.RESTORE else None)
