"""All proofs by name: each is a predicate over facts that shows that a problem is real now."""

from __future__ import annotations

from agent.diagnosis.model import ProofFunction
from agent.diagnosis.proofs import (
    address,
    boot,
    dhcp,
    dns,
    generic,
    hooks,
    ifupdown,
    links,
    managers,
    names,
    netplan,
    networkd,
    networkmanager,
    packages,
    routes,
    storage,
)

PROOFS: dict[str, ProofFunction] = {
    **generic.PROOFS,
    **boot.PROOFS,
    **storage.PROOFS,
    **packages.PROOFS,
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
    **dns.PROOFS,
}
