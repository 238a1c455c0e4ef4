"""Hosts with ifupdown for the tests of its hooks' fixes: planned from a virtual target, tried on a real folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.change.model import Move, Plan, WriteFile
from agent.diagnosis.evaluation import evaluate
from agent.diagnosis.loader import load
from agent.diagnosis.model import Finding, Status
from agent.facts.facts import Facts
from agent.facts.helper import NetworkHelper
from agent.facts.netconfig.model import Manager
from agent.facts.packages import Packages
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.logs.model import Found, Hits, Match
from agent.target.model import Mode
from tests.proofs.managed import config, facts, iface
from tests.virtual import File, Link, Node

RULES = {rule.id: rule for rule in load()}
UP, PRE_UP = "/etc/network/if-up.d", "/etc/network/if-pre-up.d"
INTERFACES = "/etc/network/interfaces"
BASE: dict[str, Node] = {
    "/bin/sh": File("\x7fELF", mode=0o755),
    "/bin/run-parts": File("\x7fELF", mode=0o755),
    "/sbin/ifup": File("--exit-on-error", mode=0o755),
    "/sbin/iptables-restore": File("\x7fELF", mode=0o755),
    "/sbin/ip6tables-restore": File("\x7fELF", mode=0o755),
    INTERFACES: "auto eth0\niface eth0 inet dhcp\n",
}
ORIGINAL = "0123456789abcdef0123456789abcdef"


def script(text: str | bytes, mode: int = 0o755, mtime: float = 0.0) -> File:
    return File(text, mode=mode, mtime=mtime)


def host(
    files: Mapping[str, Node],
    mode: Mode = Mode.OFFLINE,
    helper: NetworkHelper | None = None,
    status: str = "",
) -> Facts:
    """``status`` is what dpkg's database says."""
    interfaces = config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN))
    whole = {**BASE, **({"/var/lib/dpkg/status": status} if status else {}), **files}
    packages = Packages("dpkg", _states(status))
    made = facts(whole, enabled=[Manager.IFUPDOWN], configs=[interfaces], mode=mode, packages=packages)
    made.__dict__["helper"] = helper or NetworkHelper("absent")
    return made


def _states(status: str) -> dict[str, str]:
    states = {}
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if "Package" in fields:
            states[fields["Package"]] = fields["Status"]
    return states


def package(name: str, state: str, *conffiles: str) -> str:
    """A paragraph of dpkg's database."""
    lines = "".join(f"\n {path} {ORIGINAL}" for path in conffiles)
    return f"Package: {name}\nStatus: {state}\nArchitecture: all\nConffiles:{lines}\nDescription: x\n .\n y\n\n"


def findings(fix: Fix, of: Facts, *matches: tuple[str, Match]) -> tuple[Finding, ...]:
    """What the fix's own rules confirm, with these matches by the pattern's name."""
    rules = [RULES[identity] for identity in fix.rules]
    hits: dict[str, Hits] = {}
    for name, match in matches:
        key = next(one.pattern.key for rule in rules for one in rule.patterns if one.name == name)
        hits[key] = Hits(key, 1, (replace(match, key=key),))
    found = evaluate(of, rules, Found(hits, (), ()))
    return tuple(finding for finding in found.findings if finding.status is Status.CONFIRMED)


def ask(
    fix: Fix, of: Facts, *matches: tuple[str, Match], choice: str = "", name: str = "", forced: bool = False
) -> Planned:
    confirmed = findings(fix, of, *matches)
    assert confirmed or forced, "no proof"
    return fix.plan(Request(of, confirmed, choice, name, forced))


def plan(
    fix: Fix, of: Facts, *matches: tuple[str, Match], choice: str = "", name: str = "", forced: bool = False
) -> Plan:
    planned = ask(fix, of, *matches, choice=choice, name=name, forced=forced)
    assert isinstance(planned, Plan), planned
    return planned


def refusal(
    fix: Fix, of: Facts, *matches: tuple[str, Match], choice: str = "", name: str = "", forced: bool = False
) -> Refusal:
    planned = ask(fix, of, *matches, choice=choice, name=name, forced=forced)
    assert isinstance(planned, Refusal), planned
    return planned


def after(files: Mapping[str, Node], planned: Plan) -> dict[str, Node]:
    """The files as the plan leaves them."""
    left = {**BASE, **files}
    for operation in planned.operations:
        if isinstance(operation, Move):
            assert operation.to not in left
            left[operation.to] = left.pop(operation.path)
        elif isinstance(operation, WriteFile):
            old = left[operation.path]
            mode = old.mode if isinstance(old, File) else 0o644
            left[operation.path] = File(operation.content, mode=mode, mtime=1e9)
        else:
            raise AssertionError(operation)
    return left


def content(files: Mapping[str, Node], path: str) -> bytes:
    node = files[path]
    text = node.content if isinstance(node, File) else node
    assert isinstance(text, (str, bytes))
    return text if isinstance(text, bytes) else text.encode()


_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc/alternatives")


class Real:
    """The same files in a folder, with this machine's programs in it, in namespaces of their own."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def lay(self, files: Mapping[str, Node]) -> None:
        """All of /etc, from nothing."""
        shutil.rmtree(self.top / "etc", ignore_errors=True)
        for path, node in files.items():
            if not path.startswith("/etc/"):
                continue
            place = self.top / path[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(node, Link):
                place.symlink_to(node.to)
            else:
                place.write_bytes(content(files, path))
                place.chmod(node.mode if isinstance(node, File) else 0o644)

    def apply(self, planned: Plan) -> None:
        for operation in planned.operations:
            if isinstance(operation, Move):
                assert not os.path.lexists(self.top / operation.to[1:])
                (self.top / operation.path[1:]).rename(self.top / operation.to[1:])
            elif isinstance(operation, WriteFile):
                (self.top / operation.path[1:]).write_bytes(operation.content)
            else:
                raise AssertionError(operation)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The program's end, in a chroot of the folder, without any network."""
        names = [name for name in _PROGRAMS if Path("/", name).is_dir()]
        for name in names:
            (self.top / name).mkdir(parents=True, exist_ok=True)
        enter = f'for name in {" ".join(names)}; do mount --bind "/$name" "$0/$name"; done; '
        return subprocess.run(
            ["unshare", "-mn", "sh", "-c", enter + 'exec chroot "$0" "$@"', str(self.top), *argv],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "IFACE": "eth0", "MODE": "start"},
            timeout=60,
            check=False,
        )

    def run_parts(self, folder: str) -> subprocess.CompletedProcess[str]:
        return self.run("run-parts", "--exit-on-error", folder)


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root for a chroot"
    if not all(shutil.which(name) for name in ("unshare", "run-parts", "chroot")):
        return "unshare, chroot or run-parts is not installed here"
    tried = subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "namespaces can't be made here"


needs_root = pytest.mark.skipif(bool(_why_not()), reason=_why_not())
