"""Every rule of rules/: well formed, and true to its own samples."""

from __future__ import annotations

import pytest

from agent.diagnosis.loader import BUILT_IN, load
from agent.diagnosis.model import Rule
from agent.diagnosis.samples import failures

RULES = load()

# The contract: docs and other programs rely on these ids.
EXPECTED = (
    "emergency-mode fstab-missing-device fstab-invalid kernel-modules-missing kernel-panic-no-root "
    "initramfs-no-root grub-config-missing selinux-relabel-pending "
    "fs-corrupt fs-read-only disk-full inodes-full disk-io-error oom-killer "
    "dpkg-interrupted rpmdb-broken upgrade-in-progress "
    "interface-renamed interface-renamed-persistent interface-missing interface-down "
    "ifup-hook-sendmail ifup-hook-iptables ifup-hook-failed networking-failed ifupdown-config-invalid "
    "dhcp-client-missing dhcp-failed networkd-disabled networkd-failed networkd-config-invalid "
    "netplan-invalid nm-profile-rejected nm-activation-failed legacy-network-failed no-network-manager "
    "competing-managers wait-online-timeout cloud-init-overwrote "
    "address-missing address-mismatch duplicate-address private-mask-wrong ipv6-ra-ignored "
    "default-route-missing gateway-off-subnet gateway-unreachable multiple-gateways "
    "firewall-blocks-all firewall-blocks-ssh firewall-blocks-ping firewall-blocks-outbound firewall-restore-failed "
    "conntrack-full ban-list-hit "
    "resolv-conf-broken resolver-down"
)


def test_every_promised_rule_is_there() -> None:
    assert set(EXPECTED.split()) <= {rule.id for rule in RULES}


def test_a_rule_stands_in_the_folder_of_its_layer() -> None:
    for rule in RULES:
        assert rule.path == str(BUILT_IN / rule.layer.value / f"{rule.id}.toml")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_samples_hold(rule: Rule) -> None:
    assert list(failures(rule)) == []


# Their proofs know what to go back to: the mode and owner that were there.
UNDO_BY_PROOF = {"nm-profile-rejected"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_advice_that_changes_a_file_says_how_to_take_it_back(rule: Rule) -> None:
    """Commands on files of the target keep {root}, so that they work in rescue mode too."""
    for command in rule.advice.commands:
        words = command.split()
        if words[0] in ("mv", "cp", "rm", "sed", "ln", "chmod", "chown"):
            assert "{" in command, command
            assert rule.advice.undo or rule.id in UNDO_BY_PROOF, command
