"""--nm-profile: gives keyfiles that NetworkManager refuses to root alone, which is all that it asks of them.

Nothing of their content changes, and only regular files in /etc do: those in /run and /usr are written by others.
"""

from __future__ import annotations

from agent.change.model import Command, Operation, Plan, Run, SetMode
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig import glib_keyfile
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager
from agent.facts.netconfig.networkmanager_profile import Profile
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

FOLDER = "/etc/NetworkManager/system-connections"
REJECTED = "keyfile-permissions"
MODE = 0o600
_RELOAD = ("nmcli", "connection", "reload")
_SECRETS = (b"password", b"psk=", b"private-key", b"wep-key", b"secret")


def plan(request: Request) -> Planned:
    facts = request.facts
    rejected = _rejected(facts)
    if not rejected:
        return _refused(request)
    modes: list[SetMode] = []
    left: list[str] = []
    warnings: list[str] = []
    for problem in rejected:
        path = problem.origin.path
        mode = _mode(facts, path)
        data = facts.target.read(path)
        if isinstance(mode, str):
            left.append(mode)
            continue
        profile = None if isinstance(data, Unknown) else Profile(path, glib_keyfile.parse(data))
        fatal = [one.text for one in profile.problems() if one.fatal] if profile else []
        if fatal:
            left.append(f"{path} would be refused for its content all the same ({fatal[0].rpartition(': ')[2]})")
            continue
        modes.append(mode)
        if profile is not None and not isinstance(data, Unknown):
            warnings += _of_content(facts, path, data, profile.config())
    if not modes:
        return Refusal(left[0], "agent scan --verbose shows what NetworkManager would say")
    return Plan(
        f"Gives {_paths(modes)} to root with mode 0600, so that NetworkManager reads it again."
        if len(modes) == 1
        else f"Gives {_paths(modes)} to root with mode 0600, so that NetworkManager reads them again.",
        _reloaded(facts, modes),
        (*dict.fromkeys(warnings), *(f"Left as it is: {why}." for why in left), *_helper(facts, modes)),
        reboot=not facts.target.live,
        next=_next(facts),
    )


def verify(request: Request) -> str:
    """The keyfiles of /etc that are refused for owner or mode still."""
    left = [one for one in _rejected(request.facts) if not isinstance(_mode(request.facts, one.origin.path), str)]
    return left[0].text if left else ""


def _rejected(facts: Facts) -> tuple[ConfigProblem, ...]:
    """The profiles of the host's own network that are refused for owner or mode, as the rule's proof sees it."""
    config = facts.configs.get(Manager.NETWORKMANAGER)
    return tuple(
        problem
        for problem in (config.problems if config else ())
        if problem.fatal and problem.code == REJECTED and parts.carries_network(problem.interface or "eth0")
    )


def _refused(request: Request) -> Refusal:
    for finding in request.findings:
        path, problem = finding.values.get("file", ""), finding.values.get("problem", "")
        if "no reader for ifcfg" in problem:
            return Refusal(
                f"{path} is sound, but {problem}: owner and mode would change nothing",
                "write the connection as a keyfile (nmcli connection add ...), or install the reader where the"
                " distribution still has it (NetworkManager-initscripts-ifcfg-rh)",
            )
        if path:
            return Refusal(
                f"{path} is not refused for its owner or mode: {problem.rpartition(': ')[2] or problem}",
                f"correct the file: nano {request.facts.target.place.rstrip('/')}{path}",
            )
    return Refusal("no keyfile is refused for its owner or mode", "agent scan shows what stands now")


def _mode(facts: Facts, path: str) -> SetMode | str:
    """What makes a keyfile acceptable, or why this fix leaves it alone."""
    if path.rpartition("/")[0] != FOLDER:
        return f"{path} is not in {FOLDER}, and whoever writes it must give it its mode"
    stat = facts.target.stat(path, follow=False)
    if not isinstance(stat, Stat):
        return stat.reason
    if stat.kind is not Kind.FILE:
        return f"{path} is a {stat.kind.value}, not a regular file"
    mode = MODE if stat.mode & 0o077 else stat.mode  # a stricter one is as good
    return SetMode(
        path,
        mode=None if mode == stat.mode else mode,
        uid=0 if stat.uid else None,
        gid=0 if stat.gid else None,
    )


def _of_content(facts: Facts, path: str, data: bytes, profile: InterfaceConfig) -> list[str]:
    found = []
    if any(word in data for word in _SECRETS):
        found.append(f"{path} holds a secret that others could read until now: think of replacing it.")
    others = [
        one.origin.path
        for one in parts.configured(facts, Manager.NETWORKMANAGER)
        if one.origin.path != path and one.name == profile.name
    ]
    if others:
        name = profile.name or "every device"
        found.append(f"{others[0]} is for {name} too: which one is used is decided by autoconnect-priority.")
    if profile.auto:
        found.append(f"NetworkManager brings {profile.name or 'a device'} up by this profile again.")
    return found


def _reloaded(facts: Facts, modes: list[SetMode]) -> tuple[Operation, ...]:
    """On a live host NetworkManager reads its profiles anew, after undo too."""
    if not facts.target.live or not parts.running(facts, Manager.NETWORKMANAGER):
        return tuple(modes)
    inverse = (Command(_RELOAD),)
    after = Run(_RELOAD, "makes NetworkManager read its profiles anew", inverse=inverse, required=False)
    return (*modes, after)


def _helper(facts: Facts, modes: list[SetMode]) -> tuple[str, ...]:
    theirs = [mode.path for mode in modes if mode.path in facts.helper.files]
    if not theirs or not facts.helper.on:
        return ()
    return (
        f"Network Helper writes {theirs[0]} anew at the next boot. Its switch is in Cloud Manager: the Linode's"
        " configuration profile, Auto-configure networking.",
    )


def _paths(modes: list[SetMode]) -> str:
    words = [mode.path for mode in modes]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _next(facts: Facts) -> tuple[str, ...]:
    if facts.target.live:
        return ("nmcli device status", "Where the device stays down: nmcli connection up NAME.")
    return ("Boot the host from this disk.",)


FIX = Fix(
    name="nm-profile",
    help="give keyfiles that NetworkManager refuses to root, mode 0600",
    rules=("nm-profile-rejected",),
    plan=plan,
    verify=verify,
)
