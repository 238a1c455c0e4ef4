"""--firewall: lets ssh in past the rule that stops it, or empties the rule-set for a while; undo puts it back exactly.

Only the running kernel is changed, never a file that is loaded at boot.
"""

from __future__ import annotations

from agent.fixes.model import Fix, Planned, Request

FLUSH = "flush"
LASTS = 600.0  # seconds that a flush stands


def plan(request: Request) -> Planned:
    # Loaded only where they are needed: a scan without firewall findings does without the model of rule-sets.
    from agent.diagnosis import packet_paths
    from agent.fixes import firewall_flush, firewall_ssh

    paths = packet_paths.of(request.facts)
    if request.choice == FLUSH:
        return firewall_flush.plan(paths, request.forced)
    return firewall_ssh.plan(paths, request.forced)


def verify(request: Request) -> str:
    """What still stops it, from the rule-set as it is read now."""
    from agent.diagnosis import packet_paths
    from agent.fixes import firewall_flush, firewall_ssh

    paths = packet_paths.of(request.facts)
    return firewall_flush.left(paths) if request.choice == FLUSH else firewall_ssh.left(paths, request.forced)


FIX = Fix(
    name="firewall",
    help="let ssh in past the rule that stops it, until the next boot (=flush: no rules at all, for ten minutes)",
    rules=("firewall-blocks-all", "firewall-blocks-ssh"),
    plan=plan,
    choices=("ssh", FLUSH),
    verify=verify,
    live_only=True,
    own_proof=True,
    lasts=((FLUSH, LASTS),),
    elsewhere="on a disk no rules are in force: agent firewall --root DIR names the file and line that would stop it",
)
