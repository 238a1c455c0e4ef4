"""Apply, confirm and undo a change: the one place where the target is changed.

The order is what keeps the promise of docs/safety.md. What undo needs and the intent are on disk before the
first byte changes; each file is replaced by one rename; the state is on disk before the next step begins. So
whatever dies, undo can tell from the tree alone how far it came: each path is as before, or as after.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FrameType
from typing import Callable

from agent.change import probation
from agent.change.digest import sha256
from agent.change.errors import ChangeRefused, RollbackFailed
from agent.change.keep import dress, look, look_at_folder, put
from agent.change.model import (
    Absent,
    Change,
    ChangeState,
    Command,
    Kept,
    KeptFile,
    KeptFolder,
    Link,
    MakeFolder,
    Move,
    Plan,
    Remove,
    Run,
    SetMode,
    Step,
    WriteFile,
)
from agent.change.place import boot_id
from agent.change.prepare import is_same, matching, prepare
from agent.change.restore import Restoring, net
from agent.change.store import Store, reason
from agent.target.enter import run_inside
from agent.target.failures import Refused, shown
from agent.target.model import Output
from agent.target.write import Folder

Progress = Callable[[str], None]
OUTPUT = 16 * 1024  # characters of a program's output that are kept, from its end
OUTPUT_LIMIT = 4 * 1024 * 1024  # bytes that a program may say
INVERSE_TIMEOUT = 120.0  # seconds
BUDGET = 60.0  # seconds for all that is no program, until the time to confirm begins
CONFIRM = "-confirm"  # the second way back's name
PAUSES = (5.0, 20.0, 60.0)  # seconds until the end of a probation tries again what failed
LOCK_WAIT = 300.0  # seconds that the end of a probation waits for whoever is at work


class _Failed(Exception):
    """An operation that could not be made, so that the change is rolled back."""


@dataclass
class _Reached:
    """How far applying came, for a rollback that touches nothing else."""

    steps: int = 0


class _Signalled(BaseException):
    """A signal that would have ended us: first everything is put back."""


def silent(text: str) -> None:
    """A progress that says nothing."""


def apply(
    store: Store,
    fix: str,
    plan: Plan | Callable[[], Plan],
    *,
    verify: Callable[[], str] | None = None,
    force: bool = False,
    confirm_within: float | None = None,
    progress: Progress = silent,
) -> Change:
    """One plan as one change, whole or not at all. A function is asked for it when nobody else can change the
    target any more.

    ``verify`` says what is still wrong afterwards, "" when nothing is; then the change is verified, else it is
    rolled back (with ``force`` it stays applied). ``confirm_within`` (seconds) puts it on probation: it is undone by
    itself unless confirmed in time. Returns it VERIFIED, APPLIED, or UNDONE with the reason in ``why``.
    Raises ChangeRefused when nothing was touched, RollbackFailed when `agent undo` must finish.
    """
    if confirm_within is not None and not store.target.live:
        raise ChangeRefused(
            "--confirm-within works on the running host only",
            "a disk that is mounted can lock nobody out: leave it out",
        )
    with store.lock():
        _refuse_interrupted(store)
        made = plan() if callable(plan) else plan
        if confirm_within is not None:
            _refuse_irreversible(made)
        change = prepare(store, fix, made)
        reached = _Reached()
        with _signals_raise():
            try:
                change = _begin(store, change, confirm_within)
                change = _forward(store, change, progress, reached)
                progress("checking that it worked")
                problem = verify() if verify else ""
            except BaseException as error:
                change = _roll_back(store, change.id, _reason_of(error), progress, reached.steps)
                if isinstance(error, (_Failed, OSError, Refused)):
                    return change
                raise _as_interrupt(error) from error
        if problem and not force and change.reversible:
            return _roll_back(store, change.id, f"it did not help: {problem}", progress)
        state = ChangeState.VERIFIED if verify and not problem else ChangeState.APPLIED
        change = replace(change, state=state, why=problem, ended=time.time())
        if confirm_within is not None:
            change = _rearm(store, change, confirm_within)
        return _settle(store, change)


def undo(
    store: Store,
    change_id: str = "",
    *,
    force: bool = False,
    unconfirmed: bool = False,
    progress: Progress = silent,
) -> Change:
    """Puts everything back that the change touched; the last one when no id is given.

    What was edited since is shown and not touched, unless ``force`` (the edited file is kept among the change's
    files). ``unconfirmed``: only when its probation ran out; then nothing may keep it, for the person is locked out, it
    may be, and edited files are kept as with ``force``. Raises ChangeRefused when nothing was touched.
    """
    if not store.exists():
        raise ChangeRefused("there is nothing to undo: no change is on record", f"looked in {store.place}")
    with store.lock(LOCK_WAIT if unconfirmed else 0.0):
        change = _chosen(store, change_id)
        if unconfirmed and change.confirm_by is None:
            return change
        _refuse_under_newer(store, change)
        if not unconfirmed:
            _refuse_under_newer_state(store, change)
        if not (change.reversible or change.state.interrupted or force):
            raise ChangeRefused(
                f"change {change.id} can't be taken back: it ran {', '.join(_irreversible(change))}",
                "--force puts back the files that it kept, and nothing else",
            )
        with _signals_wait():
            undone = _patiently(store, change, progress) if unconfirmed else _backward(store, change, force, progress)
    if not unconfirmed:
        _disarm(change)
    return undone


def _patiently(store: Store, change: Change, progress: Progress) -> Change:
    """The end of a probation, at which nobody may be there to try again."""
    for pause in PAUSES:
        try:
            return _backward(store, change, True, progress, insist=True)
        except RollbackFailed:
            time.sleep(pause)
            change = store.find(change.id)
    return _backward(store, change, True, progress, insist=True)


def confirm(store: Store, change_id: str = "") -> Change:
    """Ends a change's probation: it stays."""
    with store.lock():
        waiting = [change for change in store.changes() if change.confirm_by is not None]
        waiting = [one for one in waiting if one.state is not ChangeState.UNDONE and not one.ended_by_boot]
        if change_id:
            change = store.find(change_id)
            if change not in waiting:
                raise ChangeRefused(f"change {change.id} does not wait to be confirmed", "see agent history")
        elif not waiting:
            raise ChangeRefused("no change waits to be confirmed", "see agent history")
        else:
            change = waiting[-1]
        change = store.save(replace(change, confirm_by=None))
    _call_off(change)
    return change


def _refuse_interrupted(store: Store) -> None:
    for change in store.changes():
        if change.state.interrupted:
            raise ChangeRefused(
                f"an earlier change was interrupted: {change.id} ({shown(change.summary)})",
                f"finish taking it back first: agent undo {change.number}",
            )
    for damage in store.damaged():
        raise ChangeRefused(
            f"an earlier change can't be read: {damage.id}: {damage.why}",
            f"look at it, and move it away: {store.place}/changes/{damage.id}",
        )


def _begin(store: Store, change: Change, confirm_within: float | None) -> Change:
    if confirm_within is not None:
        longest = confirm_within + BUDGET
        longest += sum(step.operation.timeout for step in change.steps if isinstance(step.operation, Run))
        change = replace(change, confirm_by=time.time() + longest)
        _arm(store, change, longest, change.id)
    return store.save(replace(change, state=ChangeState.APPLYING))


def _refuse_irreversible(plan: Plan) -> None:
    for operation in plan.operations:
        if isinstance(operation, Run) and not operation.reversible:
            line = shown(" ".join(operation.argv))
            raise ChangeRefused(f"--confirm-within can't take back {line}", "run the fix without it")


def _rearm(store: Store, change: Change, seconds: float) -> Change:
    """The time to confirm counts from the end: applying (a DHCP client, say) may have taken long. The second way
    back is set up before the first is called off."""
    later = replace(change, confirm_by=time.time() + seconds)
    try:
        _arm(store, later, seconds, change.id + CONFIRM)
    except ChangeRefused:
        return change  # the first one stands
    probation.disarm(change.id)
    return later


def _arm(store: Store, change: Change, seconds: float, name: str) -> None:
    """The undo that starts by itself unless the change is confirmed."""
    own, environment = probation.own_command()
    argv = [*own, "undo", change.id, "--unconfirmed"]
    if store.backup_dir:
        argv += ["--backup-dir", store.backup_dir]
    probation.arm(seconds, argv, name, environment)


def _disarm(change: Change) -> None:
    if change.confirm_by is not None:
        _call_off(change)


def _call_off(change: Change) -> None:
    for name in (change.id, change.id + CONFIRM):
        probation.disarm(name)


def _forward(store: Store, change: Change, progress: Progress, reached: _Reached) -> Change:
    for index, step in enumerate(change.steps):
        progress(describe(step))
        for path, kept in step.before.items():
            if not is_same(store, path, kept):
                raise _Failed(f"{path} was changed by somebody else meanwhile")
        reached.steps = index + 1
        if isinstance(step.operation, Run):
            change = _run(store, change, index)
        else:
            step = _touch(store, change, step)
            change = replace(change, steps=(*change.steps[:index], step, *change.steps[index + 1 :]))
    return store.save(replace(change, state=ChangeState.APPLIED, folders_after=_folder_times(store, change)))


def _touch(store: Store, change: Change, step: Step) -> Step:
    """One operation on the tree; returns the step with what it really left."""
    operation = step.operation
    after = dict(step.after)
    with store.tree.parent(_path_of(operation)) as (folder, name):
        wanted = step.after[_path_of(operation)]
        if isinstance(operation, Move):
            with store.tree.parent(operation.to) as (into, to):
                if into.stat(to) is not None:
                    raise _Failed(f"{operation.to} was made by somebody else meanwhile")
                folder.rename(name, to, into)
                into.sync_folder()
        elif isinstance(operation, Remove):
            folder.unlink(name)
        elif isinstance(operation, SetMode):
            assert isinstance(wanted, (KeptFile, KeptFolder))
            dress(folder, name, _with_times_of(folder, name, wanted))
        elif isinstance(operation, MakeFolder):
            if folder.stat(name) is None:
                put(folder, name, change.temporary, wanted, iter(()))
        elif isinstance(operation, (WriteFile, Link)):
            content = store.content(change, wanted.stored) if isinstance(wanted, KeptFile) else iter(())
            put(folder, name, change.temporary, wanted, content)
        folder.sync_folder()
        if not isinstance(wanted, Absent):  # a kernel with SELinux labels what is new by itself
            now = look(folder, name).kept
            if isinstance(now, KeptFile) and isinstance(wanted, KeptFile):
                now = replace(now, stored=wanted.stored)
            after[_path_of(operation)] = now
    return replace(step, after=after)


def _with_times_of(folder: Folder, name: str, kept: KeptFile | KeptFolder) -> KeptFile | KeptFolder:
    status = folder.stat(name)
    assert status is not None
    return replace(kept, atime=status.st_atime_ns, mtime=status.st_mtime_ns)


def _path_of(operation: object) -> str:
    assert isinstance(operation, (WriteFile, Move, Link, Remove, SetMode, MakeFolder))
    return operation.path


def _run(store: Store, change: Change, index: int) -> Change:
    step = change.steps[index]
    operation = step.operation
    assert isinstance(operation, Run)
    change = store.save(_with_step(change, index, replace(step, begun=True)))
    output = run_inside(
        store.target,
        operation.argv,
        operation.timeout,
        OUTPUT_LIMIT,
        operation.input or None,
        dict(operation.environment),
    )
    failed, said = _judge(operation, output)
    step = replace(step, begun=True, done=not failed, output=said, failed=failed, after=_kept_now(store, step))
    change = store.save(_with_step(change, index, step))
    if failed and operation.required:
        raise _Failed(failed)
    return change


def _judge(operation: Run, output: object) -> tuple[str, str]:
    """Why it failed ("" when it did not), and the end of what it said."""
    line = shown(" ".join(operation.argv))
    if not isinstance(output, Output):
        return f"{line} could not be run: {getattr(output, 'reason', output)}", ""
    said = output.text[-OUTPUT:]
    if output.exit not in operation.accept:
        last = next((text for text in reversed(said.splitlines()) if text.strip()), "no output")
        return f"{line} failed (exit status {output.exit}): {shown(last.strip())[:200]}", said
    return "", said


def _kept_now(store: Store, step: Step) -> dict[str, Kept]:
    """What a program left of the files that were kept, and of those that came new."""
    operation = step.operation
    assert isinstance(operation, Run)
    paths = set(step.before)
    for pattern in operation.keeps:
        paths.update(matching(store, pattern))
    found: dict[str, Kept] = {}
    for path in sorted(paths):
        try:
            with store.tree.parent(path) as (folder, name):
                found[path] = look(folder, name).kept
        except FileNotFoundError:
            found[path] = Absent()
    return found


def _with_step(change: Change, index: int, step: Step) -> Change:
    return replace(change, steps=(*change.steps[:index], step, *change.steps[index + 1 :]))


def _folder_times(store: Store, change: Change) -> dict[str, int]:
    times: dict[str, int] = {}
    for path in change.folders:
        with contextlib.suppress(OSError, Refused), store.tree.folder(path) as folder:
            kept = look_at_folder(folder).kept
            if isinstance(kept, KeptFolder):
                times[path] = kept.mtime
    return times


def _roll_back(store: Store, change_id: str, why: str, progress: Progress, reached: int | None = None) -> Change:
    """After a failure: everything back, by what is on disk; only the first ``reached`` steps were begun."""
    progress("putting everything back")
    with _signals_wait():
        try:
            change = store.find(change_id)
            change = replace(change, steps=change.steps[:reached])
            undone = _backward(store, change, False, progress, why)
        except (RollbackFailed, ChangeRefused) as error:
            text = error.message
            raise RollbackFailed(
                f"{why}; and not all could be put back: {text}",
                f"what is left is on record: when the cause is gone, run agent undo {change_id.partition('-')[0]}",
            ) from error
    _disarm(change)
    return undone


def _backward(
    store: Store, change: Change, force: bool, progress: Progress, why: str = "", insist: bool = False
) -> Change:
    """``force``: also what was edited since. Then what can't be put back is said and given up, unless ``insist``."""
    interrupted = change.state.interrupted
    try:
        restoring = Restoring(store, change, force)
        restoring.check()
    except (OSError, Refused, ValueError) as error:
        raise ChangeRefused(
            f"what change {change.id} touched can't be looked at: {reason(error)}", "nothing was put back"
        ) from error
    try:
        change = store.save(replace(change, state=ChangeState.UNDOING))
    except (OSError, Refused) as error:
        # On a full disk the state that is there says as well that undo must be finished.
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not (interrupted and full):
            raise ChangeRefused(
                f"the journal of changes can't be written to {store.place}: {reason(error)}", "make room first"
            ) from error
    notes = [why] if why else []
    try:
        notes += restoring.run(progress)
        notes += _inverses(store, change, progress, insist or not force)
        notes += _gone_with_its_boot(store, change)
        notes += [f"what {line} did stays" for line in _irreversible(change)]
        undone = replace(change, state=ChangeState.UNDONE, why="; ".join(notes), ended=time.time(), confirm_by=None)
        return store.save(undone)
    except (OSError, Refused, ValueError, OverflowError, _Failed) as error:  # ValueError, OverflowError: forged records
        raise RollbackFailed(
            f"not all could be put back: {_reason_of(error)}",
            f"what is left is on record: when the cause is gone, run agent undo {change.number}",
        ) from error


def _inverses(store: Store, change: Change, progress: Progress, insist: bool) -> list[str]:
    """What takes back what programs did to the running system: only in the boot in which they did it.

    ``insist``: what is required and fails is an error."""
    if change.mode != store.target.mode.value or change.boot != boot_id(store.target):
        return []
    failures = []
    fatal = ""
    for step in reversed(change.steps):
        if not isinstance(step.operation, Run) or not step.begun:
            continue
        for command in step.operation.inverse:
            progress(" ".join(command.argv))
            given = _kept_state(store, change, command) if command.stored else command.input
            output = run_inside(store.target, command.argv, INVERSE_TIMEOUT, OUTPUT_LIMIT, given or None, {})
            failed, _ = _judge(Run(command.argv, ""), output)
            if failed:
                failures.append(failed)
                fatal = fatal or (failed if command.required else "")
    if fatal and insist:  # after all others had their turn
        raise _Failed(fatal)
    return failures


def _kept_state(store: Store, change: Change, command: Command) -> bytes:
    data = b"".join(store.content(change, command.stored))
    if sha256(data).hexdigest() != command.sha256:
        raise ValueError(f"what {shown(command.argv[0])} should read is damaged: {change.place}/files/{command.stored}")
    return data


def _gone_with_its_boot(store: Store, change: Change) -> list[str]:
    """What a reboot has taken back before us."""
    if not change.rebooted or change.mode != store.target.mode.value:
        return []
    begun = [step for step in change.steps if isinstance(step.operation, Run) and step.begun and step.operation.inverse]
    return ["the host was booted since, which ended what this did to the running system"] if begun else []


def _settle(store: Store, change: Change) -> Change:
    try:
        return store.save(change)
    except (OSError, Refused) as error:
        raise RollbackFailed(
            f"the change was made, but {store.place} can't be written: {reason(error)}",
            f"agent undo {change.number} takes it back",
        ) from error


def _chosen(store: Store, change_id: str) -> Change:
    if change_id:
        change = store.find(change_id)
        if change.state is ChangeState.UNDONE:
            raise ChangeRefused(f"change {change.id} is undone already", "see agent history")
        return change
    changes = [change for change in store.changes() if change.state is not ChangeState.UNDONE]
    if not changes:
        for damage in store.damaged():
            raise ChangeRefused(f"change {damage.id} can't be read: {damage.why}", f"its files: {store.place}")
        raise ChangeRefused("there is nothing to undo: every change on record is undone", "see agent history")
    interrupted = [change for change in changes if change.state.interrupted]
    return (interrupted or changes)[-1]


def _refuse_under_newer(store: Store, change: Change) -> None:
    mine = set(net(change))
    for other in reversed(store.changes()):
        if other.number <= change.number or other.state is ChangeState.UNDONE:
            continue
        both = sorted(mine & set(net(other)))
        if both:
            raise ChangeRefused(
                f"the newer change {other.id} touched the same path: {both[0]}",
                f"undo that one first: agent undo {other.number}",
            )


def _refuse_under_newer_state(store: Store, change: Change) -> None:
    """What keeps a whole state of the running system keeps what older changes made of it, too."""
    if not _restores_state(change):
        return
    for other in reversed(store.changes()):
        standing = other.number > change.number and other.state is not ChangeState.UNDONE
        if standing and other.fix == change.fix and other.boot == change.boot == boot_id(store.target):
            raise ChangeRefused(
                f"the newer change {other.id} holds on to what this one did",
                f"undo that one first: agent undo {other.number}",
            )


def _restores_state(change: Change) -> bool:
    runs = [step.operation for step in change.steps if isinstance(step.operation, Run)]
    return any(command.required for run in runs for command in run.inverse)


def _irreversible(change: Change) -> list[str]:
    """The commands that were begun and can't be taken back."""
    runs = [step for step in change.steps if isinstance(step.operation, Run) and step.begun]
    return [describe(step) for step in runs if isinstance(step.operation, Run) and not step.operation.reversible]


def describe(step: Step) -> str:
    """A few words for the progress line."""
    operation = step.operation
    return shown(" ".join(operation.argv)) if isinstance(operation, Run) else operation.path


def _reason_of(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, _Signalled)):
        return "it was stopped"
    if isinstance(error, _Failed):
        return str(error)
    return reason(error) if isinstance(error, Exception) else type(error).__name__


def _as_interrupt(error: BaseException) -> BaseException:
    return KeyboardInterrupt() if isinstance(error, _Signalled) else error


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """A kill (SIGTERM) is met like Ctrl-C: by putting everything back. A console that closes (SIGHUP) is no wish
    to stop: it may be the network restart itself that closed it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Signalled()

    with _handlers(stop, (signal.SIGTERM,)), _handlers(signal.SIG_IGN, (signal.SIGHUP,)):
        yield


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """What is being put back is not interrupted."""
    with _handlers(signal.SIG_IGN, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        yield


@contextlib.contextmanager
def _handlers(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers, numbers: tuple[signal.Signals, ...]
) -> Iterator[None]:
    before = {}
    for number in numbers:
        with contextlib.suppress(ValueError):  # not in the main thread: its signals are not ours
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
