"""The proof that an upgrade of the whole system stopped half way, by what it leaves on the disk until it has ended."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.facts import package_history, packages, upgrades
from agent.facts.facts import Facts
from agent.facts.package_history import Action, PackageRun
from agent.facts.package_logs.model import UNFINISHED
from agent.target.model import Stat
from agent.unknown import Unknown

MONTH = 30 * 86400.0  # seconds before the database's last change: further back no log is read


def upgrade_in_progress(context: Context) -> Proof:
    """A release upgrade, or a transaction of the package manager, that began and has no end."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    busy = packages.at_work(facts.target)
    if busy:
        return CantTell(f"{busy[0]} is at work at this moment")
    traces = upgrades.traces(facts.target)
    if traces and traces[0].begun:
        return _left(facts, traces)
    leapp = _leapp(facts)
    if leapp is not None:
        return leapp
    runs = _runs(facts)
    last = runs[-1] if runs else None
    if last is not None and last.source.startswith("/var/log/pacman") and last.failed:
        return _stopped(facts, last, f"pacman's run {_ending(last)}")
    half = _debian(facts, [run for run in runs if run.source.startswith("/var/log/apt/")])
    if isinstance(half, Holds):
        return half
    if traces:
        return _left(facts, traces)
    return half or Fails("no upgrade has begun that did not end")


def _left(facts: Facts, traces: Sequence[upgrades.Trace]) -> Holds:
    first = traces[0]
    evidence = tuple(Evidence(trace.path, trace.text) for trace in traces)
    severity = None if first.begun else Severity.INFO
    if first.path in upgrades.OFFLINE_LINKS:
        severity = Severity.WARNING  # a boot that only updates, and again each time it fails
    commands = _commands(facts, first.path)
    return Holds(first.why, evidence, {"file": first.path}, severity, commands, ())


def _commands(facts: Facts, path: str) -> tuple[str, ...]:
    if path in upgrades.OFFLINE_LINKS:
        return (f"ls -l {{root}}{path}", f"rm {{root}}{path}")
    if path == upgrades.PACMAN_LOCK:
        return (f"rm {{root}}{path}", parts.in_root(facts, "pacman -Syu"))
    if "yum" in path:
        return (parts.in_root(facts, "yum-complete-transaction"), parts.in_root(facts, "package-cleanup --dupes"))
    return (parts.in_root(facts, "dnf repoquery --duplicates"), parts.in_root(facts, "dnf distro-sync"))


def _leapp(facts: Facts) -> Holds | None:
    """Leapp's own boot entry is the default until the upgrade's first boot has begun."""
    entry = facts.boot.default_entry
    if entry is None or not re.search(r"/vmlinuz-upgrade\.\w+$", entry.kernel):
        return None
    evidence = (Evidence(entry.source or "boot menu", re.sub(r"\s+", " ", entry.text), entry.line),)
    why = f"the menu boots {entry.kernel}: Leapp's upgrade waits for its boot, or stopped in it"
    commands = ("less {root}/var/log/leapp/leapp-upgrade.log", "less {root}/var/log/leapp/leapp-report.txt")
    return Holds(why, evidence, {"file": entry.source}, None, commands, ())


# -- Debian and Ubuntu


def _debian(facts: Facts, runs: Sequence[PackageRun]) -> Proof | None:
    """None where dpkg is not the package manager, or the distribution's releases are not known here."""
    order = list(upgrades.releases(facts.distro))
    own = order.index(facts.distro.codename) if facts.distro.codename in order else -1
    if facts.packages.system != "dpkg" or own < 0:
        return None
    sources = upgrades.sources(facts.target, facts.distro)
    named = {order.index(source.codename) for source in sources}
    wished = order[max(named)] if named else ""
    crossing = bool(named) and own not in named and max(named) > own  # all of apt's own lines name newer releases
    evidence = tuple(Evidence(one.path, one.text, one.line) for one in sources if one.codename == wished)[:2]
    last = runs[-1] if runs else None
    if last is not None and last.failed and (crossing or _crosses(last)):
        return _stopped(facts, last, f"apt's upgrade of the release {_ending(last)}", evidence)
    mixed = _libc(facts, own, order)
    half = facts.packages.half_done() or facts.packages.pending_updates
    is_called = f"the system is {facts.distro.codename}'s"
    if mixed:
        return Holds(
            f"{is_called}, and {mixed}", (*evidence, Evidence(packages.STATUS, mixed)), {}, None, _upgrade(facts), ()
        )
    if not crossing:
        return None
    why = f"apt takes its packages from {wished}, and {is_called}"
    if half:
        count = len(facts.packages.half_done())
        shown = Evidence(packages.STATUS, f"{count} packages half installed")
        return Holds(f"{why}; an installation was interrupted", (*evidence, shown), {}, None, _upgrade(facts), ())
    return Holds(f"{why}: an upgrade that was not begun", evidence, {}, Severity.INFO, _upgrade(facts), ())


def _ending(run: PackageRun) -> str:
    return run.failed[len("it ") :] if run.failed == UNFINISHED else f"failed ({run.failed[:200]})"


def _crosses(run: PackageRun) -> bool:
    """base-files goes from one release to another: its version is the release's (12.4+deb12u5, 12ubuntu4.6)."""
    for change in run.among(Action.UPGRADED):
        if change.package == "base-files":
            old, new = (re.match(r"\d+", version) for version in (change.old, change.new))
            return old is not None and new is not None and old[0] != new[0]
    return False


def _libc(facts: Facts, own: int, order: list[str]) -> str:
    """libc6 is another release's than base-files: some packages were exchanged, others not; "" when they agree."""
    known = upgrades.releases(facts.distro)
    version = upgrades.libc(facts.target)
    expected = known[order[own]]
    if isinstance(version, Unknown) or not version or not expected or version == expected:
        return ""
    release = next((name for name, libc in known.items() if libc == version), "")
    if not release or (order.index(release) > own and _pinned(facts)):
        return ""
    return f"libc6 ({version}) is {release}'s"


def _pinned(facts: Facts) -> bool:
    """Somebody mixes releases on purpose: a newer one among the sources beside the own, or preferences."""
    sources = {source.codename for source in upgrades.sources(facts.target, facts.distro)}
    if facts.distro.codename in sources:
        return True
    paths = ("/etc/apt/preferences", *facts.target.glob("/etc/apt/preferences.d/*"))
    return any(
        re.search(r"^Pin", text, re.MULTILINE) for text in map(facts.target.text, paths) if isinstance(text, str)
    )


def _upgrade(facts: Facts) -> tuple[str, ...]:
    steps = ("dpkg --configure -a", "apt-get -f install", "apt-get dist-upgrade")
    return tuple(parts.in_root(facts, step) for step in steps)


def _stopped(facts: Facts, run: PackageRun, why: str, more: Sequence[Evidence] = ()) -> Holds:
    count = len(run.among(Action.UPGRADED))
    text = f"{run.command or 'a run'}: {count} packages to upgrade; {run.failed}"
    evidence = (Evidence(run.source, text[:400], run.line, time=run.began), *more)
    pacman = (parts.in_root(facts, "pacman -Syu"),)
    commands = pacman if run.source.startswith("/var/log/pacman") else _upgrade(facts)
    return Holds(why, evidence, {"file": run.source}, None, commands, ())


def _runs(facts: Facts) -> list[PackageRun]:
    """The last month's runs that a log tells of, oldest first, without dpkg's own."""
    stats = [facts.target.stat(path) for path in package_history.DATABASES]
    changed = max((stat.mtime for stat in stats if isinstance(stat, Stat)), default=0.0)
    runs = package_history.read(facts.target, changed - MONTH if changed > MONTH else None).runs
    return [run for run in runs if run.command != "dpkg"]


PROOFS: dict[str, ProofFunction] = {"upgrade_in_progress": upgrade_in_progress}
