"""Records what Docker, fail2ban, podman and libvirt load.

``python -m tests.firewall.record_managers ROOT SUFFIX [CASE ...]``

ROOT is the disk of a Debian to be thrown away afterwards, with docker.io, docker's client, fail2ban, ipset, podman,
netavark, libvirt's network driver, nftables and iptables, and a static busybox at /busybox. Each case runs in a
container of its own, without the machine's network, once by each back end of iptables.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"

_BEGIN = r"""
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
update-alternatives --quiet --set iptables /usr/sbin/iptables-$1
update-alternatives --quiet --set ip6tables /usr/sbin/ip6tables-$1
mount -o remount,rw /sys/fs/cgroup
mount -o remount,rw /proc/sys
ip link set lo up
ip link add eth0 type veth peer name wire
ip addr add 192.0.2.10/25 dev eth0; ip addr add 192.0.2.11/25 dev eth0
ip -6 addr add 2001:db8:1::10/64 dev eth0 nodad
ip link set eth0 up; ip link set wire up
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8:1::1
mkdir -p /tmp/image/bin; cp /busybox /tmp/image/bin/sh
tar -C /tmp/image -cf /tmp/image.tar .
set -e
"""
_END = r"""
iptables-save -c > /record/v4
ip6tables-save -c > /record/v6
ipset save > /record/ipset
nft -j list ruleset > /record/nft
ip -j address > /record/addresses
"""
_DOCKER = """
dockerd --data-root /tmp/docker --storage-driver vfs --ipv6 --fixed-cidr-v6 fd00:17::/64 > /record/log 2>&1 &
for i in $(seq 60); do docker info > /dev/null 2>&1 && break; sleep 0.5; done
docker import /tmp/image.tar one
docker version --format '{{.Server.Version}}' > /record/version
"""
_PUBLISHED = """
docker network create --subnet 172.18.0.0/16 --ipv6 --subnet fd00:18::/64 -o com.docker.network.bridge.name=br-shop shop
docker run -d -p 8080:80 -p 53:53/udp -p 127.0.0.1:9999:9999 -p 192.0.2.11:443:443 one /bin/sh -c 'sleep 100'
docker run -d --network shop -p 2222:22 -p 8000-8003:8000-8003 one /bin/sh -c 'sleep 100'
"""
_FAIL2BAN = """
mkdir -p /run/fail2ban /etc/fail2ban/jail.d; : > /tmp/auth.log; rm -f /etc/fail2ban/jail.d/* /var/lib/fail2ban/*
cat > /etc/fail2ban/jail.local <<END
[DEFAULT]
banaction = {action}
banaction_allports = {action}
[sshd]
enabled = true
backend = polling
logpath = /tmp/auth.log
[recidive]
enabled = true
backend = polling
logpath = /tmp/auth.log
banaction = {second}
END
fail2ban-server -b start > /record/log 2>&1
for i in $(seq 40); do fail2ban-client ping > /dev/null 2>&1 && break; sleep 0.3; done
fail2ban-client version > /record/version
fail2ban-client set sshd banip 203.0.113.5 198.51.100.3 2001:db8:a::5
fail2ban-client set recidive banip 203.0.113.9 2001:db8:b::3
sleep 1
"""
_UNBANNED = "fail2ban-client unban --all; sleep 1\n"
_PODMAN = """
mkdir -p /etc/containers
cat > /etc/containers/containers.conf <<END
[network]
firewall_driver = "{driver}"
[engine]
cgroup_manager = "cgroupfs"
END
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/tmp/run"\\ngraphroot = "/tmp/graph"\\n' > /etc/containers/storage.conf
podman import /tmp/image.tar one
podman --version > /record/version
podman --runtime crun run -d --cgroups=disabled -p 8080:80 -p 53:53/udp -p 192.0.2.11:443:443 one /bin/sh -c 'sleep 100'
"""
_LIBVIRT = """
printf 'firewall_backend = "{driver}"\\n' > /etc/libvirt/network.conf
mkdir -p /run/libvirt /run/dbus
libvirtd -d > /record/log 2>&1
sleep 2
libvirtd --version > /record/version
cat > /tmp/default.xml <<END
<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='off' delay='0'/>
<ip address='192.168.122.1' netmask='255.255.255.0'>
<dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>
</network>
END
virsh -c network:///system net-create /tmp/default.xml
"""


def _fail2ban(action: str, second: str, unbanned: bool = False) -> str:
    return _FAIL2BAN.format(action=action, second=second) + (_UNBANNED if unbanned else "")


@dataclass(frozen=True)
class Case:
    program: str
    backends: tuple[str, ...] = ("legacy", "nft")


CASES = {
    "docker-idle": Case(_DOCKER),
    "docker-published": Case(_DOCKER + _PUBLISHED),
    "docker-user": Case(
        _DOCKER
        + _PUBLISHED
        + "iptables -I DOCKER-USER -i eth0 -s 203.0.113.0/24 -j DROP\n"
        + "iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 2222 -j REJECT\n"
    ),
    "fail2ban-iptables": Case(_fail2ban("iptables-multiport", "iptables-allports")),
    "fail2ban-iptables-idle": Case(_fail2ban("iptables-multiport", "iptables-allports", unbanned=True)),
    "fail2ban-ipset": Case(_fail2ban("iptables-ipset-proto6", "iptables-ipset-proto6-allports")),
    "fail2ban-ipset-idle": Case(_fail2ban("iptables-ipset-proto6", "iptables-ipset-proto6-allports", unbanned=True)),
    "fail2ban-nft": Case(_fail2ban("nftables-multiport", "nftables-allports"), ("nft",)),
    "fail2ban-nft-idle": Case(_fail2ban("nftables-multiport", "nftables-allports", unbanned=True), ("nft",)),
    "podman-iptables": Case(_PODMAN.format(driver="iptables")),
    "podman-nft": Case(_PODMAN.format(driver="nftables"), ("nft",)),
    "libvirt-iptables": Case(_LIBVIRT.format(driver="iptables")),
    "libvirt-nft": Case(_LIBVIRT.format(driver="nftables"), ("nft",)),
}
_VARYING = re.compile(r"^# (?:Generated by|Completed)(.*) on .*$", re.MULTILINE)
_INSIDE = (
    *("systemd-nspawn", "-q", "--private-network", "--register=no", "--keep-unit", "--capability=all"),
    "--system-call-filter=bpf keyctl add_key mount @raw-io",
)


def record(root: Path, name: str, suffix: str) -> str:
    """One case; what its programs said, "" when all went well."""
    place = root / "record"
    document: dict[str, object] = {"program": CASES[name].program}
    for backend in CASES[name].backends:
        subprocess.run(("rm", "-rf", str(place)), check=True)
        place.mkdir()
        (place / "program").write_text(_BEGIN + CASES[name].program + _END)
        done = subprocess.run(
            (*_INSIDE, "-D", str(root), "sh", "/record/program", backend),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            timeout=120,
        )
        log = (place / "log").read_text()[-1500:] if (place / "log").exists() else ""
        if done.returncode:
            return f"{done.stdout[-1500:]}{done.stderr[-1500:]}{log}"
        document["version"] = (place / "version").read_text().strip()
        document[backend] = {key: _VARYING.sub(r"# Generated by\1", (place / key).read_text()) for key in ("v4", "v6")}
        document["ipset"] = (place / "ipset").read_text()
        document["nft-document"] = json.loads((place / "nft").read_text())
        document["addresses"] = _addresses(json.loads((place / "addresses").read_text()))
    data = json.dumps(document, indent=1, sort_keys=True).encode()
    (RECORDED / f"real-{name}{suffix}.json.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    return ""


def _addresses(links: list[dict[str, object]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for link in links:
        infos = link.get("addr_info") or []
        assert isinstance(infos, list)
        found[str(link["ifname"])] = [f"{info['local']}/{info['prefixlen']}" for info in infos]
    return found


if __name__ == "__main__":
    for case in sys.argv[3:] or CASES:
        print(f"== {case}\n{record(Path(sys.argv[1]), case, sys.argv[2])}", flush=True)
