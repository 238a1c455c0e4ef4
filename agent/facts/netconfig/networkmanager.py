"""NetworkManager: its keyfile profiles, as its keyfile plugin loads them.

ConfigProblem codes (text as NetworkManager logs it):
  fatal, the profile is not loaded:
    keyfile-permissions     not root's, or readable by others
    keyfile-syntax          a line that GLib's key file parser refuses
    keyfile-invalid         a missing type, an unknown method, a bad interface name ...
  not fatal:
    invalid-address         an address or gateway that is passed over
    missing-prefix          an address without prefix length: /24 (IPv6 /64) is assumed
    invalid-dns, invalid-route, invalid-value
    unknown-group           a group that is no setting
    no-extension            a file of /run or /usr/lib without .nmconnection: not loaded
  and for ifcfg files:
    ifcfg-without-plugin    ifcfg files are there, and no plugin on disk that reads them

``interfaces`` come from the profiles that load, in no order that matters: NetworkManager chooses by
autoconnect-priority, then by the profile used last. Sources: nm-settings-keyfile(5), NetworkManager.conf(5).
"""

from __future__ import annotations

from agent.facts.netconfig.glib_keyfile import parse
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager, ManagerConfig, Origin
from agent.facts.netconfig.networkmanager_conf import NmSettings, ifcfg_plugin, nm_settings
from agent.facts.netconfig.networkmanager_profile import VIRTUAL, Profile
from agent.facts.netconfig.text import by_helper
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

__all__ = ["VIRTUAL", "NmSettings", "ifcfg_plugin", "nm_settings", "read"]

LIMIT = 128 * 1024
ETC = "/etc/NetworkManager/system-connections"
_RUN = "/run/NetworkManager/system-connections"
_LIB = "/usr/lib/NetworkManager/system-connections"
_EXTENSION = ".nmconnection"
_MAX = 512
_MKSTEMP = 6  # characters that mkstemp(3) adds after a dot


# In /run stand netplan's and cloud-init's profiles, and those that NetworkManager made up for cards without one:
# "Wired connection 1" is what happens for want of a configuration, and is none.
_WRITTEN = ("netplan-", "cloud-init-")


def read(target: Target) -> ManagerConfig:
    """All profiles that NetworkManager would load, and why it leaves out the others."""
    files: list[str] = []
    interfaces: list[InterfaceConfig] = []
    problems: list[ConfigProblem] = []
    unread: list[str] = []
    helper = False
    seen: set[str] = set()
    directories = (_RUN, ETC, _LIB) if target.live else (ETC, _LIB)
    for directory in directories:
        names = target.list(directory)
        if isinstance(names, Unknown):
            if not names.absent:
                unread.append(names.reason)
            continue
        if len(names) > _MAX:
            unread.append(f"{directory}: more than {_MAX} files, the others are not read")
        for name in list(names)[:_MAX]:
            path = f"{directory}/{name}"
            if _ignored(name) or (directory == _RUN and not name.startswith(_WRITTEN)):
                continue
            if directory != ETC and not name.endswith(_EXTENSION):
                text = f"{path}: not loaded by NetworkManager: the name does not end in {_EXTENSION}"
                problems.append(ConfigProblem("no-extension", text, Origin(path), False))
                continue
            stat = target.stat(path)
            if isinstance(stat, Stat) and stat.kind is Kind.DIR:
                continue
            files.append(path)
            data = target.read(path, limit=LIMIT)
            refused = _permissions(path, stat)
            if isinstance(data, Unknown):
                if not refused:
                    unread.append(data.reason)
                problems += refused
                continue
            helper = helper or by_helper(data.decode("utf-8", "replace"))
            profile = Profile(path, parse(data))
            found = refused or profile.problems()
            interface = profile.config()
            uuid = interface.settings.get("connection.uuid", path)
            problems += [_named(problem, interface.name) for problem in found]
            if uuid not in seen and not any(problem.fatal for problem in found):
                interfaces.append(interface)
                seen.add(uuid)
    problems += _orphaned_ifcfg(target)
    return ManagerConfig(
        Manager.NETWORKMANAGER,
        tuple(files),
        tuple(interfaces),
        tuple(problems),
        tuple(unread),
        helper=helper,
    )


def _named(problem: ConfigProblem, name: str) -> ConfigProblem:
    return ConfigProblem(problem.code, problem.text, problem.origin, problem.fatal, name)


def _ignored(name: str) -> bool:
    """Hidden files, backups with ~, certificates, and what mkstemp leaves (eth0.nmconnection.Ab12Cd)."""
    if name.startswith(".") or name.endswith("~") or name.lower().endswith((".pem", ".der")):
        return True
    _, dot, tail = name.rpartition(".")
    return bool(dot) and len(tail) == _MKSTEMP and tail.isascii() and tail.isalnum()


def _permissions(path: str, stat: object) -> list[ConfigProblem]:
    """What NetworkManager's check of owner and mode says; symbolic links are followed."""
    why = ""
    if isinstance(stat, Unknown):
        why = "cannot access file: No such file or directory" if stat.absent else ""
    elif isinstance(stat, Stat):
        kinds = {Kind.CHAR: 0o020000, Kind.BLOCK: 0o060000, Kind.FIFO: 0o010000, Kind.SOCKET: 0o140000}
        if stat.kind in kinds:
            why = "file is not a regular file"
        elif stat.uid != 0:
            why = f"File owner ({stat.uid}) is insecure"
        elif stat.mode & 0o077:
            why = f"File permissions ({0o100000 | stat.mode:o}) are insecure"
    if not why:
        return []
    text = f'keyfile: load: "{path}": failed to load connection: {why}'
    return [ConfigProblem("keyfile-permissions", text, Origin(path), True)]


def _orphaned_ifcfg(target: Target) -> list[ConfigProblem]:
    """ifcfg files on a host whose NetworkManager can't read them and that has no network scripts."""
    if isinstance(target.find_program("NetworkManager"), Unknown) or ifcfg_plugin(target):
        return []
    if target.exists("/etc/sysconfig/network-scripts/ifup-eth") or target.exists("/etc/init.d/network"):
        return []
    base = "/etc/sysconfig/network-scripts"
    names = target.list(base)
    if isinstance(names, Unknown):
        return []
    found: list[ConfigProblem] = []
    for name in list(names)[:_MAX]:
        device = name[len("ifcfg-") :]
        saved = name.endswith(("~", ".bak", ".orig", ".rpmnew", ".rpmsave", ".rpmorig", ".old"))
        if not name.startswith("ifcfg-") or device == "lo" or saved:
            continue
        text = f"{base}/{name}: no plugin of NetworkManager that reads ifcfg files is installed"
        found.append(ConfigProblem("ifcfg-without-plugin", text, Origin(f"{base}/{name}"), True, device))
    return found
