"""--iptables: the hook, or the line in ifupdown's configuration, that was to load the firewall and can't.

A hook is repaired where its first line or its line ends are all that is wrong with it, so that the firewall
comes back with it; else it is moved aside. Nothing of it is ever run to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.change.model import Operation, Plan, WriteFile
from agent.diagnosis.proofs import hooks as proofs
from agent.diagnosis.proofs import scripts
from agent.diagnosis.proofs.hooks import DeadLine, Hook
from agent.diagnosis.proofs.scripts import Fault, Script
from agent.facts.facts import Facts
from agent.facts.services import Enablement
from agent.fixes.hooks import afterwards, aside, conffiles, link_text, listed, moved, restorable
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

_BOM = b"\xef\xbb\xbf"
_STEPS = 5  # repairs of one hook, one after the other
_RULE_FILE = 4 * 1024 * 1024  # bytes

# A line of iptables-save in a script's place: then it is no script, and a #! line would not make it one.
_RULE = re.compile(
    r"(?:\*(?:filter|nat|mangle|raw|security)$|:[\w-]+ (?:ACCEPT|DROP|-)|COMMIT$|(?:\[\d+:\d+\] )?-[AIPNFX] )"
)
_FIREWALL = re.compile(r"(?:^|[\s/;&|(])ip6?tables(?:-\w+)*(?=\s|$|;|<)")
_BASH = re.compile(
    r"\[\[\s|\s==\s|(?:^|\s)(?:function|declare|shopt|let)\s|^\s*source\s|(?:^|\s)\w+\+?=\(|<<<|[<>]\(|&>"
    r"|(?<!\$)\(\(|\$\{\w+\["
)
_SERVICES = (
    "netfilter-persistent.service",
    "iptables.service",
    "nftables.service",
    "ufw.service",
    "firewalld.service",
)


@dataclass(frozen=True)
class _Mended:
    """A hook's text as it should be, and what was done to it: "its first line is #!/bin/sh now"."""

    data: bytes
    steps: tuple[str, ...]


def plan(request: Request) -> Planned:
    facts = request.facts
    hooks = tuple(_failing(request))
    lines = tuple(proofs.dead_lines(facts))
    if not hooks and not lines:
        return Refusal("no iptables hook or line shows a fault", "agent scan shows what stands now")
    refusal = _helper(facts, lines, request.forced)
    if refusal:
        return refusal
    operations: list[Operation] = []
    done: list[str] = []
    warnings: list[str] = []
    ask = ""
    for hook, fault in hooks:
        mended = _mended(facts.target, hook)
        if isinstance(mended, _Mended):
            operations.append(WriteFile(hook.path, mended.data))
            done.append(f"repairs {hook.path} ({', '.join(mended.steps)})")
            warnings += _runs_now(hook, mended)
        else:
            operations.append(aside(facts, hook.path))
            done.append(f"moves {hook.path} aside ({mended or fault.problem})")
            warnings += _linked(facts, hook)
            ask = ask or _partly(facts, hook, fault)
    edits = _commented(facts, lines)
    if isinstance(edits, Refusal):
        return edits
    operations += edits
    done += [f"comments out {line.place} ({line.problem})" for line in lines]
    paths = moved(tuple(operations))
    if lines or paths:
        warnings.insert(0, _down(facts, paths, lines))
    if lines and facts.helper.on and any(line.path in facts.helper.files for line in lines):
        warnings.append(f"Network Helper writes {listed(sorted({line.path for line in lines}))} anew at the next boot.")
    summary = "; ".join(done)
    return Plan(
        summary=f"{summary[0].upper()}{summary[1:]}.",
        operations=tuple(operations),
        warnings=tuple(warnings),
        ask=ask,
        reboot=not facts.target.live,
        next=(*_repair_first(paths, lines), *afterwards(facts), *restorable(conffiles(facts), paths)),
    )


def _failing(request: Request) -> Iterator[tuple[Hook, Fault]]:
    """The hooks that show a fault, and those that the proof saw fail in the newest boot."""
    seen = {path for finding in request.findings for path in finding.values.get("hooks", "").split()}
    for hook in proofs.hooks(request.facts):
        if not proofs.is_iptables(hook.name):
            continue
        fault = proofs.fault_of(request.facts, hook)
        if isinstance(fault, Fault):
            yield hook, fault
        elif hook.path in seen:
            yield hook, Fault("it failed in the newest boot")


# -- repairing a hook


def _mended(target: Target, hook: Hook) -> _Mended | str:
    """The hook's text without what keeps it from running, or why that would not do ("": nothing to mend)."""
    if link_text(target, hook.path):
        return ""  # what it points to may serve others
    script = scripts.read(target, hook.path)
    if isinstance(script, Unknown):
        return ""
    steps: list[str] = []
    for _ in range(_STEPS):
        step = _mend(target, script, scripts.exec_fault(target, script))
        if step is None:
            break
        script = Script(script.path, step.data)
        steps += step.steps
    hopeless = _hopeless(target, script)
    return _Mended(script.data, tuple(steps)) if steps and not hopeless else hopeless


def _mend(target: Target, script: Script, fault: Fault | None) -> _Mended | None:
    """One repair, where one is left to do."""
    data = script.data
    if b"\0" in data or not data.strip():
        return None
    if data.startswith(_BOM):
        return _Mended(data[len(_BOM) :], ("without the byte order mark",))
    plain = re.sub(rb"\r+(?=\n|\Z)", b"", data)
    if plain != data:  # not the first line alone: each later line would hand its CR to a command
        return _Mended(plain, ("with plain line ends",))
    if fault is None:
        return None
    words = script.interpreter
    if not words:
        shell = _shell(target, script)
        return _Mended(f"#!{shell}\n".encode() + data, (f"with the first line #!{shell}",)) if shell else None
    there = _elsewhere(target, words[0])
    if there:
        first, end, rest = data.partition(b"\n")
        first = first.replace(words[0].encode(), there.encode(), 1)
        return _Mended(first + end + rest, (f"with its interpreter at {there}",))
    return None


def _shell(target: Target, script: Script) -> str:
    """What the text is written for: /bin/sh, or bash where it needs that; "" when it is no shell script."""
    lines = [text for _, text in scripts.commands(script)]
    if not any(_FIREWALL.search(text) for text in lines) or any(_RULE.match(text) for text in lines):
        return ""
    wanted = "/bin/bash" if any(_BASH.search(text) for text in lines) else "/bin/sh"
    return wanted if _is_program(target, wanted) else ""


def _elsewhere(target: Target, interpreter: str) -> str:
    """Where the interpreter is, when it is in another folder than the hook says."""
    name = interpreter.rpartition("/")[2]
    if _is_program(target, interpreter) or not re.fullmatch(r"[\w.+-]+", name):
        return ""
    if _is_program(target, f"/bin/{name}"):
        return f"/bin/{name}"
    found = target.find_program(name)
    return "" if isinstance(found, Unknown) else found


def _is_program(target: Target, path: str) -> bool:
    stat = target.stat(path)
    return isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.executable


def _hopeless(target: Target, script: Script) -> str:
    """Why the hook would fail all the same, as far as its text and its rules show; "" when nothing does."""
    words = script.interpreter
    if words and words[0].endswith("tables-restore"):
        return _malformed(script.data)
    if not words and any(_RULE.match(text) for _, text in scripts.commands(script)):
        return "it holds rules, and is no script"
    fault = (
        scripts.exec_fault(target, script)
        or scripts.missing_source(target, script)
        or scripts.failing_restore(target, script)
    )
    if fault:
        return fault.problem
    for path in scripts.rulesets(script):
        data = target.read(path, _RULE_FILE)
        problem = "" if isinstance(data, Unknown) else _malformed(data) or _unended(target, data)
        if problem:
            return f"{path}: {problem}"
    return ""


def _malformed(data: bytes) -> str:
    """What iptables-restore rejects for its shape (1.8.9, both variants, tried); what the rules themselves say
    is not judged."""
    table = False
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if line.startswith("#") or not line:
            continue
        if table and line.endswith("\r"):
            return f"line {number} ends in CRLF"
        if not table:
            if not line.startswith("*"):
                return f"line {number} stands outside of a table"
            table = True
        elif line == "COMMIT":
            table = False
        elif not re.match(r"\s*(?:\[\d+:\d+\]\s*)?-|:\S+\s+\S", line):
            return f"line {number} is no rule"
    return "its last COMMIT is missing" if table else ""


def _unended(target: Target, data: bytes) -> str:
    """Legacy takes a last line without its line end for no COMMIT (1.8.9, tried); nft takes it for one."""
    found = target.find_program("iptables-restore")
    real = found if isinstance(found, Unknown) else target.resolve(found)
    if not data or data.endswith(b"\n") or (isinstance(real, str) and "nft" in real):
        return ""
    return "its last line has no end"


# -- what has to be said


def _runs_now(hook: Hook, mended: _Mended) -> list[str]:
    files = sorted(set(scripts.rulesets(Script(hook.path, mended.data))))
    rules = f" ({listed(files)})" if files else ""
    return [
        f"{hook.path} runs again: its rules{rules} are in force as soon as an interface is brought up. They were not "
        "while it failed: check that they let ssh in."
    ]


def _linked(facts: Facts, hook: Hook) -> list[str]:
    to = link_text(facts.target, hook.path)
    return [f"{hook.path} is a link to {to}: the link is moved, {to} stays as it is."] if to else []


def _down(facts: Facts, paths: tuple[str, ...], lines: tuple[DeadLine, ...]) -> str:
    gone = [*paths, *(line.place for line in lines)]
    said = f"THE FIREWALL IS DOWN until it is loaded again: {listed(gone)} no longer {_loads(len(gone))} it."
    left = [hook.path for hook in proofs.hooks(facts) if proofs.is_iptables(hook.name) and hook.path not in paths]
    if left:
        said += f" {listed(left)} still {_loads(len(left))} a part."
    others = [name for name in _SERVICES if facts.unit(name).enablement is Enablement.ENABLED]
    if others:
        said += f" What {listed(others)} may load is not looked at."
    return said


def _loads(count: int) -> str:
    return "loads" if count == 1 else "load"


def _partly(facts: Facts, hook: Hook, fault: Fault) -> str:
    """A hook that fails half-way has loaded a part of the firewall until now; without it, that is gone too."""
    script = scripts.read(facts.target, hook.path)
    if isinstance(script, Unknown) or scripts.exec_fault(facts.target, script):
        return ""
    before = [
        text
        for number, text in scripts.commands(script)
        if _FIREWALL.search(text) and (number < fault.line if fault.line else True)
    ]
    if len(before) > (0 if fault.line else 1):
        return f"{hook.path} loads a part of the firewall before it fails; once it is moved aside, it loads none."
    return ""


def _repair_first(paths: tuple[str, ...], lines: tuple[DeadLine, ...]) -> tuple[str, ...]:
    said = []
    if paths:
        said.append(
            "Repair what was moved aside: its first line is #!/bin/sh, its lines end without CR, and the rules that it "
            "loads are there (iptables-restore --test < FILE). Then give it its name back, or agent undo."
        )
    if lines:
        said.append("Put the rules where the line looks for them, then take its # away, or agent undo.")
    return tuple(said)


# -- lines of /etc/network/interfaces


def _helper(facts: Facts, lines: tuple[DeadLine, ...], forced: bool) -> Refusal | None:
    """Network Helper writes its files anew at each boot: what is edited there does not last."""
    theirs = [line for line in lines if line.path in facts.helper.files]
    if not theirs or not facts.helper.on or forced:
        return None
    return Refusal(
        f"Network Helper writes {theirs[0].path} anew at each boot, so an edit of {theirs[0].place} would not last",
        "the switch is in Cloud Manager: the Linode's configuration profile, Auto-configure networking",
        forceable=True,
    )


def _commented(facts: Facts, lines: tuple[DeadLine, ...]) -> list[WriteFile] | Refusal:
    """The files with a # before each dead line, and all else byte for byte."""
    edits = []
    for path in dict.fromkeys(line.path for line in lines):
        real = facts.target.resolve(path)
        data = real if isinstance(real, Unknown) else facts.target.read(real)
        if isinstance(real, Unknown) or isinstance(data, Unknown):
            return Refusal(data.reason if isinstance(data, Unknown) else path)
        parts = data.split(b"\n")
        for line in (one for one in lines if one.path == path):
            if b"\0" in data or not _comment(parts, line.number - 1):
                return Refusal(
                    f"{line.place} continues another line, or goes on in the next, so it is not commented out",
                    "edit it by hand: a # before it would end in the middle of a command",
                )
        edits.append(WriteFile(real, b"\n".join(parts)))
    return edits


def _comment(parts: list[bytes], at: int) -> bool:
    """Puts the # behind the indentation; False for a line that is only a part of one."""
    before = parts[at - 1] if at else b""
    line = parts[at]
    if line.endswith(b"\\") or (before.endswith(b"\\") and not before.lstrip().startswith(b"#")):
        return False
    indent = len(line) - len(line.lstrip())
    parts[at] = line[:indent] + b"#" + line[indent:]
    return True


FIX = Fix(
    name="iptables",
    help="repair the hook that loads the firewall, or move it aside (the firewall is down then)",
    rules=("ifup-hook-iptables",),
    plan=plan,
)
