"""agent ticket: all that support asks for, in one archive, without its secrets."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import AgentError, UsageError
from agent.report.harmless import harmless

if TYPE_CHECKING:
    from agent.target import Target
    from agent.ticket.archive import Packed
    from agent.ticket.model import Trace

OUTSIDE, INSIDE = "from outside", "from this host"
MOST = 8  # reports
STDOUT = "-"

EPILOG = """\
Examples:
  sudo agent ticket                         this host, into lish-ticket-*.tar.gz
  sudo agent ticket --show                  what would go in; nothing is written
  sudo agent ticket --mtr home.txt          with a report that you made at home
  agent ticket --device /dev/sda            in rescue mode: a disk
  sudo agent ticket --print                 the text alone, to copy from Lish

Secrets (keys, passwords, tokens) are taken out before anything is written; a
list of what was taken out is in the archive.
Exit status: 0 written or shown, 1 it could not be written, 2 usage, 3 it could
not look."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "ticket",
        description="Examines the host and writes what support asks for into one archive. Changes nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    place.add_arguments(parser, "examine")
    parser.add_argument("--show", action="store_true", help="list what goes in, and write nothing")
    parser.add_argument("--print", dest="printed", action="store_true", help="print the text, and write nothing")
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="the archive ('-': the same as --print)")
    parser.add_argument("--redact", choices=("addresses",), default="", help="replace addresses too, each always alike")
    parser.add_argument("--mtr", metavar="FILE", action="append", default=[], help="a report of mtr made elsewhere")
    parser.add_argument(
        "--reverse",
        "--mtr-from-here",
        dest="reverse",
        metavar="FILE",
        action="append",
        default=[],
        help="a report made on this host",
    )
    parser.add_argument("--run", metavar="ADDRESS", dest="probed", default="", help="make one now, to ADDRESS")
    parser.add_argument("--since", metavar="TIME", help="logs from then on: 2h, 3d, 2026-11-22, '2026-11-22 14:00'")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 written or shown."""
    from agent.cli.main import OK
    from agent.cli.scan import parse_since
    from agent.report.terminal import Progress
    from agent.ticket import archive

    since = None if options.since is None else parse_since(options.since, time.time())
    to_stdout = options.printed or options.output == STDOUT
    if options.show and (options.output or options.printed):
        raise UsageError("--show writes nothing", "leave -o and --print away")
    if options.printed and options.output not in ("", STDOUT):
        raise UsageError("--print and -o FILE exclude each other", "the archive holds the text as well: ticket.txt")
    with Progress() as progress:
        traces = _given(options)
        with place.opened(options) as target:
            path = "" if options.show or to_stdout else _place(options.output, target)
            packed, address = _packed(options, target, traces, since, progress)
    if to_stdout:
        sys.stdout.write(packed.members[0].data.decode("utf-8"))
        return OK
    print("\n".join(_listed(packed)))
    if not options.show:
        written = os.path.join(path, packed.name) if not options.output else path
        archive.save(packed, written)
        print("\n".join(_what_next(written, packed, address)))
    return OK


def _packed(
    options: argparse.Namespace,
    target: Target,
    traces: Sequence[Trace],
    since: float | None,
    progress: Callable[[str], None],
) -> tuple[Packed, str]:
    """The ticket, and the address at which the machine that we run on can be reached ("" where not known)."""
    from agent.cli.scan import examined
    from agent.diagnosis.loader import load
    from agent.facts.facts import Facts
    from agent.facts.public_addresses import public_addresses
    from agent.ticket import archive
    from agent.ticket.contents import gather

    progress("reading the rules")
    rules = load()
    facts = Facts(target)
    scan, found = examined(facts, rules, since, progress)
    if options.probed:
        traces = [*traces, *_made(options.probed, target, progress)]
    ticket = gather(facts, scan, found, traces, since, progress=progress)
    progress("taking the secrets out")
    known = public_addresses(facts) if target.live else ()
    return archive.pack(ticket, options.redact == "addresses"), known[0] if known else ""


# -- reports of mtr


def _given(options: argparse.Namespace) -> list[Trace]:
    """Those that files hold."""
    found = [
        trace
        for from_here, names in ((False, options.mtr), (True, options.reverse))
        for name in names
        for trace in _read(name, from_here)
    ]
    if len(found) > MOST:
        raise UsageError(f"{len(found)} reports are too many for a ticket", f"give the newest {MOST} at most")
    return found


def _read(name: str, from_here: bool) -> Iterator[Trace]:
    from agent.cli import mtr
    from agent.ticket.model import Trace

    for judgement in mtr.judge_all(mtr.read(name)):
        yield Trace(INSIDE if from_here else OUTSIDE, judgement, from_here)


def _made(address: str, target: Target, progress: Callable[[str], None]) -> Iterator[Trace]:
    """A report that is made now."""
    from agent.mtr.judge import judge
    from agent.mtr.making import Request, make
    from agent.ticket.model import Trace

    if not target.live:
        raise UsageError("--run needs the running host", "make it there, and give it with --reverse FILE")
    yield Trace(INSIDE, judge(make(target, Request(address), progress), address), from_here=True)


# -- where it is written


def _place(output: str, target: Target) -> str:
    """The file that was named, or the first folder that can be written and is no part of the examined disk."""
    if output:
        return output
    if target.root == "/" and not target.live:
        raise UsageError(
            "in a chroot every folder is on the examined disk", "say so: agent ticket -o FILE; or agent ticket --print"
        )
    root = "" if target.live else os.path.realpath(target.root)
    for folder in dict.fromkeys((os.getcwd(), "/root", "/tmp")):
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK) and not _on(root, folder):
            return folder
    raise AgentError("neither this folder nor /root nor /tmp can be written", "agent ticket -o FILE, or --print")


def _on(root: str, folder: str) -> bool:
    """Does the folder lie on the examined disk?"""
    if not root:
        return False
    real = os.path.realpath(folder)
    if os.path.commonpath((root, real)) == root:
        return True
    try:
        return os.path.ismount(root) and os.stat(real).st_dev == os.stat(root).st_dev
    except OSError:
        return False


# -- what is said


def _listed(packed: Packed) -> Iterator[str]:
    """What goes in, and what was taken out."""
    yield "In the ticket:"
    for member in packed.members:
        yield f"  {_size(len(member.data)):>8}  {harmless(member.path)}"
    removed: dict[str, int] = {}
    for one in packed.ticket.removed:
        removed[one.kind] = removed.get(one.kind, 0) + one.count
    told = ", ".join(f"{harmless(kind)} ({count})" for kind, count in sorted(removed.items()))
    yield f"Taken out: {told or 'nothing; no secret was found'}"


def _what_next(path: str, packed: Packed, address: str) -> Iterator[str]:
    shown = shlex.quote(os.path.abspath(path))
    again = " ".join(shlex.quote(word) for word in _target_words(packed))
    yield f"Written:   {harmless(shown)} ({_size(len(packed.data))}, for its owner only)"
    yield f"To paste:  agent ticket{again and ' ' + again} --print"
    host = f"[{address}]" if ":" in address else address or "ADDRESS"
    yield "To copy, on your own computer:"
    yield f"           scp {shlex.quote(f'root@{host}:{os.path.abspath(path)}')} ."
    if packed.ticket.scan.subject.rescue:
        yield "           first let ssh in, here: passwd; service ssh start"
    yield "Look at it before you send it: it tells much about your host."


def _target_words(packed: Packed) -> tuple[str, ...]:
    root = packed.ticket.scan.subject.root
    if root in ("", "/"):
        return ()
    return ("--device" if root.startswith("/dev/") else "--root", root)


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"
