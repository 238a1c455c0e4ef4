"""What only the disk's own programs can tell: is sshd's configuration right, are the packages' records whole?

Asked by `agent rescue` alone (a scan never runs a mounted disk's programs): in namespaces of their own, without a
network, on a disk that they can't write to, with a deadline and a cap on what they say. Programs that are not
installed are not asked, and not mentioned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from agent.target import Mode, Output, Target
from agent.target.enter import run_inside
from agent.target.failures import shown
from agent.unknown import Unknown

SECONDS, BYTES = 30.0, 256 * 1024
_WORDS = 300  # characters of what a program said that are kept


class Answer(Enum):
    OK = "ok"
    PROBLEM = "problem"
    CANT_TELL = "can't tell"


@dataclass(frozen=True)
class Said:
    """One question, and what the disk's own program answered. ``words`` are the program's, or why it could not
    be asked; "" when all is well. ``command`` is what a person would type in the chroot."""

    what: str
    command: str
    answer: Answer
    words: str = ""


@dataclass(frozen=True)
class _Question:
    what: str
    command: str
    argv: tuple[str, ...]
    judge: Callable[[Output], Answer]
    program: str = ""  # what has to be installed, where argv is a script around it


def asked(target: Target) -> tuple[Said, ...]:
    """The answers of what is installed; none on a host that we do not look at from outside."""
    if target.mode is not Mode.OFFLINE:
        return ()
    return tuple(said for question in _QUESTIONS for said in (_ask(target, question),) if said is not None)


def _ask(target: Target, question: _Question) -> Said | None:
    if question.program and isinstance(target.find_program(question.program), Unknown):
        return None
    output = run_inside(target, question.argv, SECONDS, BYTES, read_only=True)
    if isinstance(output, Unknown):
        if output.absent:
            return None
        return Said(question.what, question.command, Answer.CANT_TELL, output.reason)
    answer = question.judge(output)
    return Said(question.what, question.command, answer, "" if answer is Answer.OK else _first_words(output))


def _first_words(output: Output) -> str:
    lines = [line.strip() for line in (output.stderr or output.stdout).split("\n") if line.strip()]
    return shown(" ".join(lines))[:_WORDS] or f"exit status {output.exit}"


def _sshd(output: Output) -> Answer:
    """sshd -t is silent when all is well, and warns of what does not stop it (a deprecated option)."""
    return Answer.OK if output.exit == 0 else Answer.CANT_TELL if output.exit < 0 else Answer.PROBLEM


def _by_exit(output: Output) -> Answer:
    return Answer.OK if output.exit == 0 else Answer.PROBLEM


def _audit(output: Output) -> Answer:
    """dpkg --audit says what is half done and ends with 0 or 1, by its version."""
    if output.stdout.strip():
        return Answer.PROBLEM
    return Answer.OK if output.exit == 0 else Answer.CANT_TELL


def _rpm(output: Output) -> Answer:
    """rpm -qa lists each package; a broken database gives errors, and few names or none."""
    if any(words in output.stderr for words in ("Read-only file system", "readonly database")):
        return Answer.CANT_TELL  # it wanted to write, which says nothing of what is there
    if "error:" in output.stderr:
        return Answer.PROBLEM
    return Answer.OK if output.exit == 0 and output.stdout.strip() else Answer.CANT_TELL


# netplan generates into a throw-away root: /tmp is none of the disk's.
_NETPLAN = """
mkdir -p /tmp/root/etc /tmp/root/lib && cp -a /etc/netplan /tmp/root/etc/ || exit 99
[ ! -d /lib/netplan ] || cp -a /lib/netplan /tmp/root/lib/
exec netplan generate --root-dir /tmp/root
"""


def _netplan(output: Output) -> Answer:
    return Answer.CANT_TELL if output.exit == 99 or output.exit < 0 else _by_exit(output)


_QUESTIONS = (
    _Question("netplan accepts its configuration", "netplan generate", ("sh", "-c", _NETPLAN), _netplan, "netplan"),
    _Question("sshd accepts its configuration and keys", "sshd -t", ("sshd", "-t"), _sshd),
    _Question("every package is completely installed", "dpkg --audit", ("dpkg", "--audit"), _audit),
    _Question("the package database can be read", "rpm -qa", ("rpm", "-qa", "--qf", "%{NAME}\\n"), _rpm),
)

__all__ = ["Answer", "Said", "asked"]
