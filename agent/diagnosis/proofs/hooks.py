"""Proofs of ifupdown's hooks: the scripts in /etc/network/if-*.d that make bringing an interface up fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, scripts
from agent.diagnosis.proofs.scripts import Fault
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

UP = ("if-pre-up.d", "if-up.d")  # run on the way up, in this order
ALL = (*UP, "if-down.d", "if-post-down.d")
DYNAMIC = "/usr/share/sendmail/dynamic"

# Names that run-parts(8) runs: no dot, so sendmail.disabled and sendmail.dpkg-old are skipped.
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Hook:
    folder: str
    name: str
    changed: float  # its mtime, seconds since the epoch

    @property
    def path(self) -> str:
        return f"/etc/network/{self.folder}/{self.name}"


def hooks(facts: Facts, folders: tuple[str, ...] = UP) -> Iterator[Hook]:
    """The hooks that run-parts would run, in its order."""
    for folder in folders:
        names = facts.target.list(f"/etc/network/{folder}")
        for name in () if isinstance(names, Unknown) else names:
            stat = facts.target.stat(f"/etc/network/{folder}/{name}")
            if _NAME.fullmatch(name) and isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.executable:
                yield Hook(folder, name, stat.mtime)


def sendmail_hook_sources_missing_file(context: Context) -> Proof:
    """A hook named sendmail reads /usr/share/sendmail/dynamic unguarded, and that file is missing.

    Debian bug 873978: sendmail-base before 8.15.2-9, removed and not purged.
    """
    facts = context.facts
    idle = _not_run(facts)
    if idle:
        return idle
    if facts.target.is_file(DYNAMIC):
        return Fails(f"{DYNAMIC} is there")
    found = False
    for hook in hooks(facts):
        if hook.name != "sendmail":
            continue
        found = True
        script = scripts.read(facts.target, hook.path)
        if isinstance(script, Unknown):
            return CantTell(script.reason)
        fault = scripts.missing_source(facts.target, script, DYNAMIC) or scripts.exec_fault(facts.target, script)
        if fault:
            return _holds(context, hook, fault, *_sendmail_repair(facts, hook))
    return Fails("the hook guards what it reads" if found else "there is no executable sendmail hook")


def _sendmail_repair(facts: Facts, hook: Hook) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Commands and their undo: purging what the removed package left cures all of its hooks at once."""
    if facts.packages.removed_not_purged("sendmail-base"):
        return (
            (parts.in_root(facts, "dpkg --purge sendmail-base"),),
            (parts.in_root(facts, "apt-get install sendmail-base"),),
        )
    if hook.folder == "if-up.d":
        return None, None
    saved = f"{{root}}/root/{hook.folder}-sendmail.saved"
    return (f"mv {{root}}{hook.path} {saved}",), (f"mv {saved} {{root}}{hook.path}",)


def iptables_hook_fails(context: Context) -> Proof:
    """A hook with iptables in its name can't be executed, misses what it loads, or failed in the newest boot;
    or a pre-up line of /etc/network/interfaces loads rules that are not there."""
    facts = context.facts
    idle = _not_run(facts)
    if idle:
        return idle
    found = False
    unread = ""
    for hook in hooks(facts):
        if not re.search(r"ip6?tables", hook.name):
            continue
        found = True
        script = scripts.read(facts.target, hook.path)
        if isinstance(script, Unknown):
            unread = script.reason
            continue
        fault = (
            scripts.exec_fault(facts.target, script)
            or scripts.missing_source(facts.target, script)
            or scripts.failing_restore(facts.target, script)
        )
        if fault and fault.sure and not (_forgiving_run_parts(facts) and not script.interpreter):
            return _holds(context, hook, fault)
        failed = _failed_last_boot(context, hook)
        if failed:
            return failed
    line = _failing_line(context)
    if line:
        return line
    if unread:
        return CantTell(unread)
    return Fails("the iptables hook can run" if found else "there is no executable iptables hook")


def ifup_hook_fails(context: Context) -> Proof:
    """Any other hook on the way up that can't be executed, reads a missing file, or failed last boot."""
    facts = context.facts
    idle = _not_run(facts)
    if idle:
        return idle
    unread = ""
    for hook in hooks(facts):
        if hook.name == "sendmail" or re.search(r"ip6?tables", hook.name):
            continue
        script = scripts.read(facts.target, hook.path)
        if isinstance(script, Unknown):
            unread = unread or script.reason
            continue
        fault = scripts.exec_fault(facts.target, script) or scripts.missing_source(facts.target, script)
        if fault and fault.sure and not (_forgiving_run_parts(facts) and not script.interpreter):
            return _holds(context, hook, fault)
        failed = _failed_last_boot(context, hook)
        if failed:
            return failed
    dangling = _dangling(context)
    if dangling:
        return dangling
    if context.entries():
        return CantTell(unread or "the hook itself shows no fault, and nobody vouches for the log")
    return Fails("no hook shows a fault")


def _dangling(context: Context) -> Holds | None:
    """A hook that is a link to nothing: fatal where ifup calls run-parts with --exit-on-error (since 0.8)."""
    facts = context.facts
    for folder in UP:
        names = facts.target.list(f"/etc/network/{folder}")
        for name in () if isinstance(names, Unknown) else names:
            path = f"/etc/network/{folder}/{name}"
            end = facts.target.stat(path)
            if not _NAME.fullmatch(name) or not isinstance(end, Unknown) or not end.absent:
                continue
            to = facts.target.readlink(path)
            if isinstance(to, Unknown) or not _exits_on_error(facts):
                continue
            fault = Fault(f"it is a link to {to}, which does not exist", 0, f"-> {to}")
            commands, undo = (f"rm {{root}}{path}",), (f"ln -s {to} {{root}}{path}",)
            return _holds(context, Hook(folder, name, 0.0), fault, commands, undo)
    return None


def _exits_on_error(facts: Facts) -> bool:
    path = facts.target.find_program("ifup")
    program = path if isinstance(path, Unknown) else facts.target.read(path)
    return isinstance(program, bytes) and b"--exit-on-error" in program


def _not_run(facts: Facts) -> Fails | None:
    """Hooks count only where ifupdown brings interfaces up."""
    if not parts.enabled(facts, Manager.IFUPDOWN):
        return Fails("ifupdown does not bring up the interfaces here")
    return None


def _forgiving_run_parts(facts: Facts) -> bool:
    """busybox' run-parts may hand a script without #! to the shell."""
    path = facts.target.find_program("run-parts")
    real = path if isinstance(path, Unknown) else facts.target.resolve(path)
    return isinstance(real, str) and real.rsplit("/", 1)[-1].startswith("busybox")


def _failed_last_boot(context: Context, hook: Hook) -> Holds | None:
    """The journal vouches that this hook failed in the newest boot, and it was not changed since."""
    for match in reversed(parts.trusted_matches(context)):
        entry = match.entry
        if match.groups.get("hook") != hook.name or f"{hook.folder}/{hook.name}" not in entry.text:
            continue
        if entry.time is not None and hook.changed > entry.time:
            continue
        fault = Fault("it failed in the newest boot")
        holds = _holds(context, hook, fault)
        return Holds(holds.why, (parts.entry_evidence(entry),), holds.values, holds.severity)
    return None


def _holds(
    context: Context,
    hook: Hook,
    fault: Fault,
    commands: tuple[str, ...] | None = None,
    undo: tuple[str, ...] | None = None,
) -> Holds:
    values = {"hook": hook.path, "name": hook.name, "folder": hook.folder, "problem": fault.problem}
    evidence = Evidence(hook.path, fault.text or fault.problem, fault.line)
    return Holds(f"{hook.path}: {fault.problem}", (evidence,), values, _severity(context.facts), commands, undo)


def _severity(facts: Facts) -> Severity | None:
    """A warning where the network is up in spite of it, or where ifupdown has only lo to bring up."""
    if parts.network_up(facts) or not parts.in_charge(facts, Manager.IFUPDOWN):
        return Severity.WARNING
    return None


def _failing_line(context: Context) -> Holds | None:
    """A pre-up or up line that loads a ruleset that is not there: ifup gives the interface up."""
    facts = context.facts
    config = facts.configs.get(Manager.IFUPDOWN)
    for path in config.files if config else ():
        lines = facts.target.lines(path)
        for number, line in enumerate(() if isinstance(lines, Unknown) else lines, 1):
            found = re.match(r"\s*(?:pre-up|up|post-up)\s+(\S.{0,400})", line)
            problem = scripts.restore_fault(facts.target, found[1]) if found else ""
            if problem:
                place = f"{path}:{number}"
                values = {"hook": place, "name": "", "folder": "", "problem": problem}
                evidence = Evidence(path, line.strip(), number)
                commands = (f"nano +{number} {{root}}{path}",)
                return Holds(f"{place}: {problem}", (evidence,), values, _severity(facts), commands, ())
    return None


PROOFS: dict[str, ProofFunction] = {
    "ifup_hook_fails": ifup_hook_fails,
    "iptables_hook_fails": iptables_hook_fails,
    "sendmail_hook_sources_missing_file": sendmail_hook_sources_missing_file,
}
