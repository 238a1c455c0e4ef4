"""A line of routers, each in an anonymous network namespace: when the process ends, however it does, the kernel
takes them down. Needs root."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

NODES = ("S", "R1", "R2", "R3", "R4", "D")
# The left and the right end of each link, in their order.
LINKS4 = (
    ("198.51.100.1/30", "198.51.100.2/30"),
    ("198.51.100.5/30", "198.51.100.6/30"),
    ("198.51.100.9/30", "198.51.100.10/30"),
    ("198.51.100.13/30", "198.51.100.14/30"),
    ("203.0.113.1/24", "203.0.113.10/24"),
)
# A second link between R2 and R3: no route uses it, until one is made.
BESIDE4 = ("198.51.100.17/30", "198.51.100.18/30")
LINKS6 = tuple((f"2001:db8:{at}::1/64", f"2001:db8:{at}::2/64") for at in range(1, 6))
HOPS4 = tuple(right.partition("/")[0] for _, right in LINKS4)
HOPS6 = tuple(right.partition("/")[0] for _, right in LINKS6)

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "1000000",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/left/accept_dad": "0",
    "net/ipv6/conf/right/accept_dad": "0",
    "net/ipv4/neigh/right/mcast_solicit": "1",
    "net/ipv4/neigh/right/retrans_time_ms": "50",
}


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _new() -> int:
    if _libc.unshare(_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@dataclass
class Line:
    """The namespaces by node. This thread is in S but for the time of a step elsewhere."""

    namespaces: dict[str, int]

    @contextmanager
    def at(self, node: str) -> Iterator[None]:
        _enter(self.namespaces[node])
        try:
            yield
        finally:
            _enter(self.namespaces["S"])

    def do(self, steps: Sequence[tuple[str, str]]) -> None:
        """Each a node and a command there; "net/NAME=VALUE" sets a setting of /proc/sys."""
        for node, text in steps:
            with self.at(node):
                words = text.split()
                if words[0].startswith("net/"):
                    name, _, value = text.partition("=")
                    Path("/proc/sys", name).write_text(value)
                else:
                    run(*words)

    def open_rules(self) -> None:
        """Take all rules away again."""
        for node in NODES:
            with self.at(node):
                run("iptables", "-w", "-F")
                run("ip6tables", "-w", "-F")


@contextmanager
def line() -> Iterator[Line]:
    """Build it. This thread stays in S until the end."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    lock = os.memfd_create("lock")
    before = os.environ.get("XTABLES_LOCKFILE")
    os.environ["XTABLES_LOCKFILE"] = f"/proc/{os.getpid()}/fd/{lock}"
    namespaces: dict[str, int] = {}
    try:
        for node in NODES:
            namespaces[node] = _new()
        made = Line(namespaces)
        _connect(made)
        for at, node in enumerate(NODES):
            _configure(made, at, node)
        for node, name, address in (("R2", "right2", BESIDE4[0]), ("R3", "left2", BESIDE4[1])):
            with made.at(node):
                run("ip", "addr", "add", address, "dev", name)
                run("ip", "link", "set", name, "up")
        _enter(namespaces["S"])
        yield made
    finally:
        _enter(home)
        for descriptor in (home, lock, *namespaces.values()):
            os.close(descriptor)
        os.environ.pop("XTABLES_LOCKFILE")
        if before is not None:
            os.environ["XTABLES_LOCKFILE"] = before


def _connect(made: Line) -> None:
    """A pair of veth for each link: "right" at its left end, "left" at its right end."""
    for left, right in zip(NODES, NODES[1:]):
        _pair(made, left, right, ("right", "left"))
    _pair(made, "R2", "R3", ("right2", "left2"))


def _pair(made: Line, left: str, right: str, names: tuple[str, str]) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # a process in the right namespace, for ip(8) to name
        os.close(writer)
        os._exit(_wait_in(made.namespaces[right], reader))
    os.close(reader)
    try:
        with made.at(left):
            run("ip", "link", "add", names[0], "type", "veth", "peer", "name", "new")
            _until_in(child, made.namespaces[right])
            run("ip", "link", "set", "new", "netns", str(child), "name", names[1])
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def _wait_in(namespace: int, reader: int) -> int:
    with suppress(OSError):
        _enter(namespace)
        os.read(reader, 1)
    return 0


def _until_in(child: int, namespace: int) -> None:
    wanted = os.fstat(namespace).st_ino
    for _ in range(100_000):
        if os.stat(f"/proc/{child}/ns/net").st_ino == wanted:
            return
        os.sched_yield()
    raise RuntimeError("the child is not in its namespace")


def _configure(made: Line, at: int, node: str) -> None:
    with made.at(node):
        for name, value in _SETTINGS.items():
            with suppress(OSError):  # a kernel that has it elsewhere
                Path("/proc/sys", name).write_text(value)
        run("ip", "link", "set", "lo", "up")
        for links in (LINKS4, LINKS6):
            extra = ("nodad",) if links is LINKS6 else ()
            if at > 0:
                run("ip", "addr", "add", links[at - 1][1], "dev", "left", *extra)
            if at < 5:
                run("ip", "addr", "add", links[at][0], "dev", "right", *extra)
        for name in ("left", "right"):
            if (name == "left" and at > 0) or (name == "right" and at < 5):
                run("ip", "link", "set", name, "up")
        for flag, links in (("-4", LINKS4), ("-6", LINKS6)):
            if at == 5:
                run("ip", flag, "route", "add", "default", "via", links[4][0].partition("/")[0])
                continue
            if at < 4:
                run("ip", flag, "route", "add", "default", "via", links[at][1].partition("/")[0])
            elif at == 4:
                run("ip", flag, "route", "add", "default", "via", links[3][0].partition("/")[0])
            if 2 <= at <= 3:  # back to S
                back = "198.51.100.0/30" if flag == "-4" else "2001:db8:1::/64"
                run("ip", flag, "route", "add", back, "via", links[at - 1][0].partition("/")[0])
