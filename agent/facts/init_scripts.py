"""Services of the inits other than systemd: SysV, Upstart, OpenRC, Slackware's rc scripts, runit."""

from __future__ import annotations

import re

from agent.facts.service_model import Enablement, Init, Unit
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Maybe, Unknown, Why

# Names that other inits give to a systemd unit's service.
_OTHER_NAMES = {
    "NetworkManager": ("network-manager", "networkmanager"),
    "networking": ("network",),
    "network": ("networking",),
    "ssh": ("sshd",),
    "sshd": ("ssh",),
    "cron": ("crond", "cronie"),
    "crond": ("cron",),
    "rsyslog": ("syslog", "sysklogd"),
    "dbus": ("messagebus",),
}
_SLACKWARE_NAMES = {
    "networking": "inet1",
    "network": "inet1",
    "NetworkManager": "networkmanager",
    "ssh": "sshd",
}
_NEVER = ("shutdown", "nonetwork", "single", "off")  # OpenRC runlevels that are no part of a normal boot


def unit(target: Target, init: Init, name: str) -> Unit:
    """One service on an init that is not systemd; ``name`` is a systemd unit's name."""
    stem = name[: -len(".service")] if name.endswith(".service") else name
    readers = {
        Init.UPSTART: _upstart,
        Init.SYSVINIT: _sysv,
        Init.OPENRC: _openrc,
        Init.BSD: _slackware,
        Init.RUNIT: _runit,
        Init.UNKNOWN: _sysv,
    }
    full = name if "." in name else f"{name}.service"
    if "." in stem and stem.rpartition(".")[2] in ("socket", "target", "timer", "mount", "path"):
        return Unit(full, "", Enablement.ABSENT)
    for candidate in (stem, *_OTHER_NAMES.get(stem, ())):
        found = readers[init](target, full, candidate)
        if found.present:
            return found
    return Unit(full, "", Enablement.ABSENT)


def script(target: Target, stem: str) -> str:
    """Path of an executable init script, "" when there is none."""
    for folder in ("/etc/init.d", "/etc/rc.d/init.d"):
        path = f"{folder}/{stem}"
        stat = target.stat(path)
        if isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.executable and "/" not in stem:
            return path
    return ""


def start_links(target: Target, stem: str, levels: tuple[str, ...]) -> tuple[str, ...]:
    """The links S??NAME of some runlevels, in /etc/rc?.d (Debian), /etc/rc.d/rc?.d (Red Hat) or
    /etc/init.d/rc?.d (SUSE)."""
    wanted = re.compile(rf"S\d\d{re.escape(stem)}")
    found: dict[str, str] = {}
    for level in levels:
        for folder in (f"/etc/rc{level}.d", f"/etc/rc.d/rc{level}.d", f"/etc/init.d/rc{level}.d"):
            names = target.list(folder)
            if isinstance(names, Unknown):
                continue
            for name in names:
                if wanted.fullmatch(name):
                    found.setdefault(f"{level}/{name}", f"{folder}/{name}")
            break
    return tuple(found.values())


def runlevel(target: Target) -> str:
    """The default runlevel of inittab(5); 2 on Debian, 3 on Red Hat when it does not say."""
    text = target.text("/etc/inittab", 64 * 1024)
    if not isinstance(text, Unknown):
        match = re.search(r"^[^#:\n]*:([0-6S]):initdefault:", text, re.MULTILINE)
        if match:
            return match.group(1)
    conf = target.text("/etc/init/rc-sysinit.conf", 64 * 1024)  # Upstart on Ubuntu
    if not isinstance(conf, Unknown):
        match = re.search(r"^env DEFAULT_RUNLEVEL=(\d)", conf, re.MULTILINE)
        if match:
            return match.group(1)
    return "3" if target.exists("/etc/rc.d/rc3.d") else "2"


def _sysv(target: Target, name: str, stem: str) -> Unit:
    path = script(target, stem)
    if not path:
        return Unit(name, "", Enablement.ABSENT)
    links = start_links(target, stem, ("S", runlevel(target)))
    return Unit(name, path, Enablement.ENABLED if links else Enablement.DISABLED, links)


def _upstart(target: Target, name: str, stem: str) -> Unit:
    """init(5) of Upstart: a job without "start on", or with "manual" after it or in its override, waits."""
    path = f"/etc/init/{stem}.conf"
    text = target.text(path, 256 * 1024)
    if isinstance(text, Unknown):
        return _sysv(target, name, stem)
    override = target.text(f"/etc/init/{stem}.override", 256 * 1024)
    started = False
    for line in (text + "\n" + ("" if isinstance(override, Unknown) else override)).split("\n"):
        if re.match(r"start\s+on\b", line):
            started = True
        elif re.match(r"manual\s*(#|$)", line):
            started = False
    return Unit(name, path, Enablement.ENABLED if started else Enablement.DISABLED, (path,) if started else ())


def _openrc(target: Target, name: str, stem: str) -> Unit:
    path = script(target, stem)
    if not path:
        return Unit(name, "", Enablement.ABSENT)
    links = tuple(
        link for link in target.glob(f"/etc/runlevels/*/{_literal(stem)}") if link.split("/")[3] not in _NEVER
    )
    return Unit(name, path, Enablement.ENABLED if links else Enablement.DISABLED, links)


def _slackware(target: Target, name: str, stem: str) -> Unit:
    """rc.M starts the scripts in /etc/rc.d that are executable."""
    path = f"/etc/rc.d/rc.{_SLACKWARE_NAMES.get(stem, stem)}"
    stat = target.stat(path)
    if "/" in stem or not isinstance(stat, Stat) or stat.kind is not Kind.FILE:
        return Unit(name, "", Enablement.ABSENT)
    state = Enablement.ENABLED if stat.executable else Enablement.DISABLED
    return Unit(name, path, state, (path,) if stat.executable else ())


def _runit(target: Target, name: str, stem: str) -> Unit:
    path = f"/etc/sv/{stem}"
    if "/" in stem or not target.is_dir(path):
        return Unit(name, "", Enablement.ABSENT)
    links = tuple(
        folder + stem
        for folder in ("/etc/runit/runsvdir/default/", "/var/service/", "/etc/service/")
        if target.exists(folder + stem, follow=False)
    )[:1]
    down = target.exists(f"{path}/down")
    return Unit(name, path, Enablement.ENABLED if links and not down else Enablement.DISABLED, links)


def _literal(name: str) -> str:
    """A name as a glob that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def state(target: Target, init: Init, found: Unit) -> Maybe[str]:
    """active, inactive or failed, where the init can be asked without running the service's own script."""
    if init is Init.OPENRC and found.path:
        # rc-service runs the script's "status", which OpenRC's own library answers
        output = target.run(("rc-service", found.path.rsplit("/", 1)[1], "status"))
        if isinstance(output, Unknown):
            return output
        text = output.text
        for word, meaning in (("crashed", "failed"), ("started", "active"), ("starting", "activating")):
            if re.search(rf"status:\s*{word}", text):
                return meaning
        return "inactive" if output.exit in (0, 3) else Unknown(text.strip()[:200] or "no status", Why.FAILED)
    return Unknown(f"{init.value} keeps no state that could be read without running scripts", Why.FAILED)
