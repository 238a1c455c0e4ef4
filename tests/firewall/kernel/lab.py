"""The lab: a host and a wire, each in a network namespace of its own, within one process.

Both namespaces are anonymous: when the process ends, however it does, the kernel takes them down with all that is
in them. Nothing of the machine's own network is touched. Needs root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from agent.firewall.host import Host, Interface, Network, Route
from tests.firewall.kernel.frames import Frame, Seen, ethernet, number_in, seen

NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

INNER = {  # the bridges of Docker, podman and libvirt, and who stands behind them
    "docker0": ("172.17.0.1/16", "fd00:17::1/64"),
    "br-shop": ("172.18.0.1/16", "fd00:18::1/64"),
    "podman0": ("10.88.0.1/16", "fd00:88::1/64"),
    "virbr0": ("192.168.122.1/24",),
}
LINKS = ("eth0", "eth1", *INNER)
OUR_MAC = {link: f"02:00:00:00:00:1{at}" for at, link in enumerate(LINKS)}
PEER_MAC = {link: f"02:00:00:00:00:0{at}" for at, link in enumerate(LINKS, start=1)}
ADDRESSES = {
    "eth0": ("192.0.2.10/25", "192.0.2.11/25", "2001:db8:1::10/64", "2001:db8:1::11/64"),
    "eth1": ("192.0.2.130/25", "2001:db8:2::10/64"),
    **INNER,
}
ROUTES = (
    ("0.0.0.0/0", "192.0.2.1", "eth0"),
    ("198.51.100.0/24", "192.0.2.129", "eth1"),
    ("::/0", "2001:db8:1::1", "eth0"),
    ("2001:db8:b::/48", "2001:db8:2::1", "eth1"),
)
NEIGHBOURS = {
    "eth0": ("192.0.2.1", "192.0.2.50", "192.0.2.60", "2001:db8:1::1", "2001:db8:1::50"),
    "eth1": ("192.0.2.129", "2001:db8:2::1"),
    **{
        link: tuple(text.partition("/")[0][:-1] + last for text in texts for last in "234")
        for link, texts in INNER.items()
    },
}
TCP_PORTS = (22, 80, 443, 2222, 8080)
UDP_PORTS = (53, 123, 2222, 8080)

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "1000000",
    "net/ipv4/icmp_echo_ignore_broadcasts": "1",
    "net/ipv4/tcp_syncookies": "0",
    "net/ipv4/tcp_max_syn_backlog": "65536",
    "net/core/somaxconn": "65535",
    "net/ipv4/tcp_synack_retries": "0",
    "net/ipv4/tcp_invalid_ratelimit": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/netfilter/nf_conntrack_tcp_loose": "0",
}

_TRACKED = """table inet lab {
    chain c {
        type filter hook input priority 9999
        ct state new counter
    }
}
"""


def unshare() -> int:
    """A new network namespace for this thread; a descriptor that keeps it."""
    if _libc.unshare(NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(namespace: int) -> None:
    if _libc.setns(namespace, NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def command(*argv: str, text: str | None = None, check: bool = True) -> str:
    """Run in the namespace that we are in."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout if not done.returncode else f"error: {done.stderr}"


@dataclass
class Lab:
    """The host's namespace, its sockets, and the wire's ends."""

    host: int
    wire: int
    ends: dict[str, socket.socket]
    raw: list[tuple[int, socket.socket]]
    udp: list[socket.socket]
    tcp: list[socket.socket]
    tracking: socket.socket
    arrived: set[int] = field(default_factory=set)
    came_out: list[Seen] = field(default_factory=list)

    def send(self, frame: Frame, link: str) -> None:
        self.ends[link].send(ethernet(frame))

    def settle(self, quiet: float = 0.003) -> None:
        """Answer what wants an answer, and collect what arrived, until nothing moves any more."""
        still = time.monotonic() + quiet
        while time.monotonic() < still:
            if self._pump():
                still = time.monotonic() + quiet
            else:
                time.sleep(0.0003)

    def forget(self) -> None:
        """Drop what was collected so far."""
        self.settle(0.002)
        self.arrived.clear()
        self.came_out.clear()

    def forget_connections(self) -> None:
        """Empty the host's table of connections (ctnetlink, CT_DELETE without a tuple)."""
        self.tracking.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
        self.tracking.recv(4096)

    def _pump(self) -> bool:
        moved = False
        for family, raw in self.raw:
            for data in _all(raw):
                moved = True
                number = number_in(data if family == 6 else data[20:])
                if number is not None:
                    self.arrived.add(number)
        for one in self.udp:
            while True:
                try:
                    data, sender = one.recvfrom(2048)
                except OSError:
                    break
                moved = True
                with suppress(OSError):  # the firewall may forbid it: EPERM
                    one.sendto(data, sender)
        for end in self.ends.values():
            while True:
                try:
                    data, sender = end.recvfrom(2048)
                except OSError:
                    break
                if sender[2] == socket.PACKET_OUTGOING:
                    continue
                found = seen(data)
                if found is not None:
                    moved = True
                    self.came_out.append(found)
        return moved


def _all(one: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield one.recv(2048)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                continue
            return


def facts() -> Host:
    """What the model is told of the host."""
    interfaces = [Interface("lo", (_network("127.0.0.1/8"), _network("::1/128")))]
    for name, texts in ADDRESSES.items():
        four = [_network(text) for text in texts if "." in text]
        six = [_network(text) for text in texts if ":" in text]
        interfaces.append(Interface(name, (*four, *reversed(six))))
    routes = [Route(_network(text), link) for text, _, link in ROUTES]
    routes += [
        Route(
            Network(own.family, own.address >> (_bits(own) - own.length) << (_bits(own) - own.length), own.length), link
        )
        for link, texts in ADDRESSES.items()
        for own in map(_network, texts)
    ]
    return Host(tuple(interfaces), tuple(routes))


def _bits(own: Network) -> int:
    return 32 if own.family == 4 else 128


def _network(text: str) -> Network:
    address, _, length = text.partition("/")
    parsed = ip_network(address)
    return Network(parsed.version, int(parsed.network_address), int(length))


@contextmanager
def lab() -> Iterator[Lab]:
    """Build it. This thread stays in the host's namespace until the end."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    folder = tempfile.mkdtemp(prefix="firewall-lab-")
    os.environ["XTABLES_LOCKFILE"] = str(Path(folder) / "lock")
    opened: list[socket.socket] = []
    try:
        wire = unshare()
        host = unshare()
        _links(wire)
        _configure()
        tracking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        tracking.bind((0, 0))
        raw, udp, tcp = _sockets()
        enter(wire)
        ends = _ends()
        enter(host)
        opened += [tracking, *(one for _, one in raw), *udp, *tcp, *ends.values()]
        # connection tracking runs for the whole time, whatever the rules ask
        command("nft", "-f", "-", text=_TRACKED)
        _set("net/netfilter/nf_conntrack_tcp_loose", "0")
        yield Lab(host, wire, ends, raw, udp, tcp, tracking)
    finally:
        for one in opened:
            one.close()
        enter(home)
        os.close(home)
        shutil.rmtree(folder, ignore_errors=True)


def _links(wire: int) -> None:
    """Two pairs of veth: the host keeps eth0 and eth1, the wire gets w-eth0 and w-eth1."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # a process that is in the wire's namespace, for ip(8) to name
        os.close(writer)
        enter(wire)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        time.sleep(0.02)
        for link in LINKS:
            command("ip", "link", "add", link, "type", "veth", "peer", "name", f"w-{link}")
            command("ip", "link", "set", f"w-{link}", "netns", str(child))
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def _set(name: str, value: str) -> None:
    with suppress(OSError):
        Path("/proc/sys", name).write_text(value)


def _configure() -> None:
    for name, value in _SETTINGS.items():
        _set(name, value)
    command("ip", "link", "set", "lo", "up")
    for link in LINKS:
        command("ip", "link", "set", link, "address", OUR_MAC[link], "up")
        for address in ADDRESSES[link]:
            extra = ("nodad",) if ":" in address else ()
            command("ip", "addr", "add", address, "dev", link, *extra)
        for neighbour in NEIGHBOURS[link]:
            command("ip", "neigh", "add", neighbour, "lladdr", PEER_MAC[link], "dev", link, "nud", "permanent")
    for network, gateway, link in ROUTES:
        command("ip", "-6" if ":" in network else "-4", "route", "add", network, "via", gateway, "dev", link)


def _ends() -> dict[str, socket.socket]:
    """The wire's side: AF_PACKET on each link, which sees and sends whole frames."""
    ends: dict[str, socket.socket] = {}
    for name in ("all", "default"):
        _set(f"net/ipv6/conf/{name}/disable_ipv6", "1")
    for link in LINKS:
        command("ip", "link", "set", f"w-{link}", "address", PEER_MAC[link], "arp", "off", "up")
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        one.bind((f"w-{link}", 3))
        _big(one)
        ends[link] = one
    return ends


def _big(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    one.setblocking(False)


def _sockets() -> tuple[list[tuple[int, socket.socket]], list[socket.socket], list[socket.socket]]:
    """Raw sockets, that see what comes in after the firewall; services to answer."""
    raw = [(4, socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)) for protocol in (6, 17, 1)]
    raw += [(6, socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)) for protocol in (6, 17, 58)]
    for _, one in raw:
        _big(one)
    udp: list[socket.socket] = []
    tcp: list[socket.socket] = []
    own = [text.partition("/")[0] for texts in ADDRESSES.values() for text in texts]
    for address in own:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in UDP_PORTS:
            one = socket.socket(family, socket.SOCK_DGRAM)
            one.bind((address, port))
            _big(one)
            udp.append(one)
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in TCP_PORTS:
            one = socket.socket(family, socket.SOCK_STREAM)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            one.listen(65535)
            one.setblocking(False)
            tcp.append(one)
    return raw, udp, tcp
