"""Hosts with NetworkManager and its keyfiles."""

from __future__ import annotations

from tests.lab.host import GATEWAY
from tests.lab.root import Root
from tests.lab.scenarios.common import CIDR, DOWN, OFF_SUBNET, OTHER_LINK, RENAMED
from tests.lab.scenarios.model import Scenario

FILE = "/etc/NetworkManager/system-connections/eth0.nmconnection"
KEYFILE = f"""[connection]
id=eth0
uuid=0a7a3c1e-5a5b-4f0e-9c55-7f4d1d0c0001
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1={CIDR},{GATEWAY}
dns={GATEWAY};

[ipv6]
method=link-local
"""
# NetworkManager makes a DHCP profile of its own for a card that no profile claims.
WITHOUT_PROFILE = DOWN | {"nm-activation-failed", "dhcp-failed"}


def static(root: Root) -> None:
    root.write(FILE, KEYFILE, mode=0o600)
    root.write("/etc/resolv.conf", f"nameserver {GATEWAY}\n")


def dhcp(root: Root) -> None:
    text = KEYFILE.replace("manual", "auto").replace(f"address1={CIDR},{GATEWAY}\ndns={GATEWAY};\n", "")
    # Its default patience for an address is 45 seconds.
    root.write(FILE, text.replace("[ipv6]", "dhcp-timeout=4\n\n[ipv6]"), mode=0o600)
    root.write("/etc/resolv.conf", f"nameserver {GATEWAY}\n")


SCENARIOS = (
    Scenario("NetworkManager: healthy, one address", "networkmanager", static, answers=True),
    Scenario("NetworkManager: healthy, DHCP", "networkmanager", dhcp, dhcp=True, answers=True),
    Scenario(
        "NetworkManager: keyfile with mode 0644",
        "networkmanager",
        static,
        lambda root: root.chmod(FILE, 0o644),
        finding="nm-profile-rejected",
        rung="manager",
        consequences=WITHOUT_PROFILE,
        journal=(r"eth0\.nmconnection.*insecure|permissions",),
        answers=False,
    ),
    Scenario(
        "NetworkManager: keyfile that can't be parsed",
        "networkmanager",
        static,
        lambda root: root.replace(FILE, f"{CIDR},{GATEWAY}", "192.0.2.300/24"),
        finding="nm-profile-rejected",
        rung="manager",
        consequences=WITHOUT_PROFILE,
        answers=False,
    ),
    Scenario(
        "NetworkManager: configured eth0, card is ens3",
        "networkmanager",
        static,
        finding="interface-renamed",
        rung="name",
        link=OTHER_LINK,
        kernel=(RENAMED,),
        consequences=WITHOUT_PROFILE | {"interface-missing"},
        answers=False,
    ),
    Scenario(
        "NetworkManager: gateway off subnet",
        "networkmanager",
        static,
        lambda root: root.replace(FILE, f",{GATEWAY}", f",{OFF_SUBNET}"),
        finding="gateway-off-subnet",
        rung="route",
        # NetworkManager adds a route to the gateway itself, so the default route is there and leads nowhere.
        consequences=DOWN | {"gateway-unreachable"},
    ),
    Scenario(
        "NetworkManager: no DHCP server",
        "networkmanager",
        dhcp,
        finding="dhcp-failed",
        rung="manager",
        offline="",
        consequences=DOWN | {"nm-activation-failed"},
        answers=False,
    ),
    Scenario(
        "NetworkManager: disabled",
        "networkmanager",
        static,
        lambda root: root.disable("NetworkManager.service"),
        finding="no-network-manager",
        rung="manager",
        consequences=DOWN,
        answers=False,
    ),
)
