"""--fstab: nofail on the lines of /etc/fstab that stop the boot, so that the host comes up without them.

Of the file, the options field of those lines changes and not a byte else. The lines for / and /usr are never
touched: without them there is no host to come up. A line that is only ignored (it can't be parsed) stops no boot
and is left as it is; every other fault that the rules prove is one of a mount that the boot requires, which is
what nofail takes away (systemd.mount(5), fstab(5), and fsck(8), which then skips a device that is absent).
"""

from __future__ import annotations

import re
from dataclasses import replace

from agent.change.model import Plan, WriteFile
from agent.diagnosis.model import Finding
from agent.facts.facts import Facts
from agent.facts.fstab import PATH, FstabEntry, parse
from agent.facts.services import Init
from agent.fixes import units
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.unknown import Unknown

_NEVER = ("/", "/usr")
_BOOT = ("/boot", "/boot/efi", "/efi")

# Fields are divided by blanks; a carriage return before the newline belongs to the line's end.
_LINE = re.compile(
    rb"(?P<before>[ \t]*[^\s#]\S*[ \t]+\S+[ \t]+\S+)"
    rb"(?:(?P<gap>[ \t]+)(?P<options>[^\s#]\S*))?(?P<after>(?:[ \t].*)?)(?P<end>\r?)",
    re.DOTALL,
)


def plan(request: Request) -> Planned:
    facts = request.facts
    wanted = _lines(request.findings)
    if not wanted:
        return Refusal(
            "no line of /etc/fstab is proven to stop the boot", "add nofail by hand to the line that you mean"
        )
    entries = [entry for entry in facts.fstab.entries if entry.line in wanted and not entry.nofail]
    kept = [entry for entry in entries if entry.file in _NEVER]
    entries = [entry for entry in entries if entry.file not in _NEVER]
    if not entries:
        return _refused(facts, kept)
    data = facts.target.read(PATH)
    if isinstance(data, Unknown):
        return Refusal(data.reason)
    words = _words(facts)
    lines = data.split(b"\n")
    for entry in entries:
        changed = with_options(lines[entry.line - 1], words)
        if changed is None:
            return Refusal(f"line {entry.line} of {PATH} has no options field that could be changed", "edit it by hand")
        lines[entry.line - 1] = changed
    new = b"\n".join(lines)
    if not _only_these(data, new, [entry.line for entry in entries]):
        return Refusal(f"{PATH} is written in a way that this fix does not master", "edit it by hand")
    write = WriteFile(PATH, new)
    return Plan(
        f"Marks {_listed(entries)} nofail in {PATH}, so that the boot goes on without.",
        units.reloaded(facts, (write,)),
        _warnings(entries, kept),
        reboot=True,
        next=_next(facts, entries, kept),
    )


def verify(request: Request) -> str:
    """What still stops the boot, but for the lines that this fix never touches.

    On the live host a line counts as sound when it was mounted by the file as it is; the edit has made the file
    newer than the boot, so what is mounted is looked at here.
    """
    facts = request.facts
    mounted = () if isinstance(facts.mounts, Unknown) or not facts.target.live else facts.mounts
    sound = {*_NEVER, *(mount.point for mount in mounted)}
    entries = {entry.line: entry for entry in facts.fstab.entries}
    for line in _lines(request.findings):
        entry = entries.get(line)
        if entry is None or not (entry.nofail or entry.file in sound):
            return f"the boot still needs line {line} of {PATH}"
    return ""


def with_options(line: bytes, words: tuple[str, ...]) -> bytes | None:
    """The line with words added to its options, all else as it is; None when it has no three fields.

    Before a carriage return, which becomes part of the last option, they go to the front.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    added = ",".join(words).encode()
    options, after, end = match["options"], match["after"], match["end"]
    if options is None:
        gap = re.search(rb"[ \t]+(?=\S+$)", match["before"])
        new = (gap[0] if gap else b" ") + b"defaults," + added
        if end and not after.strip():
            new += b" 0 0"  # else the carriage return would be part of nofail
        return match["before"] + new + after + end
    at_the_end = end and not after.strip()
    new = added + b"," + options if at_the_end else options.rstrip(b",") + b"," + added
    return match["before"] + match["gap"] + new + after + end


def _only_these(old: bytes, new: bytes, numbers: list[int]) -> bool:
    """What mount and systemd read: these lines are nofail now, and all else is as it was."""
    before, after = (parse(data.decode("utf-8", "replace")).entries for data in (old, new))
    if len(before) != len(after):
        return False
    for one, other in zip(before, after):
        if one.line not in numbers:
            if one != other:
                return False
        elif not other.nofail or replace(other, options=(), text="", dump="", passno="") != replace(
            one, options=(), text="", dump="", passno=""
        ):
            return False
    return True


def _lines(findings: tuple[Finding, ...]) -> tuple[int, ...]:
    """The numbers of the proven lines."""
    numbers = {
        int(word)
        for finding in findings
        for word in (finding.values.get("lines") or finding.values.get("line", "")).split(",")
        if word.strip().isdecimal()
    }
    return tuple(sorted(numbers))


def _refused(facts: Facts, kept: list[FstabEntry]) -> Refusal:
    if not kept:
        return Refusal("the boot does not need these lines any more", "agent scan shows what stands now")
    entry = kept[0]
    what = "the root" if entry.file == "/" else entry.file
    return Refusal(
        f"line {entry.line} of {PATH} is the line for {what}, which this fix never touches",
        f"give it the right device and options by hand: blkid lists the disks, and line {entry.line} says"
        f" {entry.spec or 'nothing'}; findmnt --verify --tab-file {facts.target.place.rstrip('/')}{PATH} checks it",
    )


def _words(facts: Facts) -> tuple[str, ...]:
    """mountall (Ubuntu 9.10 to 14.10) has its own word for it."""
    program = facts.target.find_program("mountall")
    if facts.init is Init.UPSTART and not isinstance(program, Unknown):
        return ("nofail", "nobootwait")
    return ("nofail",)


def _listed(entries: list[FstabEntry]) -> str:
    words = [f"line {entry.line} ({entry.file})" for entry in entries]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _warnings(entries: list[FstabEntry], kept: list[FstabEntry]) -> tuple[str, ...]:
    found = []
    data = [entry.file for entry in entries if entry.file not in _BOOT]
    if data:
        found.append(
            f"As long as it is not mounted, {', '.join(data)} is an empty folder of the filesystem around it,"
            " and services that write there fill that one."
        )
    found += [
        f"When {entry.file} is not mounted, a kernel update writes into the empty folder, and the next boot does not"
        " find it: mount it before updating."
        for entry in entries
        if entry.file in _BOOT
    ]
    found += [f"Line {entry.line}, for {entry.file}, stays as it is and must be mended by hand." for entry in kept]
    return tuple(found)


def _next(facts: Facts, entries: list[FstabEntry], kept: list[FstabEntry]) -> tuple[str, ...]:
    found = []
    if facts.init is Init.SYSTEMD and any(entry.option("x-systemd.device-timeout") is None for entry in entries):
        found.append(
            "At each boot systemd looks for an absent device for 90 s, in the background: the option "
            "x-systemd.device-timeout=10s shortens that."
        )
    emergency = facts.unit("emergency.service") if facts.init is Init.SYSTEMD and facts.target.live else None
    if emergency is not None and emergency.active == "active":
        found.append("To go on with this boot: systemctl default.")
    found.append("Give the lines the right devices when they are known (blkid), or take the lines out.")
    return tuple(found)


FIX = Fix(
    name="fstab",
    help="mark the lines of /etc/fstab that stop the boot nofail; never the root's",
    rules=("fstab-missing-device", "fstab-invalid"),
    plan=plan,
    verify=verify,
)
