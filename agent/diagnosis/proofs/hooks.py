"""Proofs of ifupdown's hooks: the scripts in /etc/network/if-*.d that make bringing an interface up fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, scripts
from agent.diagnosis.proofs.scripts import Fault
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.target.model import Kind, Stat
from agent.unknown import Maybe, Unknown

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


def runs(name: str) -> bool:
    """True for a name that every run-parts runs; busybox' also runs names with a dot."""
    return _NAME.fullmatch(name) is not None


def hooks(facts: Facts, folders: tuple[str, ...] = UP) -> Iterator[Hook]:
    """The hooks that run-parts would run, in its order."""
    for folder in folders:
        names = facts.target.list(f"/etc/network/{folder}")
        for name in () if isinstance(names, Unknown) else names:
            stat = facts.target.stat(f"/etc/network/{folder}/{name}")
            if runs(name) and isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.executable:
                yield Hook(folder, name, stat.mtime)


def is_sendmail(name: str) -> bool:
    return name == "sendmail"


def is_iptables(name: str) -> bool:
    return re.search(r"ip6?tables", name) is not None


def is_other(name: str) -> bool:
    return not is_sendmail(name) and not is_iptables(name)


def fault_of(facts: Facts, hook: Hook) -> Maybe[Fault | None]:
    """Why the hook surely makes run-parts fail, from its text and the files that it needs; None: nothing is
    seen. Unknown when it can't be read."""
    script = scripts.read(facts.target, hook.path)
    if isinstance(script, Unknown):
        return script
    target = facts.target
    if is_sendmail(hook.name):
        return scripts.missing_source(target, script, DYNAMIC) or scripts.exec_fault(target, script)
    fault = scripts.exec_fault(target, script) or scripts.missing_source(target, script)
    if not fault and is_iptables(hook.name):
        fault = scripts.failing_restore(target, script)
    if fault and fault.sure and not (busybox_run_parts(facts) and not script.interpreter):
        return fault
    return None


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
    found = [hook for hook in hooks(facts) if is_sendmail(hook.name)]
    failing = []
    for hook in found:
        fault = fault_of(facts, hook)
        if isinstance(fault, Unknown):
            return CantTell(fault.reason)
        if fault:
            failing.append(_holds(context, hook, fault, *_sendmail_repair(facts, hook)))
    if failing:
        return _first(failing)
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
    unread: list[str] = []
    failing = [*_failing(context, is_iptables, unread), *_failing_line(context)]
    if failing:
        return _first(failing)
    if unread:
        return CantTell(unread[0])
    found = any(is_iptables(hook.name) for hook in hooks(facts))
    return Fails("the iptables hook can run" if found else "there is no executable iptables hook")


def ifup_hook_fails(context: Context) -> Proof:
    """Any other hook on the way up that can't be executed, reads a missing file, or failed last boot."""
    facts = context.facts
    idle = _not_run(facts)
    if idle:
        return idle
    unread: list[str] = []
    failing = [*_failing(context, is_other, unread), *_dangling(context)]
    if failing:
        return _first(failing)
    if context.entries():
        return CantTell(unread[0] if unread else "the hook itself shows no fault, and nobody vouches for the log")
    return Fails("no hook shows a fault")


def _failing(context: Context, wanted: Callable[[str], bool], unread: list[str]) -> Iterator[Holds]:
    """Each hook of a wanted name that shows a fault, or that the journal saw fail."""
    for hook in hooks(context.facts):
        if not wanted(hook.name):
            continue
        fault = fault_of(context.facts, hook)
        if isinstance(fault, Unknown):
            unread.append(fault.reason)
            continue
        failed = _holds(context, hook, fault) if fault else _failed_last_boot(context, hook)
        if failed:
            yield failed


def _first(failing: list[Holds]) -> Holds:
    """The first of them, which names all in values["hooks"], apart by blanks."""
    every = " ".join(dict.fromkeys(holds.values["hook"] for holds in failing))
    return replace(failing[0], values={**failing[0].values, "hooks": every})


def dangling(facts: Facts) -> Iterator[tuple[Hook, str]]:
    """The hooks that are links to nothing, and where each points: fatal where ifup calls run-parts with
    --exit-on-error (since 0.8), else none."""
    if not _exits_on_error(facts):
        return
    for folder in UP:
        names = facts.target.list(f"/etc/network/{folder}")
        for name in () if isinstance(names, Unknown) else names:
            path = f"/etc/network/{folder}/{name}"
            end = facts.target.stat(path)
            if not runs(name) or not isinstance(end, Unknown) or not end.absent:
                continue
            to = facts.target.readlink(path)
            if not isinstance(to, Unknown):
                yield Hook(folder, name, 0.0), to


def _dangling(context: Context) -> Iterator[Holds]:
    for hook, to in dangling(context.facts):
        fault = Fault(f"it is a link to {to}, which does not exist", 0, f"-> {to}")
        commands, undo = (f"rm {{root}}{hook.path}",), (f"ln -s {to} {{root}}{hook.path}",)
        yield _holds(context, hook, fault, commands, undo)


def _exits_on_error(facts: Facts) -> bool:
    path = facts.target.find_program("ifup")
    program = path if isinstance(path, Unknown) else facts.target.read(path)
    return isinstance(program, bytes) and b"--exit-on-error" in program


def _not_run(facts: Facts) -> Fails | None:
    """Hooks count only where ifupdown brings interfaces up."""
    if not parts.enabled(facts, Manager.IFUPDOWN):
        return Fails("ifupdown does not bring up the interfaces here")
    return None


def busybox_run_parts(facts: Facts) -> bool:
    """busybox' run-parts may hand a script without #! to the shell, and runs names with a dot (1.35)."""
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


@dataclass(frozen=True)
class DeadLine:
    """A pre-up or up line of ifupdown's configuration that fails: ifup gives the interface up."""

    path: str
    number: int  # from 1
    text: str
    problem: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"


def dead_lines(facts: Facts) -> Iterator[DeadLine]:
    """The lines that load a ruleset that is not there."""
    config = facts.configs.get(Manager.IFUPDOWN)
    for path in config.files if config else ():
        lines = facts.target.lines(path)
        for number, line in enumerate(() if isinstance(lines, Unknown) else lines, 1):
            found = re.match(r"\s*(?:pre-up|up|post-up)\s+(\S.{0,400})", line)
            problem = scripts.restore_fault(facts.target, found[1]) if found else ""
            if problem:
                yield DeadLine(path, number, line.strip(), problem)


def _failing_line(context: Context) -> Iterator[Holds]:
    for line in dead_lines(context.facts):
        values = {"hook": line.place, "name": "", "folder": "", "problem": line.problem}
        evidence = Evidence(line.path, line.text, line.number)
        commands = (f"nano +{line.number} {{root}}{line.path}",)
        yield Holds(f"{line.place}: {line.problem}", (evidence,), values, _severity(context.facts), commands, ())


PROOFS: dict[str, ProofFunction] = {
    "ifup_hook_fails": ifup_hook_fails,
    "iptables_hook_fails": iptables_hook_fails,
    "sendmail_hook_sources_missing_file": sendmail_hook_sources_missing_file,
}
