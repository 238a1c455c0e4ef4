"""--fsck: repairs the filesystem of a disk that nobody has mounted.

It works on the disk, not in the tree that lies on it: the plan holds no operations of the change engine, and
`agent fix` hands it to agent.rescue.repair, which keeps an undo of its own.
"""

from __future__ import annotations

from agent.change.model import Plan
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.target.model import Mode


def plan(request: Request) -> Planned:
    """What would be done; a Refusal where the filesystem is in use, which no checker survives unharmed."""
    target = request.facts.target
    if target.device:
        return Plan(
            summary=f"Replays the journal of {target.device} and repairs what is safe to repair; what it overwrites"
            " is kept as long as nothing else writes to the disk.",
            operations=(),
            warnings=("It asks before it repairs what could lose data.",),
        )
    if target.mode is Mode.OFFLINE:
        disk = request.findings[0].values.get("disk", "") if request.findings else ""
        return Refusal(
            "the disk is mounted", f"umount {target.root}; then: agent fix --fsck --device {disk or '/dev/sda'}"
        )
    if target.mode is Mode.CHROOT:
        return Refusal("the disk is mounted, and this is a chroot of it", "exit; unmount it; agent rescue")
    return Refusal(
        "a mounted filesystem can't be repaired",
        "boot into rescue mode (Cloud Manager: Rescue), and there: agent rescue",
    )


FIX = Fix(
    name="fsck",
    help="repair the filesystem of an unmounted disk (with --device)",
    rules=("fs-corrupt",),
    plan=plan,
    on_device=True,
)
