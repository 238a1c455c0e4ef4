"""resolv.conf in its many states."""

from __future__ import annotations

import pytest

from agent.facts import dns
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.virtual import Denied, Dir, Link, Node, virtual

STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"


def test_a_plain_file() -> None:
    found = dns.read(
        virtual(
            {
                "/etc/resolv.conf": (
                    "domain example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions rotate\n"
                )
            }
        )
    )
    assert (found.state, found.nameservers, found.invalid) == ("file", ("192.0.2.53", "2001:db8::53"), ())
    assert found.options == ("rotate",) and found.local == ()


@pytest.mark.parametrize(
    ("line", "invalid"),
    [
        ("nameserver 192.0.2.300", True),
        ("nameserver dns.example.org", True),
        ("nameserver", True),
        ("namserver 192.0.2.1", True),
        (" nameserver 192.0.2.1", True),
        ("nameserver=192.0.2.1", True),
        ("nameserver 192.0.2.1 # the first", False),
        ("nameserver\t192.0.2.1", False),
        ("nameserver fe80::1%eth0", False),
        ("nameserver 192.0.2.1\r", False),
        ("; a comment", False),
        ("nameserver 127.1", False),
        ("nameserver 192.0.2.1;comment", False),
        ("nameserver 192.0.2.1,192.0.2.2", True),
        ("search example.org example.net", False),
    ],
)
def test_what_the_resolver_does_not_take(line: str, invalid: bool) -> None:
    assert bool(dns.parse(line + "\n")[1]) is invalid


@pytest.mark.parametrize(
    ("link", "provider"),
    [
        ("../run/systemd/resolve/stub-resolv.conf", "systemd-resolved"),
        ("/run/systemd/resolve/resolv.conf", "systemd-resolved"),
        ("/var/run/NetworkManager/resolv.conf", "NetworkManager"),
        ("/run/resolvconf/resolv.conf", "resolvconf"),
        ("/run/connman/resolv.conf", "connman"),
        ("/run/netconfig/resolv.conf", "netconfig"),
    ],
)
def test_a_link_into_run_says_who_makes_it(link: str, provider: str) -> None:
    found = dns.read(virtual({"/etc/resolv.conf": Link(link)}))
    assert (found.state, found.link, found.provider) == ("link", link, provider)
    assert found.runtime


def test_resolvconfs_link_through_etc_leads_into_run() -> None:
    found = dns.read(virtual({
        "/etc/resolv.conf": Link("resolvconf/run/resolv.conf"),
        "/etc/resolvconf/run": Link("/run/resolvconf"),
    }))  # fmt: skip
    assert found.runtime and found.provider == "resolvconf"


def test_a_link_that_dangles_on_the_running_host() -> None:
    found = dns.read(virtual({"/etc/resolv.conf": Link("/run/systemd/resolve/stub-resolv.conf")}, Mode.LIVE))
    assert found.dangling and found.nameservers == ()


def test_a_link_that_dangles_outside_of_run() -> None:
    found = dns.read(virtual({"/etc/resolv.conf": Link("/etc/resolv.conf.d/gone")}))
    assert found.dangling and not found.runtime and found.provider == ""


def test_in_a_chroot_the_rescue_systems_run_is_not_the_targets() -> None:
    files: dict[str, Node] = {
        "/etc/resolv.conf": Link("/run/systemd/resolve/stub-resolv.conf"),
        "/run/systemd/resolve/stub-resolv.conf": STUB,
    }
    found = dns.read(virtual(files, Mode.CHROOT))
    assert found.nameservers == () and found.runtime and not found.dangling


def test_absent_unreadable_and_empty() -> None:
    assert dns.read(virtual({})).state == "absent"
    assert dns.read(virtual({"/etc/resolv.conf": Denied()})).state == "unreadable"
    assert dns.read(virtual({"/etc/resolv.conf": Dir()})).state == "unreadable"
    assert dns.read(virtual({"/etc/resolv.conf": ""})).nameservers == ()


def listening(*addresses: str) -> list[dict[str, object]]:
    return [
        {"type": "udp", "family": 4, "address": address, "port": 53, "pid": 1, "name": "x"} for address in addresses
    ]


@pytest.mark.parametrize(
    ("heard", "unanswered"),
    [
        (listening("127.0.0.53", "127.0.0.54"), ()),
        (listening(), ("127.0.0.53",)),
        (listening("127.0.0.1"), ("127.0.0.53",)),
        (listening("0.0.0.0"), ()),
        (listening("::"), ()),
        ([{"type": "tcp", "address": "127.0.0.53", "port": 5353}], ("127.0.0.53",)),
    ],
)
def test_the_stub_needs_somebody_who_listens(heard: list[object], unanswered: tuple[str, ...]) -> None:
    target = virtual({"/etc/resolv.conf": STUB}, Mode.LIVE, queries={"sockets": heard})
    found = dns.read(target)
    assert found.local == ("127.0.0.53",) and found.unanswered == unanswered


def test_offline_nobody_can_tell_who_listens() -> None:
    assert isinstance(dns.read(virtual({"/etc/resolv.conf": STUB})).unanswered, Unknown)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("hosts: files dns\n", True),
        ("hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns\n", True),
        ("hosts: files resolve [!UNAVAIL=return]\n", True),
        ("hosts: files\n", False),
        ("hosts: files # dns\n", False),
        ("passwd: files\n", True),
    ],
)
def test_nsswitch(text: str, asks: bool) -> None:
    assert dns.read(virtual({"/etc/nsswitch.conf": text})).nsswitch_dns is asks


@pytest.mark.parametrize(
    ("head", "writer"),
    [
        ("# Generated by NetworkManager\n", "NetworkManager"),
        (
            "# This is /run/systemd/resolve/stub-resolv.conf managed by man:systemd-resolved(8).\n",
            "systemd-resolved",
        ),
        ("# Dynamic resolv.conf(5) file for glibc resolver(3) generated by resolvconf(8)\n", "resolvconf"),
        ("# Generated by Linode Network Helper\n", "Network Helper"),
        ("# Generated by Docker Engine.\n", "docker"),
        ("nameserver 192.0.2.1\n", ""),
    ],
)
def test_who_wrote_a_plain_file(head: str, writer: str) -> None:
    assert dns.read(virtual({"/etc/resolv.conf": head + "nameserver 192.0.2.1\n"})).writer == writer


@pytest.mark.parametrize("data", [b"\x00" * 500, b"nameserver " + b"9" * 9999, b"\xff\xfe", b"nameserver \x00\n"])
def test_garbage_is_no_error(data: bytes) -> None:
    assert dns.read(virtual({"/etc/resolv.conf": data})).nameservers == ()


def test_an_address_is_given_in_its_usual_form() -> None:
    assert dns.parse("nameserver 127.1\nnameserver 2001:DB8:0::1\n")[0] == ("127.0.0.1", "2001:db8::1")
