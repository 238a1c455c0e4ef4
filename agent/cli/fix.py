"""agent fix: repairs what is proven to be broken, so that it can be taken back."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import UsageError
from agent.fixes.registry import FIXES

if TYPE_CHECKING:
    from agent.fixes.model import Fix
    from agent.fixes.proven import Wish
    from agent.target import Target

UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
SHORTEST, LONGEST = 10, 24 * 3600  # seconds of a probation
NEVER = 0.0  # no end by itself
OPTIONS = (
    *("--root", "--device", "--dry-run", "--yes", "--force", "--json", "--backup-dir", "--confirm-within", "--for"),
    *("--debug", "--help"),
)

DESCRIPTION = """\
Repairs what is proven to be broken. Without a flag it lists what can be
repaired here, and changes nothing. Every fix can be taken back: agent undo."""
EPILOG = """\
Exit status: 0 applied and verified, or nothing to do; 1 refused, or taken
back; 2 usage; 3 internal."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "fix",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="agent fix [--FIX ...] [--dry-run] [--yes] [--root DIR | --device DISK] ...",
        allow_abbrev=False,  # a flag is a consent: nobody consents to what he did not write out
    )
    fixes = parser.add_argument_group("fixes, in the order in which they are applied")
    for fix in FIXES:
        _add_flag(fixes, fix)
    where = parser.add_argument_group("where and how")
    place.add_arguments(where, "repair")
    where.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    where.add_argument("--yes", action="store_true", help="go on with a risky fix without asking")
    where.add_argument("--force", action="store_true", help="without proof, for those who know better; with backup")
    where.add_argument("--backup-dir", metavar="DIR", default="", help="keep the backup there, not in the target")
    where.add_argument(
        "--confirm-within",
        metavar="TIME",
        default="",
        help="undo it by itself after TIME (2m) unless agent confirm comes; on the running host",
    )
    where.add_argument(
        "--for",
        dest="lasting",
        metavar="TIME",
        default="",
        help="of --firewall: undo it by itself after TIME (10m; never: keep it), unless agent confirm comes",
    )
    where.add_argument("--json", action="store_true", help="the result as JSON")
    where.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(run=run, unknown=unknown)
    return parser


def _add_flag(group: argparse._ArgumentGroup, fix: Fix) -> None:
    if fix.argument:
        group.add_argument(
            fix.flag,
            metavar=fix.argument,
            nargs="?",
            const="",
            action="append",
            default=[],
            help=fix.help.replace("%", "%%"),
        )
    elif fix.choices:
        metavar = "|".join(fix.choices)
        group.add_argument(
            fix.flag, metavar=metavar, nargs="?", const="", default=None, help=fix.help.replace("%", "%%")
        )
    else:
        group.add_argument(fix.flag, action="store_const", const="", default=None, help=fix.help.replace("%", "%%"))


def unknown(words: Sequence[str]) -> UsageError:
    """The error for options that do not exist, with the nearest that does."""
    word = words[0]
    flags = [fix.flag for fix in FIXES]
    near = difflib.get_close_matches(word.partition("=")[0], [*flags, *OPTIONS], 1, 0.6)
    if near:
        return UsageError(f"there is no option {word}", f"did you mean {near[0]}? Nothing was changed")
    return UsageError(f"there is no option {word}", f"fixes: {' '.join(flags)}; all options: agent fix --help")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 applied and verified or nothing to do, 1 refused or rolled back, 2 usage."""
    wishes = tuple(wished(options))
    if any(wish.fix.on_device for wish in wishes):
        from agent.cli import fsck

        status = fsck.run(options)
        wishes = tuple(wish for wish in wishes if not wish.fix.on_device)
        if status or not wishes:
            return status
    probation = parse_probation(options.confirm_within)
    lasting = parse_lasting(options.lasting, wishes)
    with place.opened(options, writable=bool(wishes) and not options.dry_run) as target:
        if probation is not None and not target.live:
            raise UsageError(
                "--confirm-within is for the running host",
                "in a chroot a fix can be undone at any time: agent undo"
                if target.root == "/"
                else "a mounted disk can be undone at any time: agent undo --root DIR",
            )
        return _fix(options, target, wishes, probation, lasting)


def _fix(
    options: argparse.Namespace,
    target: Target,
    wishes: Sequence[Wish],
    probation: float | None,
    lasting: float | None,
) -> int:
    from agent.cli.fixing import Session, apply_all, list_offers

    session = Session(
        target=target,
        backup_dir=options.backup_dir,
        dry_run=options.dry_run,
        yes=options.yes,
        force=options.force,
        probation=probation,
        lasting=lasting,
        as_json=options.json,
    )
    return apply_all(session, wishes) if wishes else list_offers(session)


def wished(options: argparse.Namespace) -> Iterator[Wish]:
    """The fixes that were named, in the order of the ladder."""
    from agent.fixes.proven import Wish

    if options.words:
        raise _stray(options.words[0])
    for fix in FIXES:
        value = getattr(options, fix.name.replace("-", "_"))
        if fix.argument:
            for name in dict.fromkeys(value):
                yield Wish(fix, name=name, forced=options.force)
        elif value is not None:
            yield Wish(fix, choice=_choice(fix, value), forced=options.force)


def _choice(fix: Fix, value: str) -> str:
    """A choice in capitals stands for any text."""
    free = any(choice.isupper() or "," in choice for choice in fix.choices)
    if not value or free or value in fix.choices:
        return value
    if value in [other.name for other in FIXES]:
        raise UsageError(f"{fix.flag}: {value!r} is another fix", f"write it with dashes: --{value}")
    near = difflib.get_close_matches(value, fix.choices, 1, 0.5)
    known = " or ".join(f"{fix.flag}={choice}" for choice in fix.choices)
    raise UsageError(f"{fix.flag} has no choice {value!r}", f"did you mean {near[0]}?" if near else f"it has {known}")


def _stray(word: str) -> UsageError:
    names = [fix.name for fix in FIXES]
    bare = word.partition("=")[0]
    near = [bare] if bare in names else difflib.get_close_matches(bare, names, 1, 0.6)
    if near:
        return UsageError(f"{word!r} is no option", f"fixes are named with dashes: agent fix --{near[0]}")
    return UsageError(f"{word!r} is no option", "agent fix alone lists what can be repaired here")


def parse_probation(text: str, option: str = "--confirm-within") -> float | None:
    """A time in seconds: 90, 90s, 2m, 1h; None where none is given."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,6}) ?(s|m|min|h)?", text.strip())
    if found is None:
        raise UsageError(f"{option}: {text!r} is no time", "write 2m, or 90s")
    seconds = int(found[1]) * UNITS[found[2] or ""]
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError(f"{option}: {text} is out of range", "from 10s to 24h; 2m is a good choice")
    return float(seconds)


def parse_lasting(text: str, wishes: Sequence[Wish]) -> float | None:
    """--for: seconds, 0 for ever; None where the fix decides."""
    if not text:
        return None
    if not any(wish.fix.lasts for wish in wishes):
        raise UsageError("--for is for fixes that end by themselves", "agent fix --firewall=flush --for 10m")
    return NEVER if text.strip() in ("never", "0") else parse_probation(text, "--for")
