"""--sendmail: the hooks that read /usr/share/sendmail/dynamic without looking whether it is there.

Debian bug 873978: sendmail-base before 8.15.2-9. Its file is gone, because the package was removed and not
purged or an upgrade broke; its hooks are left, and each ends with an error, which run-parts hands on to ifup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.change.model import Operation, Plan, Run, WriteFile
from agent.diagnosis.proofs import hooks as proofs
from agent.diagnosis.proofs import scripts
from agent.diagnosis.proofs.hooks import DYNAMIC
from agent.facts.facts import Facts
from agent.fixes.hooks import Conffile, afterwards, aside, conffiles, link_text, listed, moved, restorable
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

# Folders whose files are programs that run-parts runs.
_RUN = (
    *(f"/etc/network/{folder}" for folder in proofs.ALL),
    "/etc/ppp/ip-up.d",
    "/etc/ppp/ip-down.d",
    "/etc/resolvconf/update-libc.d",
)
# Folders whose files dhclient-script reads into itself: whether they are executable does not count, and an
# exit in one of them would end dhclient-script.
_SOURCED = (
    "/etc/dhcp/dhclient-enter-hooks.d",
    "/etc/dhcp/dhclient-exit-hooks.d",
    "/etc/dhcp3/dhclient-enter-hooks.d",
    "/etc/dhcp3/dhclient-exit-hooks.d",
)
_PLAIN_SOURCE = re.compile(rb"[ \t]*(?:\.|source)[ \t]+([\"']?)" + re.escape(DYNAMIC).encode() + rb"\1[ \t]*;?[ \t]*")
_PURGE_TIMEOUT = 300.0  # seconds; a removed package's scripts may rebuild other packages' configuration

# What the scripts of sendmail-base write and remove when it is purged, and dpkg's and debconf's own records.
_PURGED = (
    "/etc/mail/sendmail.conf",
    "/etc/mail/sendmail.mc",
    "/etc/mail/submit.mc",
    "/etc/mail/m4/dialup.m4",
    "/etc/mail/m4/provider.m4",
    "/etc/mail/local-host-names",
    "/etc/mail/relay-domains",
    "/etc/mail/trusted-users",
    "/etc/mail/default-auth-info",
    "/etc/mail/access",
    "/etc/certs/sendmail.pem",
    "/usr/lib/sasl/Sendmail.conf",
    "/etc/.pwd.lock",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/group",
    "/etc/group-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/subuid",
    "/etc/subuid-",
    "/etc/subgid",
    "/etc/subgid-",
    "/var/cache/debconf/config.dat",
    "/var/cache/debconf/config.dat-old",
    "/var/cache/debconf/passwords.dat",
    "/var/cache/debconf/templates.dat",
    "/var/cache/debconf/templates.dat-old",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/lib/dpkg/triggers/Unincorp",
    "/var/log/dpkg.log",
)


@dataclass(frozen=True)
class _Hook:
    """A hook that can't succeed. ``line`` is the one that reads the file, 0 when it fails otherwise."""

    path: str
    sourced: bool
    problem: str
    line: int


def plan(request: Request) -> Planned:
    facts = request.facts
    found = tuple(_failing(facts))
    if not found:
        return Refusal(
            "no hook reads a missing " + DYNAMIC,
            "nothing is left to repair; agent scan shows what stands now",
        )
    owners = conffiles(facts)
    if request.choice == "purge":
        return _purge(facts, found, owners)
    if request.choice == "guard":
        return _guard(facts, found, owners)
    return _move(facts, found, owners)


def _failing(facts: Facts) -> Iterator[_Hook]:
    """Every hook that reads the missing file unguarded; and a hook of sendmail's that can't even start."""
    if facts.target.is_file(DYNAMIC):
        return
    for folder in (*_RUN, *_SOURCED):
        names = facts.target.list(folder)
        for name in () if isinstance(names, Unknown) else names:
            path = f"{folder}/{name}"
            stat = facts.target.stat(path)
            if not proofs.runs(name) or not isinstance(stat, Stat) or stat.kind is not Kind.FILE:
                continue
            sourced = folder in _SOURCED
            script = scripts.read(facts.target, path)
            if isinstance(script, Unknown) or not (sourced or stat.executable):
                continue
            fault = scripts.missing_source(facts.target, script, DYNAMIC)
            if fault:
                yield _Hook(path, sourced, fault.problem, fault.line)
                continue
            fault = None if sourced else scripts.exec_fault(facts.target, script)
            if fault and proofs.is_sendmail(name):
                yield _Hook(path, sourced, fault.problem, 0)


def _move(facts: Facts, found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> Plan:
    operations = tuple(aside(facts, hook.path) for hook in found)
    return Plan(
        summary=f"Moves {_counted(found)} aside, where nothing runs {'it' if len(found) == 1 else 'them'}.",
        operations=operations,
        warnings=(*_linked(facts, found), *_leftovers(facts, found, owners)),
        reboot=not facts.target.live,
        next=(*afterwards(facts), *restorable(owners, moved(operations))),
    )


def _counted(found: tuple[_Hook, ...]) -> str:
    names = {hook.path.rpartition("/")[2] for hook in found}
    name = names.pop() if len(names) == 1 else "sendmail"
    return f"the {name} hook" if len(found) == 1 else f"{len(found)} {name} hooks"


def _linked(facts: Facts, found: tuple[_Hook, ...]) -> tuple[str, ...]:
    links = [(hook.path, link_text(facts.target, hook.path)) for hook in found]
    return tuple(f"{path} is a link to {to}: the link is moved, {to} stays as it is." for path, to in links if to)


def _leftovers(facts: Facts, found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> tuple[str, ...]:
    """Where the package is gone for good, purging it is better: the hooks do not come back with it."""
    packages = _removed(found, owners)
    if not packages:
        return ()
    return (
        f"{listed(packages)} was removed and not purged: if you do not want it back, --sendmail=purge is the better "
        "repair. It removes all configuration that the package left.",
    )


def _removed(found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> list[str]:
    """The removed packages that own the hooks, as dpkg's database calls them."""
    held = [owners[hook.path] for hook in found if hook.path in owners]
    return sorted({one.package for one in held if not one.installed})


# -- purge


def _purge(facts: Facts, found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> Planned:
    """Only the packages that own the hooks: a sibling's scripts (sendmail-bin) may remove mail."""
    refusal = _no_purge(facts, found, owners)
    if refusal:
        return refusal
    packages = _removed(found, owners)
    gone = tuple(one.path for one in owners.values() if one.package in packages)
    run = Run(
        ("dpkg", "--purge", *packages),
        f"removes what {listed(packages)} left, the hooks among it",
        keeps=_keeps(packages, gone),
        timeout=_PURGE_TIMEOUT,
        environment={"DEBIAN_FRONTEND": "noninteractive"},
    )
    others = tuple(hook for hook in found if hook.path not in gone)
    operations: tuple[Operation, ...] = (*(aside(facts, hook.path) for hook in others), run)
    aside_too = f", and moves {listed([hook.path for hook in others])} aside" if others else ""
    return Plan(
        summary=f"Purges {listed(packages)}: removes {len(gone)} configuration files, the hooks among them{aside_too}.",
        operations=operations,
        warnings=(
            "The package's own scripts run: they also remove its users smmta and smmsp, its answers to debconf and "
            "configuration in /etc/mail. What is known to change is kept, and agent undo brings it back; what such a "
            "script changes elsewhere it does not.",
            "After another package or user was added or removed, agent undo refuses: their databases are kept whole.",
            *_linked(facts, others),
        ),
        reboot=not facts.target.live,
        next=afterwards(facts),
    )


def _no_purge(facts: Facts, found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> Refusal | None:
    packages = facts.packages
    if packages.system != "dpkg" or isinstance(packages.dpkg_states, Unknown):
        return Refusal("there is no dpkg database that could be read", "without a choice, the hooks are moved aside")
    installed = sorted(
        {owners[hook.path].package for hook in found if hook.path in owners} - set(_removed(found, owners))
    )
    if installed or packages.installed("sendmail-base"):
        name = listed(installed) or "sendmail-base"
        return Refusal(
            f"{name} is installed, so it is not purged",
            f"--sendmail=guard keeps its mail setup; apt-get install --reinstall {name} brings its file back",
        )
    if not _removed(found, owners):
        return Refusal("no removed package owns the hooks", "without a choice, the hooks are moved aside")
    if packages.busy:
        return Refusal(f"{listed(packages.busy)} is at work right now", "wait until it has ended")
    if packages.pending_updates or packages.half_done():
        return Refusal("dpkg was interrupted, and would have to be finished first", "agent fix --dpkg")
    return None


def _keeps(packages: list[str], gone: tuple[str, ...]) -> tuple[str, ...]:
    """The files that purging removes or rewrites: dpkg(1) also removes backups of configuration files."""
    kept: list[str] = []
    for path in gone:
        plain = "".join(f"[{char}]" if char in "*?[" else char for char in path)
        folder, _, name = plain.rpartition("/")
        kept += (plain, f"{plain}[~%]", f"{plain}.bak", f"{plain}.dpkg-*", f"{folder}/#{name}#", f"{folder}/.#{name}*")
    info = [f"/var/lib/dpkg/info/{package}.*" for package in packages]
    return tuple(dict.fromkeys((*kept, *_PURGED, *info)))


# -- guard


def _guard(facts: Facts, found: tuple[_Hook, ...], owners: Mapping[str, Conffile]) -> Planned:
    writes = []
    for hook in found:
        content = _guarded(facts, hook)
        if isinstance(content, Refusal):
            return content
        writes.append(WriteFile(hook.path, content))
    return Plan(
        summary=f"Puts a guard into {_counted(found)}: without {DYNAMIC} "
        f"{'it ends' if len(found) == 1 else 'they end'} without an error.",
        operations=tuple(writes),
        warnings=_leftovers(facts, found, owners),
        reboot=not facts.target.live,
        next=afterwards(facts),
    )


def _guarded(facts: Facts, hook: _Hook) -> bytes | Refusal:
    """The file with one line more, as Debian put it in since 8.15.2-9; all else stays byte for byte."""
    instead = "without a choice, the hooks are moved aside"
    if not hook.line:
        return Refusal(f"{hook.path}: {hook.problem}, which no guard cures", instead)
    to = link_text(facts.target, hook.path)
    if to:
        return Refusal(f"{hook.path} is a link to {to}, which may serve others too", instead)
    data = facts.target.read(hook.path, scripts.LIMIT)
    if isinstance(data, Unknown):
        return Refusal(data.reason, instead)
    lines = data.split(b"\n")
    line, before = lines[hook.line - 1], lines[hook.line - 2] if hook.line > 1 else b""
    if not _PLAIN_SOURCE.fullmatch(line.partition(b" #")[0]) or before.endswith(b"\\"):
        return Refusal(f"{hook.path}:{hook.line} does more than read the file, so a guard might change more", instead)
    indent = line[: len(line) - len(line.lstrip(b" \t"))]
    leave = b"return" if hook.sourced else b"exit"
    guard = indent + b"test -r " + DYNAMIC.encode() + b" || " + leave + b" 0"
    content = b"\n".join((*lines[: hook.line - 1], guard, *lines[hook.line - 1 :]))
    script = scripts.Script(hook.path, content)
    left = scripts.missing_source(facts.target, script) or (
        None if hook.sourced else scripts.exec_fault(facts.target, script)
    )
    if left:
        return Refusal(f"{hook.path}: with the guard, {left.problem} all the same", instead)
    return content


def verify(request: Request) -> str:
    """What is still wrong: the rule's own finding, or a sibling that its proof does not look at."""
    findings = [f"{finding.title}: {finding.proof}" for finding in request.findings]
    return "; ".join(findings or [f"{hook.path}: {hook.problem}" for hook in _failing(request.facts)])


FIX = Fix(
    name="sendmail",
    help="move sendmail's broken hooks aside (=purge: purge the removed package; =guard: guard them)",
    rules=("ifup-hook-sendmail",),
    plan=plan,
    choices=("move", "purge", "guard"),
    verify=verify,
)
