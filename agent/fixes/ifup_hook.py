"""--ifup-hook NAME: any other hook of ifupdown that fails is moved aside."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.change.model import Plan
from agent.diagnosis.proofs import hooks as proofs
from agent.diagnosis.proofs.scripts import Fault
from agent.facts.facts import Facts
from agent.fixes.hooks import afterwards, aside, conffiles, link_text, listed, moved, restorable
from agent.fixes.model import Fix, Planned, Refusal, Request

_PATH = re.compile(r"/etc/network/(?P<folder>if-[a-z-]{2,9}\.d)/(?P<name>[A-Za-z0-9_-]+)")
_SHOWN = 20  # hooks that a refusal names

# Hooks without which an interface that the configuration names is not there at all, and what they make.
_MAKERS = {
    "bridge": "bridges",
    "vlan": "VLAN interfaces",
    "ifenslave": "bonds",
    "openvswitch": "Open vSwitch bridges",
    "wpasupplicant": "wireless connections",
    "wireless-tools": "wireless connections",
    "mountnfs": "NFS mounts",
}


def plan(request: Request) -> Planned:
    facts = request.facts
    failing = dict(_failing(request))
    if not request.name:
        return Refusal("it needs the name of the hook", _which(failing))
    paths = _named(request, failing)
    if isinstance(paths, Refusal):
        return paths
    operations = tuple(aside(facts, path) for path in paths)
    why = [f"{path} ({failing[path]})" if failing.get(path) else path for path in paths]
    return Plan(
        summary=f"Moves {listed(why)} aside, where nothing runs {'it' if len(paths) == 1 else 'them'}.",
        operations=operations,
        warnings=tuple(_warnings(facts, paths)),
        ask=_ask(facts, paths),
        reboot=not facts.target.live,
        next=(*afterwards(facts), *restorable(conffiles(facts), moved(operations))),
    )


def _failing(request: Request) -> Iterator[tuple[str, str]]:
    """The path of each hook that fails, and why as far as its text shows."""
    facts = request.facts
    for finding in request.findings:
        for path in finding.values.get("hooks", finding.values.get("hook", "")).split():
            yield path, "it failed in the newest boot"
    for hook in proofs.hooks(facts):
        fault = proofs.fault_of(facts, hook) if proofs.is_other(hook.name) else None
        if isinstance(fault, Fault):
            yield hook.path, fault.problem
    for hook, to in proofs.dangling(facts):
        yield hook.path, f"it is a link to {to}, which does not exist"


def _named(request: Request, failing: dict[str, str]) -> tuple[str, ...] | Refusal:
    """The hooks that the name means: a full path, FOLDER/NAME, or a bare name in any folder."""
    facts, name = request.facts, _inside(request)
    found = tuple(path for path in failing if path == name or path.endswith(f"/{name}"))
    if found:
        return found
    bare = name.rpartition("/")[2]
    if proofs.is_sendmail(bare) or proofs.is_iptables(bare):
        flag = "--sendmail" if proofs.is_sendmail(bare) else "--iptables"
        return Refusal(f"{bare} has a fix of its own", f"agent fix {flag}")
    there = tuple(
        f"/etc/network/{folder}/{bare}"
        for folder in proofs.ALL
        if proofs.runs(bare)
        and f"/etc/network/{folder}/{bare}".endswith(f"/{name.lstrip('/')}")
        and facts.target.exists(f"/etc/network/{folder}/{bare}", follow=False)
    )
    if there and request.forced:
        return there
    if there:
        return Refusal(f"{listed(there)} shows no fault", _which(failing), forceable=True)
    return Refusal(f"there is no hook {name}", _which(failing))


def _inside(request: Request) -> str:
    """The name as the target has it: a path may have been given with the mounted root before it."""
    root = request.facts.target.place.rstrip("/")
    inside = request.name[len(root) :] if root and request.name.startswith(f"{root}/") else request.name
    return inside.rstrip("/")


def _which(failing: dict[str, str]) -> str:
    if not failing:
        return "no hook fails"
    return "these fail: " + ", ".join(list(failing)[:_SHOWN]) + (" ..." if len(failing) > _SHOWN else "")


def _warnings(facts: Facts, paths: tuple[str, ...]) -> Iterator[str]:
    yield f"What {listed(paths)} did when an interface comes up is not done any more."
    for path in paths:
        to = link_text(facts.target, path)
        if to:
            yield f"{path} is a link to {to}: the link is moved, what it points to stays as it is."


def _ask(facts: Facts, paths: tuple[str, ...]) -> str:
    """A hook that is there may do a part of its work; a link to nothing does none."""
    names = [path.rpartition("/")[2] for path in paths if facts.target.exists(path)]
    made = sorted({_MAKERS[name] for name in names if name in _MAKERS})
    return f"Without this hook, ifup sets up no {listed(made)}." if made else ""


def verify(request: Request) -> str:
    """The other hooks that fail do not count: only those that were named."""
    failing = dict(_failing(request))
    name = _inside(request)
    left = [path for path in failing if path == name or path.endswith(f"/{name}")]
    return "; ".join(f"{path}: {failing[path]}" for path in left)


FIX = Fix(
    name="ifup-hook",
    help="move another hook of ifupdown that fails aside",
    rules=("ifup-hook-failed",),
    plan=plan,
    argument="NAME",
    verify=verify,
)
