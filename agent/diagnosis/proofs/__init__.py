"""All proofs by name: each is a predicate over facts that shows that a problem is real now."""

from __future__ import annotations

from agent.diagnosis.model import ProofFunction
from agent.diagnosis.proofs import (
    address,
    bans,
    boot,
    boot_menus,
    dhcp,
    dns,
    filesystems,
    firewall,
    generic,
    hooks,
    ifupdown,
    kernels,
    links,
    managers,
    names,
    netplan,
    networkd,
    networkmanager,
    packages,
    routes,
    storage,
    upgrades,
)

PROOFS: dict[str, ProofFunction] = {
    **generic.PROOFS,
    **boot.PROOFS,
    **boot_menus.PROOFS,
    **kernels.PROOFS,
    **storage.PROOFS,
    **filesystems.PROOFS,
    **packages.PROOFS,
    **upgrades.PROOFS,
    **links.PROOFS,
    **names.PROOFS,
    **hooks.PROOFS,
    **ifupdown.PROOFS,
    **dhcp.PROOFS,
    **networkd.PROOFS,
    **netplan.PROOFS,
    **networkmanager.PROOFS,
    **managers.PROOFS,
    **address.PROOFS,
    **routes.PROOFS,
    **firewall.PROOFS,
    **bans.PROOFS,
    **dns.PROOFS,
}
