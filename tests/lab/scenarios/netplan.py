"""Hosts with netplan, rendering for systemd-networkd as Ubuntu's servers do."""

from __future__ import annotations

from tests.lab.host import GATEWAY
from tests.lab.root import Root
from tests.lab.scenarios.common import CIDR, DOWN, OFF_SUBNET, OTHER_LINK, RENAMED
from tests.lab.scenarios.model import Scenario
from tests.lab.scenarios.networkd import enable

FILE = "/etc/netplan/01-netcfg.yaml"
YAML = f"""network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      addresses: [{CIDR}]
      nameservers:
        addresses: [{GATEWAY}]
      routes:
        - to: default
          via: {GATEWAY}
"""


def static(root: Root) -> None:
    # "default" is a destination since netplan 0.103.
    root.write(FILE, YAML.replace("default", "0.0.0.0/0") if root.suite == "bullseye" else YAML, mode=0o600)
    enable(root)


def dhcp(root: Root) -> None:
    root.write(FILE, "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n", mode=0o600)
    enable(root)


SCENARIOS = (
    Scenario("netplan: healthy, one address", "netplan", static, answers=True),
    Scenario("netplan: healthy, DHCP", "netplan", dhcp, dhcp=True, answers=True),
    Scenario(
        "netplan: indented by a tab",
        "netplan",
        static,
        lambda root: root.replace(FILE, "      addresses: [192", "\t  addresses: [192"),
        finding="netplan-invalid",
        rung="manager",
        consequences=DOWN | {"networkd-disabled", "no-network-manager"},
        answers=False,
    ),
    Scenario(
        "netplan: unknown key",
        "netplan",
        static,
        lambda root: root.replace(FILE, "      addresses: [192", "      adresses: [192"),
        finding="netplan-invalid",
        rung="manager",
        consequences=DOWN | {"networkd-disabled", "no-network-manager"},
        answers=False,
    ),
    Scenario(
        "netplan: address without prefix length",
        "netplan",
        static,
        lambda root: root.replace(FILE, CIDR, CIDR.split("/")[0]),
        finding="netplan-invalid",
        rung="manager",
        consequences=DOWN | {"networkd-disabled", "no-network-manager"},
        answers=False,
    ),
    Scenario(
        "netplan: gateway off subnet",
        "netplan",
        static,
        lambda root: root.replace(FILE, f"via: {GATEWAY}", f"via: {OFF_SUBNET}"),
        finding="gateway-off-subnet",
        rung="route",
        consequences=DOWN | {"networkd-failed"},
    ),
    Scenario(
        "netplan: configured eth0, card is ens3",
        "netplan",
        static,
        finding="interface-renamed",
        rung="name",
        link=OTHER_LINK,
        kernel=(RENAMED,),
        consequences=DOWN | {"interface-missing"},
        answers=False,
    ),
    Scenario(
        "netplan: networkd masked",
        "netplan",
        static,
        lambda root: root.mask("systemd-networkd.service"),
        finding="networkd-disabled",
        rung="manager",
        consequences=DOWN | {"no-network-manager"},
        answers=False,
    ),
)
