"""Kernel parameters on disk and live."""

from __future__ import annotations

import pytest

from agent.facts.netconfig import sysctl
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.virtual import File, Link, Node, virtual

KEY = "net/ipv6/conf/eth0/accept_ra"


def test_names_win_over_directories_and_etc_over_usr() -> None:
    target = virtual(
        {
            "/usr/lib/sysctl.d/50-default.conf": "net.ipv4.ip_forward = 0\n",
            "/etc/sysctl.d/60-mine.conf": "net.ipv4.ip_forward = 1\n",
            "/usr/lib/sysctl.d/60-mine.conf": "net.ipv4.ip_forward = 7\n",
        }
    )
    found = sysctl.read(target)["net/ipv4/ip_forward"]
    assert found.value == "1" and str(found.origin) == "/etc/sysctl.d/60-mine.conf:1"


def test_sysctl_conf_is_last() -> None:
    files: dict[str, Node] = {
        "/etc/sysctl.conf": "net.ipv6.conf.eth0.accept_ra = 2\n",
        "/etc/sysctl.d/99-z.conf": "net.ipv6.conf.eth0.accept_ra = 0\n",
    }
    found = sysctl.configured(virtual(files), KEY)
    assert found is not None and found.value == "2"


def test_sysctl_conf_behind_its_link_is_read_once_at_the_links_place() -> None:
    files: dict[str, Node] = {
        "/etc/sysctl.conf": "net.ipv6.conf.eth0.accept_ra = 2\n",
        "/etc/sysctl.d/99-sysctl.conf": Link("../sysctl.conf"),
        "/etc/sysctl.d/99-z.conf": "net.ipv6.conf.eth0.accept_ra = 0\n",
    }
    found = sysctl.configured(virtual(files), KEY)
    assert found is not None and found.value == "0"
    assert len(sysctl.assignments(virtual(files))) == 2


@pytest.mark.parametrize("mask", [Link("/dev/null"), File("")])
def test_masks_hide_lower_files(mask: Node) -> None:
    files: dict[str, Node] = {"/etc/sysctl.d/a.conf": mask, "/usr/lib/sysctl.d/a.conf": "net.ipv4.ip_forward=1\n"}
    assert not sysctl.read(virtual(files))


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("net.ipv6.conf.eth0.accept_ra", KEY),
        ("net/ipv6/conf/eth0/accept_ra", KEY),
        ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
    ],
)
def test_both_separators(written: str, key: str) -> None:
    assert sysctl.slashes(written) == key


def test_comments_dashes_and_junk() -> None:
    text = "# a\n; b\n-net.ipv4.ip_forward=1\nnot an assignment\n=\n\0\n  net.ipv4.tcp_syncookies = 1 \n"
    found = sysctl.read(virtual({"/etc/sysctl.d/a.conf": text}))
    assert set(found) == {"net/ipv4/ip_forward", "net/ipv4/tcp_syncookies"}
    assert found["net/ipv4/ip_forward"].optional


def test_an_exact_name_wins_over_a_later_glob() -> None:
    text = "net.ipv6.conf.eth0.accept_ra=2\nnet.ipv6.conf.*.accept_ra=0\n"
    target = virtual({"/etc/sysctl.d/a.conf": text})
    exact, other = sysctl.configured(target, KEY), sysctl.configured(target, "net.ipv6.conf.eth1.accept_ra")
    assert exact is not None and exact.value == "2"
    assert other is not None and other.value == "0"


def test_all_reaches_an_interface_only_for_the_switches_that_write_through() -> None:
    text = "net.ipv6.conf.all.disable_ipv6=1\nnet.ipv6.conf.all.accept_ra=0\n"
    target = virtual({"/etc/sysctl.d/a.conf": text})
    off = sysctl.effective(target, "eth0", "disable_ipv6")
    assert off is not None and off.value == "1"
    assert sysctl.effective(target, "eth0", "accept_ra") is None


def test_default_is_taken_over_by_new_interfaces() -> None:
    target = virtual({"/etc/sysctl.d/a.conf": "net.ipv6.conf.default.accept_ra=0\n"})
    found = sysctl.effective(target, "eth0", "accept_ra")
    assert found is not None and found.value == "0"


def test_live_values_come_from_proc_and_only_live() -> None:
    files: dict[str, Node] = {f"/proc/sys/{KEY}": "2\n"}
    assert sysctl.value(virtual(files, Mode.LIVE), "net.ipv6.conf.eth0.accept_ra") == "2"
    assert sysctl.live(virtual(files, Mode.LIVE), "eth0", "accept_ra") == "2"
    offline = sysctl.value(virtual(files), KEY)
    assert isinstance(offline, Unknown) and offline.why is Why.NOT_LIVE
    escaping = sysctl.value(virtual(files, Mode.LIVE), "net/../../etc/passwd")
    assert isinstance(escaping, Unknown)
