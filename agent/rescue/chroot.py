"""A person inside of a disk: a shell, or one command, in a chroot that leaves nothing behind.

The disk's own programs run there, with the rescue system's network (apt works) and its name servers, in
namespaces of their own: with the shell everything ends that was started in it, and every mount is gone. No
service is started: systemctl knows that it is in a chroot, OpenRC that it did not boot, and invoke-rc.d and
service are covered by scripts that say so, first in PATH and in apt's own path, for nothing may be written to
the disk that would have to be taken away again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.errors import AgentError
from agent.rescue import name_relay
from agent.target import Mode, Output, Target
from agent.target.detect import RESCUE_MARK
from agent.target.enter import run_inside
from agent.target.failures import shown
from agent.target.model import Kind
from agent.unknown import Unknown, Why

MERCY = 2.0  # seconds that daemons get to end by themselves
_PROBE_SECONDS, _PROBE_BYTES = 20.0, 4096
_LOADER_FAILED = 127  # the exit status of ld.so(8) where a library is missing or damaged
_PROBE_EXIT = 7  # /bin/true is somebody's login shell, too
_OWN = "lish-agent"  # below /run
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_STARTED = b"""#!/bin/sh
echo "agent: not done in the chroot of a disk: ${0##*/} $*" >&2
exit 0
"""
_COVERED = ("invoke-rc.d", "service")
_RESOLVER = "/etc/resolv.conf"
_RESOLVER_BYTES = 64 * 1024
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")


@dataclass(frozen=True)
class Visit:
    """How a visit went: the exit status of the shell or the command, or minus the signal that ended it."""

    exit: int


def visit(target: Target, command: Sequence[str], say: Callable[[Sequence[str]], None]) -> Visit:
    """Run ``command`` inside of a mounted disk, or a shell when it is empty, until it ends.

    ``say`` gets what the person should know before a shell begins. AgentError when the disk's programs do not
    start. Raises Ended when we are told to end (attend.orderly_end).
    """
    from agent.target import attend
    from agent.target.furniture import RunFile
    from agent.target.namespace import Stay

    argv = tuple(command) or (login_shell(target),)
    resolver = _resolver()
    stay = Stay(
        network=True,
        resolver=resolver,
        hostname=_hostname(target),
        files=tuple(RunFile(path, content, mode) for path, content, mode in _files(target.rescue)),
        mercy=MERCY,
    )

    with contextlib.ExitStack() as stack:
        relay = _nothing_to_cover(target) and stack.enter_context(name_relay.relayed(resolver))

        def greet(lines: Sequence[str]) -> None:
            if not command:
                say(tuple(_welcome(target, bool(resolver) and "unlent" not in lines, relay)))

        status = attend.attend(target, argv, stay, _environment(target.name, argv[0]), greet)
    if isinstance(status, Unknown):
        raise _not_started(target, argv[0], status)
    if command and status == _LOADER_FAILED:
        login_shell(target)  # if no program of the disk starts, that is what there is to say
    return Visit(status)


def login_shell(target: Target) -> str:
    """Root's login shell, or else another one that starts on this disk. AgentError when none does."""
    said: list[str] = []
    for shell in dict.fromkeys((*_of_root(target), "/bin/bash", "/bin/sh", "/bin/ash")):
        answer = run_inside(target, (shell, "-c", f"exit {_PROBE_EXIT}"), _PROBE_SECONDS, _PROBE_BYTES)
        if isinstance(answer, Output) and answer.exit == _PROBE_EXIT:
            return shell
        if isinstance(answer, Unknown) and not answer.absent:
            said.append(answer.reason)
    raise AgentError(
        f"no shell of {target.name} starts: {said[0] if said else 'none is installed'}",
        without_programs(target),
    )


def without_programs(target: Target) -> str:
    """What can be done all the same when the disk's programs do not start."""
    where = f"--device {target.device}" if target.device else f"--root {target.root}"
    return f"agent scan {where} and agent fix --FIX {where} work without the disk's own programs"


def _of_root(target: Target) -> Iterator[str]:
    lines = target.lines("/etc/passwd")
    for line in () if isinstance(lines, Unknown) else lines:
        fields = line.split(":")
        if fields[0] == "root" and len(fields) == 7 and fields[6].startswith("/"):
            yield fields[6].strip()


def _not_started(target: Target, program: str, why: Unknown) -> AgentError:
    if why.absent:
        return AgentError(
            f"{shown(program)}: not installed on {target.name}", "without a command you get a shell there"
        )
    return AgentError(f"{target.name}: {why.reason}", without_programs(target))


def _resolver() -> bytes:
    """The name servers of the machine that we run on."""
    try:
        with open(_RESOLVER, "rb") as stream:
            return stream.read(_RESOLVER_BYTES)
    except OSError:
        return b""


def _nothing_to_cover(target: Target) -> bool:
    """Is there no resolv.conf, nor a link to what a running system makes (NOT_LIVE)?"""
    found = target.stat(_RESOLVER)
    return found.why is not Why.NOT_LIVE if isinstance(found, Unknown) else found.kind is not Kind.FILE


def _hostname(target: Target) -> str:
    """The disk's own: what a maintainer script writes into a configuration must be right after the next boot."""
    text = target.text("/etc/hostname", 4096)
    name = "" if isinstance(text, Unknown) else next((line.strip() for line in text.split("\n") if line.strip()), "")
    return name if _HOSTNAME.fullmatch(name) else ""


def _files(rescue: bool) -> Iterator[tuple[str, bytes, int]]:
    if rescue:  # for an agent in there: pid 1's root, where it would look, is not Finnix's
        yield RESCUE_MARK[len("/run/") :], b"", 0o644
    for name in _COVERED:
        yield f"{_OWN}/bin/{name}", _NOT_STARTED, 0o755
    # apt gives dpkg a PATH of its own (DPkg::Path, apt.conf(5)).
    yield f"{_OWN}/apt.conf", f'DPkg::Path "/run/{_OWN}/bin:{_PATH}";\n'.encode(), 0o644


def _environment(name: str, shell: str) -> Mapping[str, str]:
    """Nothing of ours but the kind of terminal. The prompt says where one is, whatever the disk makes of it."""
    prompt = f"({name}) "
    debian = "${debian_chroot:+($debian_chroot)}"  # what Debian's own prompts begin with
    found = {
        "PATH": f"/run/{_OWN}/bin:{_PATH}",
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": shell,
        "LANG": "C",
        "APT_CONFIG": f"/run/{_OWN}/apt.conf",
        "debian_chroot": name,
        "PS1": f"{prompt}\\u@\\h:\\w\\$ " if shell.endswith(("bash", "/sh", "ash")) else f"{prompt}# ",
        "PROMPT_COMMAND": f"case $PS1 in *{shlex.quote(prompt)}*) ;; *) PS1={shlex.quote(prompt)}"
        f"${{PS1#{shlex.quote(debian)}}} ;; esac",
    }
    return {**found, **{key: os.environ[key] for key in ("TERM",) if key in os.environ}}


def _welcome(target: Target, lent: bool, relay: bool) -> Iterator[str]:
    yield f"You are inside of {target.name}. Its own programs run here, and what you change, changes the disk."
    yield "No service is started here. The network is the rescue system's, and can be used, not changed."
    if lent:
        yield f"{_RESOLVER} shows the rescue system's name servers; the disk's own file is untouched below."
    else:
        how = "by way of the rescue system" if relay else "not at all"
        yield f"Names are resolved {how}: the disk has no {_RESOLVER}. For that: agent fix --resolv-conf"
    yield "exit leaves: whatever you started here ends, and everything is unmounted."


def in_chroot_refusal(target: Target) -> AgentError | None:
    """`agent rescue` inside of a chroot: its disks are those of the rescue system, and this one is mounted."""
    if target.mode is not Mode.CHROOT:
        return None
    return AgentError(
        "you are inside the chroot of a disk",
        "type exit first, then agent rescue; or here: agent scan",
    )


__all__ = ["MERCY", "Visit", "in_chroot_refusal", "login_shell", "visit", "without_programs"]
