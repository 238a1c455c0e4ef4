"""The command `agent`: its verbs, its errors, its exit statuses."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from agent import __version__
from agent.errors import AgentError, CannotLook, UsageError
from agent.report.harmless import harmless

OK, FINDINGS, USAGE, COULD_NOT_LOOK = 0, 1, 2, 3
INTERRUPTED = 130
VERBS = {
    "scan": "find the first broken layer (the default)",
    "rescue": "in rescue mode: find, check and examine the disks",
    "fix": "repair what is proven to be broken",
    "undo": "take a fix back",
    "history": "list the fixes that were applied",
    "confirm": "keep a fix that is on probation",
    "firewall": "does a packet get in, and which rule stops it",
    "mtr": "what an MTR report says, and what to do next",
    "ticket": "write an archive for support, without secrets",
    "rules": "list, show or check the rules",
}

EPILOG = """\
Examples:
  sudo agent scan                      this host
  agent rescue                         in rescue mode: the disks, what is broken
  sudo agent scan --root /media/sda    a disk that you mounted yourself
  sudo agent fix                       what can be repaired here
  sudo agent fix --sendmail            repair it; every fix can be taken back:
  sudo agent undo                      takes the last one back
  sudo agent firewall                  does ssh get in, and which rule stops it
  agent mtr report.txt                 what an MTR report means, what to do next
  sudo agent ticket                    all that support asks for, without secrets
  agent scan --log console.txt         a log that was copied from somewhere

Exit status of scan: 0 nothing wrong, 1 findings, 2 usage, 3 it could not look.
A scan never changes anything."""


def console() -> NoReturn:
    """Entry point: runs and exits."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one verb and returns its exit status; every error becomes a sentence and a hint."""
    words = list(arguments)
    if not words or (words[0] not in VERBS and words[0] not in ("-h", "--help", "--version")):
        words = _with_scan(words)
    try:
        options = _parsed(words)
    except UsageError as error:
        return _complain(error)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except AgentError as error:
        if options.debug:
            raise
        return _complain(error)
    except KeyboardInterrupt:
        print("\nstopped; nothing was changed", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (head, less): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if options.debug:
            raise
        print(f"agent: internal error: {type(error).__name__}: {harmless(str(error))}", file=sys.stderr)
        print("hint: run it again with --debug and report what it prints", file=sys.stderr)
        return COULD_NOT_LOOK


def _parsed(words: list[str]) -> argparse.Namespace:
    """The options; a verb may have its own words for those that it does not know."""
    top = parser(words[0])
    options, strange = top.parse_known_args(words)
    if strange:
        if hasattr(options, "unknown"):
            raise options.unknown(strange)
        top.error(f"unrecognized arguments: {' '.join(strange)}")
    return options


def _with_scan(words: list[str]) -> list[str]:
    """`agent` alone, or with options only, is `agent scan`."""
    return ["scan", *words] if not words or words[0].startswith("-") else words


def _complain(error: AgentError) -> int:
    print(f"agent: {harmless(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"hint: {harmless(error.hint)}", file=sys.stderr)
    if isinstance(error, UsageError):
        return USAGE
    return COULD_NOT_LOOK if isinstance(error, CannotLook) else FINDINGS


def parser(verb: str) -> argparse.ArgumentParser:
    """The command line of a verb; of the others no more than their names. "" for none: only their list is shown."""
    top = argparse.ArgumentParser(
        prog="agent",
        description="Names the first broken layer of an unreachable Linux host, with its proof, and repairs it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"lish-agent {__version__}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, meaning in VERBS.items():
        if name == verb:  # only its modules are imported
            own = importlib.import_module(f"agent.cli.{name}").add_parser(verbs)
            own.add_argument("--debug", action="store_true", help="show tracebacks")
        else:
            verbs.add_parser(name, help=meaning, add_help=False)
    return top
