"""All fixes, in the order of the ladder: in one call they are applied from the lowest rung up."""

from __future__ import annotations

from agent.fixes import (
    dpkg,
    firewall,
    fsck,
    fstab,
    ifup_hook,
    initramfs,
    interface_names,
    iptables,
    networkd,
    nm_profile,
    persistent_net,
    resolv_conf,
    restart_network,
    sendmail,
)
from agent.fixes.model import Fix

# By the layer of each one's first rule; restarting the network comes last, for it makes the others take effect.
FIXES: tuple[Fix, ...] = (
    fsck.FIX,
    fstab.FIX,
    initramfs.FIX,
    dpkg.FIX,
    interface_names.FIX,
    persistent_net.FIX,
    sendmail.FIX,
    iptables.FIX,
    ifup_hook.FIX,
    networkd.FIX,
    nm_profile.FIX,
    firewall.FIX,
    resolv_conf.FIX,
    restart_network.FIX,
)

BY_NAME = {fix.name: fix for fix in FIXES}
