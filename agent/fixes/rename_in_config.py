"""--interface-names=config: a network card's present name into the configuration of the manager in charge.

One editor a format, each on the text itself: comments, order, quotes and blanks stay. The result is read again by
the manager's own reader, and must say of the new name what the old text said of the old one, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.change.model import Move, Operation, Plan, WriteFile
from agent.diagnosis.proofs import wanted
from agent.facts.facts import Facts
from agent.facts.netconfig import netplan_yaml
from agent.facts.netconfig.model import InterfaceConfig, Manager, ManagerConfig
from agent.facts.netconfig.yaml_nodes import Node
from agent.fixes import imagined
from agent.fixes.model import Planned, Refusal, Request
from agent.target import Target
from agent.unknown import Unknown

LIMIT = 256 * 1024  # bytes
PLAIN = "--interface-names keeps the old name instead"
SWITCH = (
    "switch off Auto-configure networking in Cloud Manager (the Linode's configuration profile) first; "
    f"{PLAIN}, and so leaves the helper's file right"
)

_RH = "/etc/sysconfig/network-scripts"
_SUSE = "/etc/sysconfig/network"
_KERNEL_PATH = re.compile(r"/(?:proc/sys/net/ipv[46]/(?:conf|neigh)|sys/class/net)/$")
# Other files in which rules or settings go by an interface's name.
_MENTIONS = (
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*.conf",
    "/etc/nftables.conf",
    "/etc/iptables/*",
    "/etc/iptables*.rules",
    "/etc/sysconfig/ip*tables",
    "/etc/ufw/*.rules",
    "/etc/firewalld/zones/*.xml",
    "/etc/shorewall/interfaces",
    "/etc/default/isc-dhcp-server",
    "/etc/dnsmasq.conf",
    "/etc/fail2ban/jail.local",
)
_AFTER = {
    Manager.IFUPDOWN: "ifup {new}",
    Manager.NETWORKD: "systemctl restart systemd-networkd",
    Manager.NETPLAN: "netplan apply",
    Manager.NETWORKMANAGER: "systemctl restart NetworkManager",
    Manager.IFCFG_RH: "ifup {new}",
    Manager.WICKED: "wicked ifup {new}",
}


class Name:
    """An old and a new name, and the old one as a whole word in a text."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new
        self._sysctl = re.compile(rf"(net[./]ipv[46][./](?:conf|neigh)[./]){re.escape(old)}(?=[./])")
        # eth0, its alias eth0:1 and its VLAN eth0.100; not eth01, veth0, eth0-up, eth0.conf.
        self._word = re.compile(rf"(?<![\w.:-]){re.escape(old)}(?=(?:\.\d+)?(?::\w+)?(?![\w-]|\.\w))")
        self._whole = re.compile(rf"{re.escape(old)}((?:\.\d+)?(?::\w+)?)")

    def within(self, text: str) -> str:
        """``text`` with the name changed wherever it stands for the interface; paths of files are left alone."""

        def replaced(match: re.Match[str]) -> str:
            before, after = text[: match.start()], text[match.end() :]
            if (before.endswith("/") or after.startswith("/")) and not _KERNEL_PATH.search(before):
                return match.group(0)
            return self.new

        text = self._sysctl.sub(lambda match: match.group(1) + self.new, text)
        return self._word.sub(replaced, text)

    def of(self, name: str) -> str:
        """An interface's name, or several, after the change."""
        words = name.split(" ")
        matches = [self._whole.fullmatch(word) for word in words]
        return " ".join(self.new + match.group(1) if match else word for word, match in zip(words, matches))


@dataclass(frozen=True)
class _Edited:
    path: str
    content: bytes
    moved_from: str = ""


Editor = Callable[[Target, ManagerConfig, Name], Iterator[_Edited]]


class _CantEdit(Exception):
    """The text could not be changed safely, and why."""


def plan(request: Request) -> Planned:
    facts = request.facts
    values = request.findings[0].values if request.findings else {}
    old, new = values.get("old", ""), values.get("iface", "")
    if not old or not new:
        return Refusal("which name stands for which interface is not proven", PLAIN)
    formats = list(
        dict.fromkeys(want.config.manager for want in wanted.all_of(facts) if want.card == old and want.at_boot)
    )
    if not formats:
        return Refusal(f"no manager in charge configures {old} by its name", PLAIN)
    try:
        operations = [step for one in formats for step in _of_format(facts, one, Name(old, new))]
    except _CantEdit as reason:
        return Refusal(str(reason), f"edit it by hand; {PLAIN}")
    kept = [path for path in _paths(operations) if path in facts.helper.files]
    if kept and facts.helper.on and not request.forced:
        return Refusal(f"Network Helper writes {kept[0]} anew at the next boot", SWITCH, forceable=True)
    live = facts.target.live
    return Plan(
        summary=f"Puts the interface's present name {new} in place of {old} into the configuration.",
        operations=tuple(operations),
        warnings=tuple(_warnings(facts, operations, old, kept)),
        reboot=not live,
        next=tuple(_AFTER[one].format(new=new) for one in formats) if live else (),
    )


def _of_format(facts: Facts, manager: Manager, name: Name) -> tuple[Operation, ...]:
    editor = _EDITORS.get(manager)
    config = facts.configs.get(manager)
    if editor is None or config is None:
        raise _CantEdit(f"there is no editor for {manager.value}")
    operations: list[Operation] = []
    for edited in editor(facts.target, config, name):
        if edited.moved_from:
            if facts.target.exists(edited.path, follow=False):
                raise _CantEdit(f"{edited.path} is there already")
            operations.append(Move(edited.moved_from, edited.path))
        operations.append(WriteFile(edited.path, edited.content))
    if not operations:
        raise _CantEdit(f"{name.old} was not found where {manager.value} takes it from")
    _check(facts, config, operations, name)
    return tuple(operations)


def _check(facts: Facts, before: ManagerConfig, operations: Sequence[Operation], name: Name) -> None:
    """The manager's reader finds the same as before under the new name."""
    after = Facts(imagined.after(facts.target, operations)).configs.get(before.manager)
    found = sorted(_said(config, lambda text: text) for config in (after.interfaces if after else ()))
    if found != sorted(_said(config, name.of) for config in before.interfaces):
        raise _CantEdit(f"with {name.new} in its files {before.manager.value} would read more than a new name")
    if after is not None and len(after.problems) > len(before.problems):
        raise _CantEdit(f"with {name.new} in its files {before.manager.value} would complain")


def _said(config: InterfaceConfig, named: Callable[[str], str]) -> tuple[str, ...]:
    routes = [f"{one.destination} {one.gateway} {one.metric} {one.table}" for one in config.routes]
    addresses = [str(one.interface) for one in config.addresses]
    flags = f"{config.auto} {config.hotplug} {config.optional} {config.virtual}"
    methods = f"{config.method4.value} {config.method6.value}"
    return (named(config.name), methods, str(addresses), str(routes), str(config.dns), str(config.macs), flags)


def _text(target: Target, path: str) -> str:
    data = target.read(path, LIMIT)
    if isinstance(data, Unknown):
        raise _CantEdit(data.reason)
    return data.decode("utf-8", "surrogateescape")


def _by_lines(target: Target, paths: Sequence[str], edit: Callable[[str, str], str]) -> Iterator[_Edited]:
    """Files whose lines ``edit(section, line)`` changes; the section is the last [header] above."""
    for path in dict.fromkeys(paths):
        if not path.startswith("/etc/"):
            continue  # a package's, or generated: not ours to edit
        before = _text(target, path)
        section, lines = "", before.split("\n")
        for number, line in enumerate(lines):
            header = re.match(r"\s*\[([^\]]+)\]\s*$", line)
            section = header.group(1) if header else section
            if line.strip() and line.lstrip()[0] not in "#;":
                lines[number] = edit(section, line)
        after = "\n".join(lines)
        if after != before:
            yield _Edited(_real(target, path), after.encode("utf-8", "surrogateescape"))


def _real(target: Target, path: str) -> str:
    """The file itself, where a link leads to it: links are not replaced."""
    real = target.resolve(path)
    return path if isinstance(real, Unknown) else real


def _ifupdown(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    def edit(section: str, line: str) -> str:
        return line if re.match(r"\s*(?:source|source-directory|script)\s", line) else name.within(line)

    return _by_lines(target, config.files, edit)


def _values(line: str, keys: str, name: Name) -> str:
    """A ``key=value`` line whose key is one of ``keys`` (a regex), with the name in its value changed."""
    match = re.match(rf"(\s*(?:{keys})\s*=)(.*)$", line, re.DOTALL)
    return match.group(1) + name.within(match.group(2)) if match else line


def _networkd(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    keys = {"Match": "Name|OriginalName", "Network": "BindCarrier"}
    return _by_lines(target, config.files, lambda part, line: _values(line, keys.get(part, r"(?!)"), name))


def _networkmanager(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    keys = {"connection": "interface-name", "match": "interface-name", "vlan": "parent|interface-name"}
    keys["macvlan"] = "parent"
    return _by_lines(target, config.files, lambda part, line: _values(line, keys.get(part, r"(?!)"), name))


def _ifcfg_rh(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    keys = "(?:export\\s+)?(?:DEVICE|NAME|PHYSDEV|GATEWAYDEV)"
    kinds = r"ifcfg|route6?|rule6?|keys"
    return _by_names(target, (*config.files, *_others(target, _RH, kinds, name)), kinds, keys, name)


def _wicked(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    keys = "(?:export\\s+)?(?:NAME|ETHERDEVICE|BRIDGE_PORTS|BONDING_SLAVE_?\\d+)"
    kinds = r"ifcfg|ifroute|ifrule"
    return _by_names(target, (*config.files, *_others(target, _SUSE, kinds, name)), kinds, keys, name)


def _others(target: Target, folder: str, kinds: str, name: Name) -> tuple[str, ...]:
    """Files of the old name that the reader does not list (rules, keys)."""
    names = target.list(folder)
    pattern = re.compile(rf"(?:{kinds})-{re.escape(name.old)}(?:\.\d+)?(?::\w+)?")
    return tuple(f"{folder}/{one}" for one in (() if isinstance(names, Unknown) else names) if pattern.fullmatch(one))


def _by_names(target: Target, paths: Sequence[str], kinds: str, keys: str, name: Name) -> Iterator[_Edited]:
    """ifcfg files and their kin: the name stands in the file's own name and in it."""
    for path in dict.fromkeys(paths):
        folder, _, base = path.rpartition("/")
        kind = re.fullmatch(rf"({kinds})-(.+)", base)
        settings = base.startswith("ifcfg-") or base == "network"
        before = _text(target, path)
        lines = [
            line if line.lstrip().startswith("#") else _values(line, keys, name) if settings else name.within(line)
            for line in before.split("\n")
        ]
        content = "\n".join(lines).encode("utf-8", "surrogateescape")
        to = f"{folder}/{kind.group(1)}-{name.of(kind.group(2))}" if kind else path
        if to != path:
            if not isinstance(target.readlink(path), Unknown):
                raise _CantEdit(f"{path} is a link")
            yield _Edited(to, content, path)
        elif "\n".join(lines) != before:
            yield _Edited(_real(target, path), content)


def _netplan(target: Target, config: ManagerConfig, name: Name) -> Iterator[_Edited]:
    for path in config.files:
        if not path.startswith("/etc/"):
            continue
        before = _text(target, path)
        root = netplan_yaml.load(before.encode("utf-8", "surrogateescape"))
        if isinstance(root, netplan_yaml.Fault) and root.bound:
            raise _CantEdit(f"{path} is {root.text}")
        if root is None or isinstance(root, netplan_yaml.Fault):
            continue
        after = before
        for node in sorted(_yaml_names(root, name.old), key=lambda node: -node.start_mark.index):
            start, end = node.start_mark.index, node.end_mark.index
            written = after[start:end]
            if written.strip("\"'") != name.old:
                raise _CantEdit(f"{path}:{node.start_mark.line + 1} writes {name.old} in a way that can't be edited")
            after = after[:start] + written.replace(name.old, name.new) + after[end:]
        if after != before:
            yield _Edited(_real(target, path), after.encode("utf-8", "surrogateescape"))


def _yaml_names(root: Node, old: str) -> Iterator[Node]:
    """The nodes of netplan's YAML that stand for the interface: its key, its match, references to its key."""
    renamed = True
    for kind, definitions in netplan_yaml.pairs(netplan_yaml.get(root, "network")):
        if netplan_yaml.scalar(kind) != "ethernets":
            continue
        for key, body in netplan_yaml.pairs(definitions):
            match = netplan_yaml.get(body, "match")
            by_name = netplan_yaml.get(match, "name")
            if match is None and netplan_yaml.scalar(key) == old:
                yield key
            elif by_name is not None and netplan_yaml.scalar(by_name) == old:
                yield by_name
            if match is not None and netplan_yaml.scalar(key) == old:
                renamed = False  # then the key is only an identity
    for _, definitions in netplan_yaml.pairs(netplan_yaml.get(root, "network")) if renamed else ():
        for _, body in netplan_yaml.pairs(definitions):
            named = [*netplan_yaml.items(netplan_yaml.get(body, "interfaces")), netplan_yaml.get(body, "link")]
            yield from (node for node in named if node is not None and netplan_yaml.scalar(node) == old)


_EDITORS: dict[Manager, Editor] = {
    Manager.IFUPDOWN: _ifupdown,
    Manager.NETWORKD: _networkd,
    Manager.NETPLAN: _netplan,
    Manager.NETWORKMANAGER: _networkmanager,
    Manager.IFCFG_RH: _ifcfg_rh,
    Manager.WICKED: _wicked,
}


def _paths(operations: Sequence[Operation]) -> Iterator[str]:
    for operation in operations:
        if isinstance(operation, (WriteFile, Move)):
            yield operation.path


def _warnings(facts: Facts, operations: Sequence[Operation], old: str, kept: Sequence[str]) -> Iterator[str]:
    if kept:
        when = "writes" if facts.helper.on else "once wrote"
        yield f"Network Helper {when} {kept[0]}: while it is on, it writes {old} again at each boot."
    if any("cloud-init" in path for path in _paths(operations)):
        yield "cloud-init wrote this file, and may write it anew."
    edited = set(_paths(operations))
    yield from (f"{path} names {old} too: it is left as it is." for path in mentions(facts.target, old, edited))


def mentions(target: Target, name: str, but: set[str] | None = None) -> tuple[str, ...]:
    """Files of firewalls, sysctl and services that go by the interface's name (at most five)."""
    if not name:
        return ()
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    found = []
    for path in (path for pattern in _MENTIONS for path in target.glob(pattern)[:50]):
        text = target.text(path, LIMIT) if path not in (but or ()) else ""
        lines = () if isinstance(text, Unknown) else text.split("\n")
        if any(word.search(line) for line in lines if not line.lstrip().startswith("#")):
            found.append(path)
    return tuple(found[:5])
