"""Records what the real ufw loads at a boot: ``python -m tests.firewall.record_ufw ROOT SUFFIX [CASE ...]``.

ROOT is the disk of a Debian with ufw and both back ends of iptables, to be thrown away afterwards. Each case begins
with the packaged files, is set up by ufw's own commands, and is then loaded by ufw-init(8) in an empty network
namespace of a container: once by each back end. What is written beside the tests holds the files too.
"""

from __future__ import annotations

import json
import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"

CASES = {
    "stock": (),
    "ssh": ("ufw allow ssh",),
    "limit": ("ufw limit 22/tcp", "ufw limit in on eth0 to any port 2222 proto tcp comment 'a second door'"),
    "deny": (
        "ufw deny from 192.0.2.0/24",
        "ufw reject from 2001:db8:bad::/48 to any port 25",
        "ufw allow 22",
        "ufw insert 1 deny proto udp from 198.51.100.7 port 53 to any",
        "ufw deny out to any port 25",
    ),
    "profiles": (
        "ufw allow OpenSSH",
        "ufw allow 'WWW Full'",
        "ufw limit from 10.0.0.0/8 to any app OpenSSH",
        "ufw delete allow OpenSSH",
    ),
    "route": (
        "ufw allow 22/tcp",
        "ufw route allow in on eth0 out on eth1 to 10.1.0.0/16 port 443 proto tcp",
        "ufw default allow routed",
        "ufw route deny from 203.0.113.0/24",
    ),
    "no-ipv6": ("sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw", "ufw allow 22/tcp"),
    "allow": ("ufw default allow incoming", "ufw deny 23/tcp", "ufw allow in on lo"),
    "reject": ("ufw default reject incoming", "ufw default deny outgoing", "ufw allow 22", "ufw allow out 53,123/udp"),
    "logging-off": ("ufw logging off", "ufw allow 80,443,8000:8100/tcp"),
    "logging-full": ("ufw logging full", "ufw allow log 22/tcp", "ufw deny log-all 23/tcp", "ufw limit log ssh"),
    "logging-high": ("ufw logging high", "ufw default reject incoming", "ufw allow log-all ssh"),
    "builtins": ("sed -i s/^MANAGE_BUILTINS=.*/MANAGE_BUILTINS=yes/ /etc/default/ufw", "ufw allow 22/tcp"),
    "nat": (
        "cat >> /etc/ufw/before.rules <<END\n*nat\n:POSTROUTING ACCEPT [0:0]\n"
        "-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\nEND",
        "sed -i 's/ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT/"
        "ufw-before-input -p icmp --icmp-type echo-request -j DROP/' /etc/ufw/before.rules",
        "ufw allow proto ah from 192.0.2.1",
        "ufw allow proto igmp from 192.0.2.0/24",
        "ufw allow 1194/udp",
    ),
}

_PROGRAM = r"""
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
init=/usr/lib/ufw/ufw-init; [ -x $init ] || init=/lib/ufw/ufw-init
choose() {
    update-alternatives --quiet --set iptables /usr/sbin/iptables-$1
    update-alternatives --quiet --set ip6tables /usr/sbin/ip6tables-$1
}
choose nft
sed -i 's/^ENABLED=.*/ENABLED=no/' /etc/ufw/ufw.conf
ip link set lo up
sh -e /record/commands > /record/said 2>&1
ufw --force enable >> /record/said 2>&1
iptables-save > /record/enabled.v4
for one in nft legacy; do
    choose $one
    unshare --net sh -e -c "ip link set lo up; $init start >> /record/said 2>&1
        iptables-save > /record/$one.v4; ip6tables-save > /record/$one.v6"
done
choose nft
"""
_FOLDERS = ("etc/ufw", "etc/default/ufw", "etc/systemd/system/multi-user.target.wants/ufw.service")
_COMMENT = re.compile(r"^#(?!##).*\n", re.MULTILINE)  # "### tuple ###" is how ufw keeps its own rules
_VARYING = re.compile(r"^# (?:Generated|Completed).* on .*$", re.MULTILINE)


def record(root: Path, name: str, suffix: str) -> str:
    """One case; what ufw said meanwhile."""
    kept, place = root / "packaged", root / "record"
    if not kept.exists():
        shutil.copytree(root / "etc/ufw", kept / "ufw", symlinks=True)
        shutil.copy2(root / "etc/default/ufw", kept / "default")
    shutil.rmtree(root / "etc/ufw")
    shutil.copytree(kept / "ufw", root / "etc/ufw", symlinks=True)
    shutil.copy2(kept / "default", root / "etc/default/ufw")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "commands").write_text("\n".join(CASES[name]) + "\n")
    (place / "program").write_text(_PROGRAM)
    inside = ("systemd-nspawn", "-q", "-D", str(root), "--private-network", "--register=no", "--keep-unit")
    done = subprocess.run((*inside, "sh", "/record/program"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = (place / "said").read_text() if (place / "said").exists() else ""
    if done.returncode:
        raise SystemExit(f"{name}: {said}{done.stdout}{done.stderr}")
    texts = {
        f"{key}{family}": (place / f"{backend}.{family}").read_text()
        for key, backend in (("", "nft"), ("legacy-", "legacy"))
        for family in ("v4", "v6")
    }
    document = {
        "version": re.search(r"^ufw (.*)$", _version(root), re.MULTILINE).group(1),  # type: ignore[union-attr]
        "commands": list(CASES[name]),
        **{key: _VARYING.sub("#", text) for key, text in texts.items()},
        "backends-differ": texts["v4"].splitlines()[1:-1] != texts["legacy-v4"].splitlines()[1:-1],
        "tree": _tree(root),
    }
    data = json.dumps(document, indent=1, sort_keys=True).encode()
    (RECORDED / f"ufw-{name}{suffix}.json.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    same = _rules((place / "enabled.v4").read_text()) == _rules(texts["v4"])
    return f"{said}as enabled: {'the same' if same else 'not the same'}"


def _rules(text: str) -> list[str]:
    return sorted(line for line in text.split("\n") if line.startswith("-A"))


def _version(root: Path) -> str:
    return subprocess.run(("chroot", str(root), "ufw", "version"), capture_output=True, text=True).stdout


def _tree(root: Path) -> dict[str, str]:
    """The files that tell what a boot loads, without comments; the link that enables ufw is a copy of its unit."""
    unit = next(path for path in (root / "usr/lib/systemd/system", root / "lib/systemd/system") if path.is_dir())
    found = {f"/{unit.relative_to(root)}/ufw.service": (unit / "ufw.service").read_text()}
    for folder in _FOLDERS:
        path = root / folder
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if file.is_symlink():
                found[f"/{file.relative_to(root)}"] = (unit / "ufw.service").read_text()
            elif file == path or (file.suffix in (".rules", ".conf") and file.name != "sysctl.conf"):
                found[f"/{file.relative_to(root)}"] = _COMMENT.sub("", file.read_text())
    return found


if __name__ == "__main__":
    for case in sys.argv[3:] or CASES:
        print(f"== {case}\n{record(Path(sys.argv[1]), case, sys.argv[2])}", flush=True)
