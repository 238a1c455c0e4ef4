"""Proofs of the package manager's state."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction
from agent.diagnosis.proofs import parts, wanted
from agent.facts import packages, rpmdb
from agent.facts.facts import Facts
from agent.unknown import Unknown

SHOWN = 5  # package names on the screen
INSTALLED = 20  # a system has more packages than this; what was unpacked by hand has not


def dpkg_interrupted(context: Context) -> Proof:
    """dpkg's database has packages that are half done, or a journal of a run that never ended (dpkg(1))."""
    facts = context.facts
    known = facts.packages
    if known.system != "dpkg":
        return Fails("dpkg is not the package manager here")
    if isinstance(known.dpkg_states, Unknown):
        return CantTell(known.dpkg_states.reason)
    half = known.half_done()
    journal = tuple(name for name in known.pending_updates if name.rsplit("/", 1)[-1].isdecimal())
    if not known.dpkg_states and not journal:
        return _lost(facts)
    if not half and not journal:
        return Fails("no package is half installed")
    if known.busy:
        return CantTell(f"{known.busy[0]} is at work at this moment")
    names = ", ".join(half[:SHOWN]) + (f" and {len(half) - SHOWN} more" if len(half) > SHOWN else "")
    evidence = [Evidence("/var/lib/dpkg/status", f"{name}: {known.dpkg_states.get(name, '')}") for name in half[:SHOWN]]
    evidence += [Evidence(f"/var/lib/dpkg/updates/{name.rsplit('/', 1)[-1]}", "not merged") for name in journal[:3]]
    if half:
        why = f"{len(half)} package{'s' if len(half) > 1 else ''} half installed: {names}"
    else:
        why = "/var/lib/dpkg/updates holds a run that never ended"
    commands = (parts.in_root(facts, "dpkg --configure -a"), parts.in_root(facts, "apt-get -f install"))
    return Holds(why, tuple(evidence), {"packages": names or "its journal"}, None, commands, ())


def _lost(facts: Facts) -> Proof:
    """The status file names no package, while the lists of installed files are still there."""
    names = facts.target.list("/var/lib/dpkg/info")
    lists = 0 if isinstance(names, Unknown) else len([name for name in names if name.endswith(".list")])
    if lists < INSTALLED:
        return Fails("no package is installed by dpkg")
    copies = ("/var/lib/dpkg/status-old", "/var/backups/dpkg.status.0")
    copy = next((path for path in copies if _has_packages(facts, path)), "")
    why = f"{packages.STATUS} names no package, though the files of {lists} are listed in /var/lib/dpkg/info"
    commands: tuple[str, ...] = ("ls -l {root}/var/lib/dpkg/status* {root}/var/backups/dpkg.status*",)
    if copy:
        status = f"{{root}}{packages.STATUS}"
        commands = (f"cp -p {status} {status}.lost", f"cp -p {{root}}{copy} {status}")
    evidence = (Evidence(packages.STATUS, "no package"), Evidence("/var/lib/dpkg/info", f"{lists} lists of files"))
    return Holds(why, evidence, {"packages": "its status file is lost", "lost": copy or "-"}, None, commands, ())


def _has_packages(facts: Facts, path: str) -> bool:
    text = facts.target.text(path, 64 * 1024 * 1024)
    return isinstance(text, str) and text.lstrip().startswith("Package:")


def rpmdb_broken(context: Context) -> Proof:
    """The database's own headers say that it is none, or not all there; or root's rpm could not open it in the
    newest boot, and it was not changed since."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.packages.system not in ("rpm", ""):
        return Fails("rpm is not the package manager here")
    found = rpmdb.read(facts.target)
    if found is None:
        if not facts.distro.is_a("rhel", "fedora", "suse", "opensuse", "amzn", "centos"):
            return Fails("there is no rpm database, and nothing wants one")
        return CantTell(f"there is no rpm database in {' or '.join(rpmdb.FOLDERS)}")
    if found.unread:
        return CantTell(found.unread)
    folder = found.path.rpartition("/")[0]
    commands = (f"cp -a {{root}}{folder} {{root}}{folder}.saved", parts.in_root(facts, "rpm --rebuilddb"))
    undo = (f"mv {{root}}{folder} {{root}}{folder}.rebuilt && mv {{root}}{folder}.saved {{root}}{folder}",)
    if found.problem:
        if packages.at_work(facts.target):
            return CantTell(f"{found.path} {found.problem}, and a package manager is at work at this moment")
        evidence = Evidence(found.path, f"{found.size} bytes: {found.problem}")
        return Holds(f"{found.path} {found.problem}", (evidence,), {"file": found.path}, None, commands, undo)
    entries = context.trusted_now()
    if entries:
        entry = entries[-1]
        changed = parts.changed_since(facts, entry.time, (found.path,))
        if changed:
            return CantTell(f"rpm could not open it in the newest boot, but {changed} was changed since")
        why = "rpm could not open it in the newest boot"
        return Holds(why, (parts.entry_evidence(entry),), {"file": found.path}, None, commands, undo)
    if context.entries():
        return CantTell("a log says so, and nobody vouches for the log")
    return Fails(f"{found.path} is a database, and all of it is there")


PROOFS: dict[str, ProofFunction] = {"dpkg_interrupted": dpkg_interrupted, "rpmdb_broken": rpmdb_broken}
