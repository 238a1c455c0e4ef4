"""Who is in charge of the rules now: the programs whose chains stand, and those whose service runs."""

from __future__ import annotations

from collections.abc import Sequence

from agent.firewall.reading import Owner
from agent.target import Target
from agent.unknown import Unknown

# Services that put their rules back, whoever takes them away; the program's name as in owners.py. Not ufw's: it is
# "active" even where ufw is disabled.
_UNITS = {
    "firewalld.service": "firewalld",
    "docker.service": "Docker",
    "fail2ban.service": "fail2ban",
    "crowdsec-firewall-bouncer.service": "CrowdSec",
    "sshguard.service": "sshguard",
    "libvirtd.service": "libvirt",
}


def managers(target: Target, owners: Sequence[Owner]) -> tuple[str, ...]:
    """Names as in owners.py, each once: of the chains that stand, then of services that have none at the moment."""
    found = dict.fromkeys(owner.program for owner in owners if owner.program)
    found.update(dict.fromkeys(_running(target)))
    return tuple(found)


def _running(target: Target) -> tuple[str, ...]:
    if not target.is_dir("/run/systemd/system"):
        return ()
    output = target.run(("systemctl", "is-active", *_UNITS))  # one line each; it fails where one is inactive
    if isinstance(output, Unknown):
        return ()
    states = output.stdout.split("\n")
    return tuple(name for name, state in zip(_UNITS.values(), states) if state.strip() == "active")
