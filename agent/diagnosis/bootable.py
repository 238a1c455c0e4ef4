"""Will it boot? What the next boot needs, checked on the disk as it is now; and what can't be known from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.diagnosis.boot_checks import disk, kernel, model, network, programs, root, ssh
from agent.diagnosis.boot_checks.model import BootCheck, BootState, Checked
from agent.diagnosis.proofs import wanted
from agent.facts.facts import Facts
from agent.logs.model import Found

__all__ = ["BootCheck", "BootState", "checks", "unknowable"]

_CHECKS: tuple[tuple[str, Callable[[Checked], Iterator[BootCheck]]], ...] = (
    ("kernel", kernel.checks),
    ("root device", root.checks),
    ("init", programs.checks),
    ("network", network.checks),
    ("ssh", ssh.checks),
    ("disk space", disk.checks),
)


def checks(facts: Facts, found: Found | None = None) -> tuple[BootCheck, ...]:
    """What the next boot needs, in its order. ``found`` are the hits of a scan's search in the logs: with them the
    kernel's own word counts on how the last boot called the network card. Never raises: a check that fails by
    itself is unknown."""
    if wanted.only_a_log(facts):
        return (model.unknown("kernel", "only a log was given"),)
    checked = Checked(facts, found)
    made: list[BootCheck] = []
    for what, check in _CHECKS:
        try:
            made += check(checked)
        except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
            made.append(model.unknown(what, f"its check failed: {type(error).__name__}: {error}"))
    return tuple(made)


def unknowable(facts: Facts) -> tuple[str, ...]:
    """What no look at the disk can tell, in sentences for the person who is about to reboot."""
    checked = Checked(facts)
    said = []
    if checked.entry is not None:
        said.append(
            "Whether the configuration profile boots this disk's own kernel (GRUB 2) or one from Linode, and which "
            "disk it calls /dev/sda."
        )
    else:
        said.append(
            "Which kernel the configuration profile boots (this disk has no boot menu), and with which options."
        )
    said.append("Whether a Cloud Firewall lets ssh through.")
    helper = facts.helper.state
    if helper in ("on", "unknown"):
        said.append("Network Helper rewrites the network's files before the next boot, unless it is switched off.")
    else:
        said.append("Whether Network Helper is on: then it rewrites the network's files before the next boot.")
    said.append("Whether the addresses and MAC addresses in the configuration are this Linode's.")
    return tuple(said)
