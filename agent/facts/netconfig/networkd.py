"""systemd-networkd: its .network files, in its order, as it would apply them.

ConfigProblem codes (text as networkd logs it, without the journal's prefix):
  fatal, the file is not used:
    unreadable              the mode of the file, or of a directory above, keeps user systemd-network out
    dangling-link           a link that leads nowhere (and hides files of that name below)
    invalid-section-header  a line that begins with [ and does not end with ]
    not-utf8                a line outside comments that is not UTF-8
    no-match                nothing valid in [Match]
  not fatal, the line is passed over:
    lost-address, lost-gateway, lost-dns   an Address=, Gateway= or DNS= that can't be parsed
    invalid-match           a word of [Match] that can't be parsed
    invalid-value           any other value that can't be parsed
    unknown-section, unknown-key, assignment-outside-section, missing-equals, missing-key
  not fatal, only told:
    missing-prefix          an address without prefix length (release 257: /32; before: by its class)
    gateway-onlink          a gateway without any static address: networkd sets GatewayOnLink= itself
    deprecated              an old word that still works
    lost-section            an [Address] without Address=, a [Route] that has no effect
    not-a-network-file      a file that looks like one but does not end in .network: never read

Files that systemd ships itself are read (the first match may be one of them), but they are not named in
``files``: a host that has only those is not configured for networkd.
"""

from __future__ import annotations

from agent.facts.netconfig.confdirs import ConfFile
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager, ManagerConfig, Origin
from agent.facts.netconfig.networkd_files import Piece, daemon, directories, files, merged, pieces, version
from agent.facts.netconfig.networkd_keys import KEYS, SECTIONS
from agent.facts.netconfig.networkd_links import LinkFile, NetDev, link_for, links, netdevs
from agent.facts.netconfig.networkd_match import matching
from agent.facts.netconfig.networkd_network import Draft
from agent.facts.netconfig.text import by_helper
from agent.target import Target
from agent.unknown import Unknown

__all__ = ["LinkFile", "NetDev", "link_for", "links", "matching", "netdevs", "read"]

_MAX_TOLD = 200
_SHIPPED = (
    "80-6rd-tunnel",
    "80-container-host0",
    "80-container-host0-tun",
    "80-container-vb",
    "80-container-ve",
    "80-container-vz",
    "80-namespace-ns",
    "80-namespace-ns-tun",
    "80-vm-vt",
    "80-wifi-adhoc",
)


def read(target: Target) -> ManagerConfig:
    """What networkd's files say. ``interfaces`` are in the order in which they are tried."""
    reader, release = daemon(target), version(target)
    virtual = {netdev.name for netdev in netdevs(target) if netdev.usable}
    found, unread = files(target, ".network")
    names: list[str] = []
    interfaces: list[InterfaceConfig] = []
    problems: list[ConfigProblem] = []
    reasons = list(unread)
    helper = False
    for file in found:
        if file.masked:
            continue
        parts = pieces(target, file, reader, SECTIONS)
        draft = Draft(file.path, release)
        for path, setting in merged(parts):
            draft.take(path, setting)
        own = [problem for part in parts for problem in _complaints(part, draft.modern)]
        own += draft.finish(all(part.usable and not part.unread for part in parts))
        reasons += [part.unread for part in parts if part.unread]
        helper = helper or any(by_helper(part.text) for part in parts)
        shipped = _shipped(file)
        if not shipped:
            names += [part.path for part in parts]
        config = draft.config(virtual)
        if not any(problem.fatal for problem in own) and not parts[0].unread:
            interfaces.append(_labelled(config, file, shipped))
        problems += [_named(problem, config.name) for problem in _bounded(own)]
    problems += _misnamed(target)
    return ManagerConfig(
        Manager.NETWORKD,
        tuple(names),
        tuple(interfaces),
        tuple(problems),
        tuple(reasons),
        helper=helper,
    )


def _shipped(file: ConfFile) -> bool:
    return file.path.startswith(("/usr/lib/", "/lib/")) and file.name[: -len(".network")] in _SHIPPED


def _labelled(config: InterfaceConfig, file: ConfFile, shipped: bool) -> InterfaceConfig:
    """Says in ``settings`` where a file comes from when no administrator wrote it."""
    label = "systemd" if shipped else ""
    if file.path.startswith("/run/") and "-netplan-" in file.name:
        label = "netplan"
    if not label:
        return config
    return InterfaceConfig(**{**config.__dict__, "settings": {**config.settings, "generated-by": label}})


def _complaints(part: Piece, modern: bool) -> list[ConfigProblem]:
    path = part.path
    if part.dangling:
        text = f'Failed to check if "{path}" is empty: No such file or directory'
        return [ConfigProblem("dangling-link", text, Origin(path), True)]
    if part.denied:
        text = f"Failed to open configuration file '{path}': Permission denied"
        if modern:
            text = f"Failed to open {path}: Permission denied"
        return [ConfigProblem("unreadable", text, Origin(path), True)]
    found = [
        ConfigProblem(each.code, f"{path}:{each.line}: {each.text}", Origin(path, each.line), each.fatal)
        for each in part.parsed.complaints
    ]
    for setting in part.parsed.settings:
        keys = KEYS.get(setting.section)
        if keys is not None and setting.key not in keys and not setting.key.startswith("X-"):
            shown, where = setting.key[:100], Origin(path, setting.line)
            text = f"{path}:{setting.line}: Unknown key '{shown}' in section [{setting.section}], ignoring."
            found.append(ConfigProblem("unknown-key", text, where, False))
    return sorted(found, key=lambda problem: problem.origin.line)


def _bounded(found: list[ConfigProblem]) -> list[ConfigProblem]:
    """A file of nothing but errors is told by its first ones; what makes it useless is always told."""
    return [each for at, each in enumerate(found) if at < _MAX_TOLD or each.fatal]


def _named(problem: ConfigProblem, name: str) -> ConfigProblem:
    return ConfigProblem(problem.code, problem.text, problem.origin, problem.fatal, name)


def _misnamed(target: Target) -> list[ConfigProblem]:
    """Files of the administrator's directory that were meant to be read and are not."""
    base = directories(target)[0]
    names = target.list(base)
    if isinstance(names, Unknown):
        return []
    found: list[ConfigProblem] = []
    for name in list(names)[:512]:
        path = f"{base}/{name}"
        if name.startswith(".") or name.endswith((".network", ".netdev", ".link", ".d", ".dnssd", ".nspawn")):
            continue
        if not target.is_file(path):
            continue
        text = target.text(path, limit=65536)
        if isinstance(text, str) and "[Match]" in text and "[Network]" in text:
            why = f"{path}: not read by systemd-networkd: the name does not end in .network"
            found.append(ConfigProblem("not-a-network-file", why, Origin(path), False))
    return found
