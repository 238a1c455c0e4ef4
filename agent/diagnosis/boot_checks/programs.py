"""The first program that the kernel starts, the shell that its scripts need, and what systemd is told to reach."""

from __future__ import annotations

from collections.abc import Iterator

from agent.diagnosis.boot_checks import model
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.facts.programs import runs_on
from agent.facts.services import Init
from agent.unknown import Unknown

INITS = ("/sbin/init", "/etc/init", "/bin/init", "/bin/sh")  # the kernel's own order (init/main.c)
SHELL = "/bin/sh"
_REPAIRS = ("rescue.target", "emergency.target", "runlevel1.target", "halt.target", "poweroff.target", "reboot.target")
_FOLDERS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def checks(checked: Checked) -> Iterator[BootCheck]:
    yield _init(checked)
    yield from started(checked, "shell", SHELL)
    if checked.facts.init is Init.SYSTEMD:
        yield from _goal(checked)


def _init(checked: Checked) -> BootCheck:
    told = checked.option("init")
    paths = (told,) if told else INITS
    for path in paths:
        found = checked.programs.start(path)
        if found.missing and path is not paths[-1] and not checked.target.exists(path, follow=False):
            continue
        if found.unseen:
            return model.unknown("init", found.unseen)
        if found.problem:
            checked.culprits.add(found.culprit)
            return model.problem("init", found.problem, *_verify(checked))
        if not runs_on(found.machine, checked.machine):
            return model.problem("init", f"{path} is for {found.machine}, the kernel for {checked.machine}")
        if found.doubt:
            return model.doubt("init", found.doubt, *_verify(checked))
        if path == SHELL or (told and told.rpartition("/")[2] in ("sh", "bash", "dash", "ash")):
            by = f"init={told} is on the command line" if told else "there is no /sbin/init"
            return model.problem("init", f"{by}: the boot ends in a shell", *([] if told else _verify(checked)))
        real = found.real if found.real != path else ""
        name = f"{path} ({real})" if real else path
        return model.ok("init", f"{name}, its loader and {found.libraries} libraries are there")
    return model.problem("init", f"there is none: no {', '.join(paths)}", *_verify(checked))


def started(checked: Checked, what: str, path: str) -> Iterator[BootCheck]:
    """A check only where something is in the way of a program. What was named before is not explained again."""
    found = checked.programs.start(path)
    if found.unseen:
        yield model.unknown(what, found.unseen)
    elif found.problem:
        again = found.culprit in checked.culprits and found.culprit != path
        checked.culprits.add(found.culprit)
        yield model.problem(what, f"{path} needs {found.culprit}, too" if again else found.problem)
    elif not runs_on(found.machine, checked.machine):
        yield model.problem(what, f"{path} is for {found.machine}, the kernel for {checked.machine}")
    elif found.doubt:
        yield model.doubt(what, found.doubt)


def _verify(checked: Checked) -> tuple[str, ...]:
    """What lists the damaged files of packages; the rescue system's dpkg, for the target's may not start."""
    if checked.facts.packages.system != "dpkg":
        return ()
    return (f"dpkg --root={checked.place} --verify" if checked.place else "dpkg --verify",)


def _goal(checked: Checked) -> Iterator[BootCheck]:
    """The unit that systemd is to reach: the command line's, else default.target."""
    told = checked.option("systemd.unit")
    name = told or "default.target"
    for folder in _FOLDERS:
        path = f"{folder}/{name}"
        link = checked.target.readlink(path)
        if isinstance(link, Unknown) and not checked.target.exists(path):
            continue
        goal = link.rpartition("/")[2] if isinstance(link, str) else name
        if goal in _REPAIRS and not told:  # (what the command line says has its own check)
            yield model.problem("init", f"{path} is {goal}: nobody can log in", _set_default(checked))
        elif link == "/dev/null" or not any(checked.target.exists(f"{one}/{goal}") for one in _FOLDERS):
            yield model.problem("init", f"{path} leads to {link}, which is no target", _set_default(checked))
        return
    yield model.problem("init", f"there is no {name}: systemd stops in emergency mode", _set_default(checked))


def _set_default(checked: Checked) -> str:
    option = f"--root={checked.place} " if checked.place else ""
    return f"systemctl {option}set-default multi-user.target"
