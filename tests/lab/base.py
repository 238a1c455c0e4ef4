"""The hosts' disks: one debootstrapped base a suite, and over it a layer for each network manager.

A layer is the upper folder of an overlay mount in which exactly that manager's packages were
installed, so that an ifupdown host knows nothing of netplan. Bases and layers are kept between runs;
their names hold a digest of their recipe, so a changed recipe builds new ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab.isolation import REPOSITORY, build_lock, isolated, lab_dir
from tests.lab.root import Root

SUITES = ("bookworm", "trixie")  # by default; bullseye and forky work too
_SCRIPTS = "/usr/share/debootstrap/scripts"
_PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "procps",
    "python3",
    "python3-psutil",
    "python3-systemd",
)
_LIBRARIES = ("distro>=1.8", "pyroute2>=0.7.2", "PyYAML>=6.0", "tomli>=2.0")
_FILES = {
    "/etc/hostname": "host\n",
    "/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 host\n",
    "/etc/fstab": "proc /proc proc defaults 0 0\n",  # a container's root would have none
    # A broken host would else keep us waiting for a minute and a half at each end.
    "/etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStartSec=20s\nDefaultTimeoutStopSec=5s\n",
    "/etc/systemd/system/systemd-networkd-wait-online.service.d/lab.conf": "[Service]\nTimeoutStartSec=10s\n",
    "/etc/systemd/system/NetworkManager-wait-online.service.d/lab.conf": (
        "[Service]\nEnvironment=NM_ONLINE_TIMEOUT=10\n"
    ),
}


@dataclass(frozen=True)
class Layer:
    """What is installed over the base, or over another layer. ``removed`` packages leave their
    configuration behind, as `apt-get remove` does."""

    name: str
    packages: tuple[str, ...]
    over: str = ""
    removed: tuple[str, ...] = ()


LAYERS = {
    layer.name: layer
    for layer in (
        Layer("ifupdown", ("ifupdown", "isc-dhcp-client", "iptables")),
        Layer("sendmail", ("sendmail-base",), over="ifupdown", removed=("sendmail-base",)),
        Layer("firewall", ("ufw", "firewalld", "fail2ban", "nftables"), over="ifupdown"),
        Layer("networkd", ("systemd-resolved",)),
        Layer("netplan", ("netplan.io", "systemd-resolved")),
        Layer("networkmanager", ("network-manager",)),
        Layer("boot", ("linux-image-cloud-amd64", "initramfs-tools", "grub2-common", "grub-pc-bin"), over="ifupdown"),
    )
}


def packages_of(layer: Layer, suite: str) -> tuple[str, ...]:
    """A layer's packages, where a suite differs from the others."""
    packages = layer.packages
    if suite == "bullseye":  # resolved and networkd are part of systemd there
        packages = tuple(name for name in packages if name != "systemd-resolved")
    if suite not in ("bullseye", "bookworm", "trixie"):
        packages = tuple("dhcpcd-base" if name == "isc-dhcp-client" else name for name in packages)
    return packages


def lower_folders(suite: str, layer: str) -> list[Path]:
    """The folders of a host's disk, uppermost first, as overlayfs wants them."""
    folders = []
    name = layer
    while name:
        folders.append(_layer_folder(suite, name))
        name = LAYERS[name].over
    return [*folders, _base_folder(suite)]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:10]


def _base_folder(suite: str) -> Path:
    return lab_dir() / "bases" / f"{suite}-{_digest(_PACKAGES, _FILES, _extra(suite))}"


def _layer_folder(suite: str, name: str) -> Path:
    layer = LAYERS[name]
    below = _layer_folder(suite, layer.over) if layer.over else _base_folder(suite)
    return lab_dir() / "layers" / f"{suite}-{name}-{_digest(below.name, packages_of(layer, suite), layer.removed)}"


def _extra(suite: str) -> tuple[str, ...]:
    return ("rsyslog",) if suite == "bullseye" else ()  # the default there: text logs beside the journal


def libraries() -> Path:
    """The program's pure-Python dependencies, for the hosts' own Python."""
    return lab_dir() / f"libraries-{_digest(_LIBRARIES)}"


def prepare(suites: Sequence[str], layers: Sequence[str], say: Log) -> None:
    """Builds what is missing: bases two at a time, then layers two at a time."""
    with build_lock():
        for folder in ("bases", "layers", "."):
            for half in (lab_dir() / folder).glob("*.new"):
                shutil.rmtree(half)
        _install_libraries(say)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda suite: _build("base", suite, "", say), suites))
            for wanted in _in_order(layers):
                list(
                    pool.map(lambda job: _build("layer", job[0], job[1], say), [(s, n) for s in suites for n in wanted])
                )


def _in_order(layers: Sequence[str]) -> Iterator[list[str]]:
    """Layers over the base first, then those over a layer."""
    wanted = set(layers) | {LAYERS[name].over for name in layers if LAYERS[name].over}
    yield sorted(name for name in wanted if not LAYERS[name].over)
    yield sorted(name for name in wanted if LAYERS[name].over)


class Log:
    """Says what is being built, on stderr unless told otherwise."""

    def __call__(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class BuildFailed(Exception):
    """A base or layer could not be built; the message ends with the program's own words."""


def _install_libraries(say: Log) -> None:
    if libraries().exists():
        return
    say("lab: installing the program's libraries for the hosts")
    new = libraries().with_suffix(".new")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    done = subprocess.run(
        [*pip, "--target", str(new), *_LIBRARIES], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"pip could not install {' '.join(_LIBRARIES)}: {done.stderr.strip()[-2000:]}")
    new.rename(libraries())


def _build(what: str, suite: str, layer: str, say: Log) -> None:
    """Builds in namespaces of its own, where mounts vanish whatever happens, under a name of its own."""
    folder = _layer_folder(suite, layer) if layer else _base_folder(suite)
    if folder.exists():
        return
    say(f"lab: building {suite} {layer or 'base'}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    job = [sys.executable, "-m", "tests.lab.base", what, suite, layer or "-"]
    done = subprocess.run(
        isolated(job, network=False),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LAB_DIR": str(lab_dir()), **apt_proxy()},
        timeout=1500,
        check=False,
    )
    if done.returncode != 0 or not folder.exists():
        raise BuildFailed(f"{suite} {layer or 'base'}:\n{done.stdout.decode(errors='replace')[-4000:]}")


def apt_proxy() -> dict[str, str]:
    """The proxy that this machine's own apt uses, as the variable that debootstrap understands."""
    if "http_proxy" in os.environ or shutil.which("apt-config") is None:
        return {}
    done = subprocess.run(
        ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], capture_output=True, text=True, check=False
    )
    found = re.search(r"PROXY='([^']+)'", done.stdout)
    return {"http_proxy": found[1]} if found else {}


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """The Debian mirror that this machine itself uses, "" where it has none (debootstrap's default)."""
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        for line in file.read_text(errors="replace").splitlines():
            found = re.match(r"(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(https?://\S+/debian/?)(?:\s|$)", line.strip())
            if found:
                return found[1]
    return ""


# What runs inside the namespaces.


def _build_base(suite: str) -> None:
    folder = _base_folder(suite)
    new = folder.with_suffix(".new")
    packages = [*_PACKAGES, *_extra(suite), *(["ca-certificates"] if mirror().startswith("https") else [])]
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    known = Path(_SCRIPTS, suite).exists()
    if not known:  # a suite younger than this debootstrap: the script of unstable does it, keys may be missing
        command.append("--no-check-gpg")
    command += [suite, str(new), mirror() or "http://deb.debian.org/debian"]
    subprocess.run(command + ([] if known else [f"{_SCRIPTS}/sid"]), check=True)
    root = Root(new, suite)
    root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    root.write("/etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\n")
    root.write("/etc/apt/apt.conf.d/99lab", 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n')
    for path, text in _FILES.items():
        root.write(path, text)
    root.at("/var/log/journal").mkdir(exist_ok=True)
    if not root.exists("/etc/machine-id") or len(root.read("/etc/machine-id").strip()) != 32:
        root.write("/etc/machine-id", f"{uuid.uuid4().hex}\n")  # without one each boot is a first boot, with presets
    root.run("apt-get", "-q", "update")
    shutil.rmtree(root.at("/var/cache/apt/archives"), ignore_errors=True)
    new.rename(folder)


def _build_layer(suite: str, name: str) -> None:
    layer = LAYERS[name]
    folder = _layer_folder(suite, name)
    new = folder.with_suffix(".new")
    work, merged = Path(f"{folder}.work.new"), Path(f"{folder}.merged.new")
    for path in (new, work, merged):
        path.mkdir(parents=True)
    below = lower_folders(suite, name)[1:]
    mount_overlay(below, new, work, merged)
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("devpts", "dev/pts")):
        subprocess.run(["mount", "-t", kind, kind, str(merged / place)], check=True)
    root = Root(merged, suite)
    root.run("apt-get", "-q", "-y", "install", *packages_of(layer, suite))
    if layer.removed:
        root.run("apt-get", "-q", "-y", "remove", *layer.removed)
    root.run("apt-get", "-q", "clean")
    subprocess.run(["umount", *(str(merged / place) for place in ("dev/pts", "sys", "proc")), str(merged)], check=True)
    merged.rmdir()
    shutil.rmtree(work)
    new.rename(folder)


def mount_overlay(below: Sequence[Path], upper: Path, work: Path, merged: Path) -> None:
    """One tree of read-only folders (uppermost first) and one that takes the changes."""
    lower = ":".join(str(path) for path in below)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "base":
        _build_base(sys.argv[2])
    else:
        _build_layer(sys.argv[2], sys.argv[3])
