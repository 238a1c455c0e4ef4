"""Init system and units: what is installed, what is enabled (from the links on disk), what runs (live)."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.facts import init_scripts, systemd_units
from agent.facts.service_model import Enablement, Init, Unit
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

__all__ = ["Enablement", "Init", "Unit", "failed_units", "init", "unit"]

_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "LoadState",
    "UnitFileState",
    "NRestarts",
    "ConditionResult",
)
_SYSTEMD_PROGRAMS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")


def init(target: Target) -> Init:
    """Which init the target boots with: the one that runs, or what /sbin/init leads to."""
    if target.live and target.is_dir("/run/systemd/system"):  # sd_booted(3)
        return Init.SYSTEMD
    if target.live and target.is_dir("/run/openrc"):
        return Init.OPENRC
    program = _init_program(target)
    if "systemd" in program:
        return Init.SYSTEMD
    if "openrc-init" in program:
        return Init.OPENRC
    if "runit" in program or target.exists("/etc/runit/1"):
        return Init.RUNIT
    if "upstart" in program or target.exists("/etc/init/rc-sysinit.conf") or target.exists("/etc/init/rc.conf"):
        return Init.UPSTART
    if target.exists("/etc/rc.d/rc.M"):
        return Init.BSD
    if _openrc_in_charge(target):
        return Init.OPENRC
    if target.exists("/etc/inittab") and (target.is_dir("/etc/init.d") or target.is_dir("/etc/rc.d/init.d")):
        return Init.SYSVINIT
    if any(target.is_file(path) for path in _SYSTEMD_PROGRAMS):
        return Init.SYSTEMD  # a container's root without /sbin/init
    if target.is_dir("/etc/rc2.d") or target.is_dir("/etc/rc.d/rc3.d"):
        return Init.SYSVINIT
    return Init.UNKNOWN


def _init_program(target: Target) -> str:
    """Where /sbin/init leads, "" when it is a program of its own or absent. A dangling link tells as well."""
    for path in ("/sbin/init", "/usr/sbin/init", "/usr/bin/init", "/bin/init"):
        resolved = target.resolve(path)
        if not isinstance(resolved, Unknown) and resolved.rsplit("/", 1)[1] != "init":
            return resolved
        link = target.readlink(path)
        if not isinstance(link, Unknown):
            return link
    return ""


def _openrc_in_charge(target: Target) -> bool:
    if not target.is_dir("/etc/runlevels"):
        return False
    if target.exists("/sbin/openrc") or target.exists("/usr/sbin/openrc") or target.exists("/bin/openrc"):
        return True
    inittab = target.text("/etc/inittab", 64 * 1024)
    return not isinstance(inittab, Unknown) and "openrc" in inittab


def unit(target: Target, init: Init, name: str) -> Unit:
    """One service by its systemd name; on another init the script of the same stem."""
    if not re.fullmatch(r"[\w:.@\\-]{1,255}", name):
        return Unit(name, "", Enablement.ABSENT)
    if init is Init.SYSTEMD:
        return _with_live_state(target, systemd_units.unit(target, name))
    found = init_scripts.unit(target, init, name)
    if not target.live:
        return _without_state(found)
    active = init_scripts.state(target, init, found) if found.present else "inactive"
    unasked = Unknown(f"{init.value} does not tell", Why.ABSENT)
    return replace(found, active=active, sub=unasked, result=unasked, restarts=unasked, condition=unasked)


def _without_state(found: Unit) -> Unit:
    no = Unknown(f"whether {found.name} runs shows only on the running host", Why.NOT_LIVE)
    return replace(found, active=no, sub=no, result=no, restarts=no, condition=no)


def _with_live_state(target: Target, found: Unit) -> Unit:
    if not target.live:
        return _without_state(found)
    output = target.run(("systemctl", "show", found.name, "--no-pager", "-p", ",".join(_PROPERTIES)))
    if isinstance(output, Unknown):
        return replace(found, active=output, sub=output, result=output, restarts=output, condition=output)
    properties = dict(line.partition("=")[::2] for line in output.stdout.split("\n") if "=" in line)
    if output.exit != 0 or not properties.get("ActiveState"):
        # in a chroot systemctl says so on stderr, and may still exit with 0
        no = Unknown(f"systemctl show {found.name}: {_first_line(output.stderr) or 'no answer'}", Why.FAILED)
        return replace(found, active=no, sub=no, result=no, restarts=no, condition=no)
    restarts = properties.get("NRestarts", "")  # since systemd 235
    found = replace(
        found,
        active=properties["ActiveState"],
        sub=properties.get("SubState", ""),
        result=properties.get("Result", ""),
        restarts=int(restarts) if restarts.isdecimal() else Unknown("systemd is too old to tell", Why.ABSENT),
        condition=properties.get("ConditionResult", "yes") != "no",
    )
    if found.enablement is Enablement.ABSENT and properties.get("LoadState") == "loaded":
        generated = properties.get("UnitFileState") == "generated"
        found = replace(found, enablement=Enablement.GENERATED if generated else Enablement.STATIC)
    return found


def failed_units(target: Target) -> Maybe[tuple[str, ...]]:
    """Names of the units that systemd lists as failed; Unknown where it does not run."""
    if not target.live:
        return Unknown("which units failed shows only on the running host", Why.NOT_LIVE)
    output = target.run(("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full"))
    if isinstance(output, Unknown):
        return output
    if output.exit != 0:
        return Unknown(f"systemctl list-units: {_first_line(output.stderr)}", Why.FAILED)
    names = (line.lstrip("●*× \t").split() for line in output.stdout.split("\n"))
    return tuple(words[0] for words in names if words and words[0].endswith(systemd_units.SUFFIXES))


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:200]
