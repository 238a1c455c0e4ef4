"""Records what a real boot loads: ``python -m tests.firewall.record_boot ROOT SUFFIX [CASE ...]``.

ROOT is the disk of a Debian with systemd, nftables, ifupdown, cron and iptables-persistent (without ufw), to be
thrown away afterwards. Each case's files are laid over it, its units are enabled, and it boots in a container with
a network of its own; then iptables-save, nft and ipset are asked. What is written beside the tests holds the files,
modes and links too.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.firewall.boot_cases import CASES, Case

RECORDED = Path(__file__).parent / "recorded"
UNITS = ("netfilter-persistent", "nftables", "networking", "cron", "rc-local")

_PROGRAM = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
sleep 2
iptables-save > /record/v4; ip6tables-save > /record/v6
iptables-legacy-save > /record/legacy-v4; ip6tables-legacy-save > /record/legacy-v6
nft -j list ruleset > /record/nft; ipset save > /record/ipset
systemctl --failed --no-legend --plain > /record/failed
journalctl -b --no-pager > /record/journal 2>&1
systemctl exit 0
"""
_UNIT = """[Unit]
After=multi-user.target rc-local.service cron.service networking.service
[Service]
Type=oneshot
ExecStart=/record/program
[Install]
WantedBy=multi-user.target
"""
_VARYING = re.compile(r"^# (?:Generated|Completed).* on .*$", re.MULTILINE)

_KEYS = re.compile(r"\[|(Before|After|Conflicts|Wants|WantedBy|Alias|ExecStart|DefaultDependencies|Type)\s*=")
_NAMES = re.compile(r"IP6?TABLES_RESTORE_NOFLUSH")


@dataclass
class Laid:
    """What a case put on the disk, to be taken away again."""

    before: dict[Path, tuple[bytes, int] | None] = field(default_factory=dict)

    def write(self, path: Path, text: str, mode: int) -> None:
        if path not in self.before:
            self.before[path] = (path.read_bytes(), path.stat().st_mode & 0o7777) if path.is_file() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def take_away(self) -> None:
        for path, old in self.before.items():
            path.unlink(missing_ok=True)
            if old is not None:
                path.write_bytes(old[0])
                path.chmod(old[1])


def record(root: Path, name: str, suffix: str) -> str:
    """One case; what failed meanwhile."""
    case = CASES[name]
    laid = Laid()
    place = root / "record"
    place.mkdir(exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    laid.write(place / "program", _PROGRAM, 0o755)
    laid.write(root / "etc/systemd/system/record.service", _UNIT, 0o644)
    for path, text in case.files.items():
        laid.write(root / path.lstrip("/"), text, 0o755 if path in case.executable else 0o644)
    try:
        _enable(root, case)
        document = _document(root, case)
        _boot(root)
        for key in ("v4", "v6", "legacy-v4", "legacy-v6", "nft", "ipset"):
            document[key] = _VARYING.sub("#", (place / key).read_text())
        failed = (place / "failed").read_text()
        document["failed"] = [line.split()[0] for line in failed.splitlines() if line.strip()]
    finally:
        laid.take_away()
    data = json.dumps(document, indent=1, sort_keys=True).encode()
    (RECORDED / f"boot-{name}{suffix}.json.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    return failed


def _enable(root: Path, case: Case) -> None:
    for unit in UNITS:
        verb = "enable" if unit in case.enabled else "disable"
        subprocess.run(("systemctl", "--root", str(root), "-q", verb, f"{unit}.service"), capture_output=True)
    for unit in [*case.enabled, "record"]:
        subprocess.run(("systemctl", "--root", str(root), "-q", "enable", f"{unit}.service"), capture_output=True)
    flavour = f"/usr/sbin/iptables-{case.backend}"
    for family in ("iptables", "ip6tables"):
        path = flavour.replace("iptables", family)
        subprocess.run(("chroot", str(root), "update-alternatives", "--quiet", "--set", family, path), check=True)


def _boot(root: Path) -> None:
    inside = ("systemd-nspawn", "-q", "-b", "-D", str(root), "--private-network", "--register=no", "--keep-unit")
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    subprocess.run(inside, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=environment)


def _document(root: Path, case: Case) -> dict[str, object]:
    """The part of the disk that tells what is loaded."""
    tree: dict[str, str] = {}
    modes: dict[str, int] = {}
    links: dict[str, str] = {}
    units = root / "usr/lib/systemd/system"
    paths = [root / path.lstrip("/") for path in case.files]
    paths += [units / f"{unit}.service" for unit in UNITS]
    paths += [units / "ufw.service"]
    paths += sorted((units / "netfilter-persistent.service.d").glob("*.conf"))
    for folder in ("etc/systemd/system", "etc/alternatives", "etc/network", "usr/share/netfilter-persistent"):
        paths += sorted((root / folder).rglob("*"))
    paths += [root / f"usr/sbin/{name}{end}" for name in ("iptables", "ip6tables") for end in ("", "-restore")]
    paths += [path for path in sorted((root / "usr/sbin").glob("ip*tables-*")) if path.is_symlink()]
    paths += [root / "sbin", root / "lib", root / "bin"]
    paths += [root / "usr/sbin/init", root / "etc/default/netfilter-persistent"]
    for path in paths:
        name = f"/{path.relative_to(root)}"
        others = path.parent.name == "alternatives" and "iptables" not in path.name and "ip6tables" not in path.name
        others |= path.parent.name.endswith(".wants") and path.name.split(".")[0] not in (*UNITS, *case.enabled, "ufw")
        if others or path.name == "record.service" or "-save" in path.name:
            continue
        if path.is_symlink():
            links[name] = os.readlink(path)
        elif path.is_file():
            tree[name] = path.read_text() if name in case.files else _needed(path)
            modes[name] = path.stat().st_mode & 0o7777
    programs = ("xtables-nft-multi", "xtables-legacy-multi", "nft", "ipset")
    return {"tree": tree, "modes": modes, "links": links, "programs": [f"/usr/sbin/{one}" for one in programs]}


def _needed(path: Path) -> str:
    """Of a packaged file only what tells something: settings, units' order and commands, names of variables."""
    text = path.read_text()
    if path.suffix in (".service", ".conf"):
        return "".join(line for line in text.splitlines(keepends=True) if _KEYS.match(line))
    if path.parent.name == "default":
        return "".join(line for line in text.splitlines(keepends=True) if line[:1] not in ("#", "\n"))
    return "#!/bin/sh\n" + "".join(f"# {name}\n" for name in sorted(set(_NAMES.findall(text))))


if __name__ == "__main__":
    for chosen in sys.argv[3:] or CASES:
        print(f"== {chosen}\n{record(Path(sys.argv[1]), chosen, sys.argv[2])}", flush=True)
