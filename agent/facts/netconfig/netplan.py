"""netplan: its YAML files merged as netplan merges them, and what ``netplan generate`` says of them.

ConfigProblem codes (text as netplan prints it, ``FILE:LINE:COLUMN: ...``, without the quoted line):
  fatal, ``netplan generate`` stops and writes nothing for any interface (from release 1.1 on the boot-time
  generator leaves out only the definition or file at fault, see ``ignores_errors``):
    invalid-yaml            tabs, indentation, quotes: no YAML
    unknown-key, wrong-type, invalid-boolean, invalid-number, invalid-value, malformed-address,
    missing-prefix, wrong-version, unknown-renderer, family-mismatch, incomplete-route,
    incomplete-definition, undefined-interface, two-masters
    unsupported             the renderer can't do what is asked
    default-without-via     a default route without gateway: the generator dies of it (networkd)
  not fatal:
    deprecated              gateway4, gateway6
    permissions             the file may be read by others
    conflicting-default-routes
    via-with-prefix         netplan takes ``via: 192.0.2.1/24``, its renderer then refuses the gateway
    not-a-yaml-file         a file of /etc/netplan that looks like one but does not end in .yaml
"""

from __future__ import annotations

import re

from agent.facts.netconfig.confdirs import collect
from agent.facts.netconfig.model import ConfigProblem, Manager, ManagerConfig, Origin
from agent.facts.netconfig.netplan_backend import backend_problems
from agent.facts.netconfig.netplan_build import build
from agent.facts.netconfig.netplan_check import Checker
from agent.facts.netconfig.netplan_world import Rejected, World
from agent.facts.netconfig.netplan_yaml import LIMIT, Fault, get, line_of, load, scalar
from agent.facts.netconfig.text import by_helper
from agent.facts.netconfig.yaml_nodes import Node
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

_DEPRECATED = (
    "`{}` has been deprecated, use default routes instead.\n"
    "See the 'Default routes' section of the documentation for more details."
)


def read(target: Target) -> ManagerConfig:
    """What netplan's files say; ``renderer`` is the global one, networkd where none is named."""
    run = ("/run/netplan",) if target.live else ()
    found, unread = collect(target, (*run, "/etc/netplan", "/lib/netplan", "/usr/lib/netplan"), ".yaml")
    reasons = list(unread)
    problems: list[ConfigProblem] = []
    roots: list[tuple[str, Node]] = []
    names: list[str] = []
    world = World(release=release(target) if found else None)
    helper = False
    for file in found:
        names.append(file.path)
        stat = target.stat(file.path)
        if isinstance(stat, Stat) and stat.mode & 0o066 and not file.masked:
            text = f"Permissions for {file.path} are too open. "
            text += "Netplan configuration should NOT be accessible by others."
            problems.append(ConfigProblem("permissions", text, Origin(file.path), False))
        data = target.read(file.path, limit=LIMIT) if not file.masked else b""
        if isinstance(data, Unknown):
            reasons.append(data.reason)
            continue
        helper = helper or by_helper(data.decode("utf-8", "replace"))
        root = load(data)
        if isinstance(root, Fault):
            if root.bound:
                reasons.append(f"{file.path}: {root.text}")
            else:
                problems.append(_fault(file.path, root))
        elif root is not None:
            roots.append((file.path, root))
            problems += _check(file.path, root, world)
    interfaces = build(roots, world)
    if not any(problem.fatal for problem in problems):
        problems += backend_problems(interfaces)
    problems += _misnamed(target)
    return ManagerConfig(
        Manager.NETPLAN,
        tuple(names),
        interfaces,
        tuple(problems),
        tuple(reasons),
        renderer=_renderer(roots) if names else "",
        helper=helper,
    )


def ignores_errors(target: Target) -> bool | None:
    """Whether this netplan's boot-time generator passes over what it can't take (release 1.1 and later)."""
    found = release(target)
    return None if found is None else found >= (1, 1)


def release(target: Target) -> tuple[int, int] | None:
    """netplan's release, from dpkg's record of netplan-generator or netplan.io; None when there is none."""
    text = target.text("/var/lib/dpkg/status", limit=64 * 1024 * 1024)
    if isinstance(text, Unknown):
        return None
    for name in ("netplan-generator", "netplan.io"):
        match = re.search(rf"^Package: {re.escape(name)}\n(?:.+\n)*?Version: (?:\d+:)?(\d+)\.(\d+)", text, re.M)
        if match:
            return int(match[1]), int(match[2])
    return None


def _fault(path: str, fault: Fault) -> ConfigProblem:
    # of bytes that are no text netplan gives the file's beginning as the place
    first = "UTF-8" in fault.text or "control characters" in fault.text
    place = "1:1" if first else f"{fault.line}:{fault.column}"
    text = f"{path}:{place}: {fault.text}"
    return ConfigProblem("invalid-yaml", text, Origin(path, fault.line), True)


def _check(path: str, root: Node, world: World) -> list[ConfigProblem]:
    checker = Checker(world)
    problems: list[ConfigProblem] = []
    try:
        checker.file(root)
    except Rejected as error:
        place = f"{path}:{error.line}:{error.column}" if error.column else path
        text = f"{place}: Error in network definition: {error.message}"
        origin = Origin(path, error.line)
        problems.append(ConfigProblem(error.code, text, origin, True, error.interface))
    except RecursionError:
        text = f"{path}: Error in network definition: a node contains itself"
        problems.append(ConfigProblem("invalid-value", text, Origin(path), True))
    for key, node, name in checker.deprecated:
        origin = Origin(path, line_of(node))
        problems.append(ConfigProblem("deprecated", _DEPRECATED.format(key), origin, False, name))
    return problems


def _renderer(roots: list[tuple[str, Node]]) -> str:
    found = ""
    for _, root in roots:
        found = scalar(get(get(root, "network"), "renderer")) or found
    return found if found in ("networkd", "NetworkManager") else "networkd"


def _misnamed(target: Target) -> list[ConfigProblem]:
    names = target.list("/etc/netplan")
    if isinstance(names, Unknown):
        return []
    found: list[ConfigProblem] = []
    for name in list(names)[:512]:
        path = f"/etc/netplan/{name}"
        if name.startswith(".") or name.endswith(".yaml") or not target.is_file(path):
            continue
        text = target.text(path, limit=65536)
        if isinstance(text, str) and re.search(r"^network:", text, re.MULTILINE):
            why = f"{path}: not read by netplan: the name does not end in .yaml"
            found.append(ConfigProblem("not-a-yaml-file", why, Origin(path), False))
    return found


__all__ = ["ignores_errors", "read", "release"]
