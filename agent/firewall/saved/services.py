"""The services that load saved rules before the network comes up, and the files that each of them loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.facts import services
from agent.facts.service_model import Init, Unit
from agent.facts.shell_words import assignments
from agent.firewall.model import Backend, Family
from agent.firewall.saved import files, ufw
from agent.firewall.saved.commands import Command, Kind, commands
from agent.firewall.saved.loaded import Loaded
from agent.target import Target
from agent.unknown import Unknown


@dataclass(frozen=True)
class Saved:
    """A file that services of these names load, unless their unit itself names another. ``setting`` is OpenRC's:
    a file of settings and the variable in it that names the file. ``needs`` is a part without which it is not read.
    """

    services: tuple[str, ...]
    kind: Kind
    path: str
    family: Family = Family.IP
    setting: tuple[str, str] | None = None
    needs: str = ""


_PLUGINS = "/usr/share/netfilter-persistent/plugins.d"
_PERSISTENT = ("netfilter-persistent",)
_OLD_PERSISTENT = ("iptables-persistent",)
_NFTABLES = ("nftables",)
_IPTABLES, _IP6TABLES, _IPSET = ("iptables",), ("ip6tables",), ("ipset",)

# In the order in which they are loaded: sets stand before the rules that name them.
SAVED = (
    Saved(_PERSISTENT, Kind.IPSET, "/etc/iptables/ipsets", needs=f"{_PLUGINS}/10-ipset"),
    Saved(_IPSET, Kind.IPSET, "/etc/sysconfig/ipset"),
    Saved(_IPSET, Kind.IPSET, "/etc/ipset.conf"),
    Saved(_IPSET, Kind.IPSET, "/etc/ipset.rules", setting=("/etc/conf.d/ipset", "IPSET_SAVE")),
    Saved(_IPSET, Kind.IPSET, "/var/lib/ipset/rules-save", setting=("/etc/conf.d/ipset", "IPSET_SAVE")),
    Saved(_PERSISTENT, Kind.XTABLES, "/etc/iptables/rules.v4", needs=f"{_PLUGINS}/15-ip4tables"),
    Saved(_PERSISTENT, Kind.XTABLES, "/etc/iptables/rules.v6", Family.IP6, needs=f"{_PLUGINS}/25-ip6tables"),
    Saved(_OLD_PERSISTENT, Kind.XTABLES, "/etc/iptables/rules.v4"),
    Saved(_OLD_PERSISTENT, Kind.XTABLES, "/etc/iptables/rules.v6", Family.IP6),
    Saved(_OLD_PERSISTENT, Kind.XTABLES, "/etc/iptables/rules"),
    Saved(_IPTABLES, Kind.XTABLES, "/etc/sysconfig/iptables"),
    Saved(_IP6TABLES, Kind.XTABLES, "/etc/sysconfig/ip6tables", Family.IP6),
    Saved(_IPTABLES, Kind.XTABLES, "/etc/iptables/iptables.rules"),
    Saved(_IP6TABLES, Kind.XTABLES, "/etc/iptables/ip6tables.rules", Family.IP6),
    Saved(_IPTABLES, Kind.XTABLES, "/etc/iptables/rules-save", setting=("/etc/conf.d/iptables", "IPTABLES_SAVE")),
    Saved(_IPTABLES, Kind.XTABLES, "/var/lib/iptables/rules-save", setting=("/etc/conf.d/iptables", "IPTABLES_SAVE")),
    Saved(
        _IP6TABLES,
        Kind.XTABLES,
        "/etc/iptables/rules6-save",
        Family.IP6,
        setting=("/etc/conf.d/ip6tables", "IP6TABLES_SAVE"),
    ),
    Saved(
        _IP6TABLES,
        Kind.XTABLES,
        "/var/lib/ip6tables/rules-save",
        Family.IP6,
        setting=("/etc/conf.d/ip6tables", "IP6TABLES_SAVE"),
    ),
    Saved(_NFTABLES, Kind.NFT, "/etc/nftables.conf"),
    Saved(_NFTABLES, Kind.NFT, "/etc/sysconfig/nftables.conf"),
    Saved(_NFTABLES, Kind.NFT, "/etc/nftables.nft", setting=("/etc/conf.d/nftables", "rules_file")),
    Saved(_NFTABLES, Kind.NFT, "/var/lib/nftables/rules-save", setting=("/etc/conf.d/nftables", "NFTABLES_SAVE")),
)

# Services that write rules of their own while they start: no file tells which.
WRITERS = (
    *("docker", "podman", "fail2ban", "crowdsec-firewall-bouncer", "sshguard", "shorewall", "shorewall6", "ferm"),
    *("firehol", "SuSEfirewall2", "csf", "lfd", "apf", "kube-proxy", "kubelet", "k3s", "libvirtd"),
)


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
        return self.unit(name).starts_at_boot

    def own_commands(self, name: str) -> tuple[Command, ...]:
        """What the unit file itself loads (ExecStart=nft -f FILE); nothing where that is a script."""
        path = self.unit(name).path
        if not path.endswith(".service"):
            return ()
        return tuple(one for one in unit_commands(self.target, path) if one.kind is not Kind.OTHER)


def unit_commands(target: Target, path: str) -> tuple[Command, ...]:
    """The commands of a unit's ExecStart lines that have to do with rules, with their lines."""
    lines = target.lines(path)
    found: list[Command] = []
    for number, line in enumerate([] if isinstance(lines, Unknown) else lines, start=1):
        key, equals, value = line.strip().partition("=")
        if equals and key.strip() in ("ExecStartPre", "ExecStart", "ExecStartPost"):
            found += (replace(one, line=number) for one in commands(value.strip().lstrip("-@:+!")))
    return tuple(found)


def load(known: Services, loaded: Loaded) -> None:
    """Load what the services that start at boot would; files that nothing loads are sources without a loader."""
    target = known.target
    done: set[str] = set()
    starting: list[str] = []
    for saved in SAVED:
        for name in saved.services:
            own = known.own_commands(name) if known.starts(name) else ()
            if own and name not in done:
                for command in own:
                    files.load(target, loaded, command, known.unit(name).name)
            elif not own:
                _file(known, loaded, saved, name)
            if known.starts(name):
                done.add(name)
    starting += sorted(done - {"ipset"})
    for name in ("firewalld", "ufw"):
        if known.starts(name):
            starting.append(name)
    if known.starts("firewalld"):
        _firewalld(target, loaded)
    elif target.exists("/etc/firewalld/zones"):
        loaded.idle("/etc/firewalld/zones", Backend.NFT)
    _ufw(known, loaded)
    families = {name.replace("ip6tables", "iptables") for name in starting}
    if len(families) > 1:
        loaded.say(f"{' and '.join(starting)} are all loaded, and nothing says which comes last")
    for name in WRITERS:
        if known.starts(name):
            loaded.say(f"{name} adds rules of its own when it starts")


def _file(known: Services, loaded: Loaded, saved: Saved, name: str) -> None:
    target, path = known.target, saved.path
    flavour = Backend.NFT if saved.kind is Kind.NFT else files.backend(target, saved.family)
    if saved.setting is not None:
        if known.init is not Init.OPENRC:
            return
        path = _setting(target, saved.setting) or path
    elif known.init is Init.OPENRC and saved.kind is not Kind.NFT:
        return
    if not target.exists(path) or any(source.name == path and source.loaded_by for source in loaded.sources):
        return
    if not known.starts(name):
        if all(source.name != path for source in loaded.sources):
            loaded.idle(path, flavour, saved.family if saved.kind is Kind.XTABLES else None)
        return
    if saved.needs and not target.exists(saved.needs):
        loaded.say(f"{saved.needs} is missing, so {path} is not loaded by {name}")
        return
    loaded.sources[:] = [source for source in loaded.sources if source.name != path]
    files.load(target, loaded, Command(saved.kind, 0, "", path, saved.family), known.unit(name).name)


def _setting(target: Target, setting: tuple[str, str]) -> str:
    text = target.text(setting[0])
    return "" if isinstance(text, Unknown) else assignments(text, expand=True).get(setting[1], "")


def _ufw(known: Services, loaded: Loaded) -> None:
    target = known.target
    chosen: Callable[[Family], Backend] = lambda family: files.backend(target, family)  # noqa: E731
    if known.starts("ufw"):
        ufw.load(target, loaded, chosen, known.unit("ufw").name)
    elif target.exists(ufw.SETTINGS):
        loaded.idle(ufw.SETTINGS, chosen(Family.IP))


def _firewalld(target: Target, loaded: Loaded) -> None:
    loaded.manager("firewalld")
    try:
        from agent.firewall.saved import firewalld
    except ImportError:
        loaded.say("firewalld loads its zones, which can't be read by this version")
        return
    loaded.add(firewalld.zones(target))
