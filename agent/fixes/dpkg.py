"""--dpkg: lets dpkg finish what it began (dpkg --configure -a), as the guide does.

It can't be taken back, and the plan says so. Keeping dpkg's database for an undo would make it worse: the
database would then deny what the packages' scripts have done to the files.
"""

from __future__ import annotations

import shlex

from agent.change.model import Operation, Plan, Remove, Run, WriteFile
from agent.facts.facts import Facts
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

TIMEOUT = 1800.0  # seconds: an initramfs for each kernel, on a slow disk
SPACE = 32 * 1024 * 1024  # bytes that must be free; dpkg that meets a full disk leaves more behind than it found
INODES = 200

# Answers for every question that a package may ask: nobody sits there to answer, and what the administrator
# has changed stays as it is (dpkg(1), debconf(7), ucf(1)).
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "UCF_FORCE_CONFFOLD": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
}
COMMAND = ("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")

# invoke-rc.d asks this program, and 101 forbids the action (/usr/share/doc/init-system-helpers/README.policy-rc.d).
POLICY = b"#!/bin/sh\n# made by lish-agent while dpkg runs on a disk that is not booted\nexit 101\n"
_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
_SHOWN = 12  # packages on the screen
_SESSIONS = ("openssh-server", "ifupdown", "network-manager", "netplan.io", "systemd", "ifupdown-ng", "ifupdown2")


def plan(request: Request) -> Planned:
    facts = request.facts
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    policy, warnings = _policy(facts)
    run = Run(COMMAND, "configures what is unpacked", timeout=TIMEOUT, environment=ENVIRONMENT)
    operations: tuple[Operation, ...] = (run,)
    if policy:
        operations = (WriteFile(policy, POLICY, mode=0o755), run, Remove(policy))
    return Plan(
        "Lets dpkg finish the installation that was interrupted.",
        operations,
        (*_half_done(facts), *_of_scripts(facts), *warnings),
        ask="what the packages' own scripts do can't be taken back",
        next=_next(facts),
    )


def verify(request: Request) -> str:
    """What is still half done, of what --configure can cure."""
    packages = request.facts.packages
    if isinstance(packages.dpkg_states, Unknown):
        return packages.dpkg_states.reason
    left = [name for name in packages.half_done() if name not in _to_reinstall(request.facts)]
    if left:
        return f"still half installed: {_names(left)}"
    return "its journal in /var/lib/dpkg/updates is still there" if packages.pending_updates else ""


def _refusal(request: Request) -> Refusal | None:
    facts = request.facts
    packages = facts.packages
    if packages.system != "dpkg":
        return Refusal(f"the packages are {packages.system or 'unknown'}'s here, not dpkg's")
    if isinstance(packages.dpkg_states, Unknown):
        return Refusal(
            packages.dpkg_states.reason, "an older copy: /var/lib/dpkg/status-old, /var/backups/dpkg.status*"
        )
    lost = next((one.values["lost"] for one in request.findings if one.values.get("lost")), "")
    if lost:
        status = "/var/lib/dpkg/status"
        hint = (
            f"put the older copy back first: cp -p {lost} {status}" if lost != "-" else "an older copy has to be found"
        )
        return Refusal(f"{status} names no package: there is nothing that dpkg could configure", hint)
    if isinstance(facts.target.find_program("dpkg"), Unknown):
        return Refusal("the program dpkg itself is missing on this disk")
    holder = packages.busy[0] if packages.busy else _lock_holder(facts.target)
    if holder:
        return Refusal(f"{holder} is at work at this moment", "wait until it has ended: it may need no repair")
    full = _full(facts.target)
    if full:
        return Refusal(full, "make room first: apt-get clean; journalctl --vacuum-size=50M")
    half = packages.half_done()
    if not half and not packages.pending_updates and not request.forced:
        return Refusal("no package is half installed", forceable=True)
    again = _to_reinstall(facts)
    if half and len(again) == len(half) and not packages.pending_updates and not request.forced:
        return Refusal(
            f"{_names(again)} must be installed anew, which dpkg --configure does not do", _reinstall(again), True
        )
    return None


def _to_reinstall(facts: Facts) -> tuple[str, ...]:
    """Packages whose files are incomplete: --configure passes them over (dpkg(1), half-installed, reinst-required)."""
    states = facts.packages.dpkg_states
    if isinstance(states, Unknown):
        return ()
    words = {name: states[name].split() for name in facts.packages.half_done()}
    return tuple(name for name, state in words.items() if "reinst" in state[1] or state[2] == "half-installed")


def _reinstall(names: tuple[str, ...]) -> str:
    return f"with network: apt-get install --reinstall {shlex.join(names)}"


def _full(target: Target) -> str:
    """The first place that dpkg writes to without room; "" where there is enough, or it can't be told."""
    for path in ("/var/lib/dpkg", "/usr", "/boot", "/etc"):
        space = target.space(path)
        if isinstance(space, Unknown):
            continue
        if space.bytes_free < SPACE and path != "/boot":  # a small /boot may be all but full for good
            return f"only {space.bytes_free // 1024} KiB are free at {path}: dpkg would be interrupted again"
        if space.inodes_total and space.inodes_free < INODES:
            return f"only {space.inodes_free} inodes are free at {path}: dpkg would be interrupted again"
    return ""


def _lock_holder(target: Target) -> str:
    """Who holds dpkg's lock on the running host (proc_locks(5)); "" when nobody does."""
    locks = target.text("/proc/locks") if target.live else ""
    stats = [target.stat(path) for path in _LOCKS]
    inodes = {stat.inode for stat in stats if isinstance(stat, Stat)}
    for line in locks.split("\n") if isinstance(locks, str) else ():
        words = line.split()  # 1: POSIX ADVISORY WRITE 1234 08:00:262158 0 EOF
        if len(words) >= 6 and words[-3].rpartition(":")[2] in map(str, inodes) and words[-4].isdecimal():
            name = target.text(f"/proc/{words[-4]}/comm", 256)
            return f"{name.strip() if isinstance(name, str) else 'a program'} (process {words[-4]})"
    return ""


def _policy(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """Where services are forbidden to start: "" when they may, or when the administrator decides."""
    target = facts.target
    if target.live:
        return "", ()
    folder = target.resolve("/usr/sbin")
    path = f"{folder if isinstance(folder, str) else '/usr/sbin'}/policy-rc.d"
    if target.exists(path, follow=False):
        return "", (f"{path} is there already: it decides which services are started meanwhile.",)
    return path, ("No service is started meanwhile; they start when the host boots.",)


def _half_done(facts: Facts) -> tuple[str, ...]:
    states = facts.packages.dpkg_states
    names = facts.packages.half_done()
    if isinstance(states, Unknown) or not names:
        return ()
    told = [f"{name} ({states[name].split()[2]})" for name in names]
    found = [f"Half done now: {_names(told)}."]
    again = _to_reinstall(facts)
    if again:
        found.append(f"This does not cure {_names(again)}: to be installed anew afterwards.")
    return tuple(found)


def _of_scripts(facts: Facts) -> tuple[str, ...]:
    found = [
        "This can't be undone. A package that was configured stays so, also when another one fails.",
        "Configuration files that you changed stay as they are; new versions lie beside them (*.dpkg-dist).",
    ]
    touched = [name for name in facts.packages.half_done() if name.split(":")[0] in _SESSIONS]
    if facts.target.live and touched:
        found.append(f"{_names(touched)} may restart its service: an ssh session can end with that.")
    return tuple(found)


def _next(facts: Facts) -> tuple[str, ...]:
    again = _to_reinstall(facts)
    steps = [_reinstall(again)] if again else []
    return (*steps, "If it names missing dependencies, and with a network: apt-get -f install.")


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


FIX = Fix(
    "dpkg",
    "finish an interrupted installation: dpkg --configure -a",
    ("dpkg-interrupted",),
    plan,
    verify=verify,
)
