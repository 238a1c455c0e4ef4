"""Log lines of every era and language are taken apart; what has no header is its own message."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logs.header import parse, split, when

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("line", "ident", "text", "stamp"),
    [
        ("Jan 31 10:00:01 web1 ifup[311]: hello", "ifup", "hello", "2026-01-31T10:00:01"),
        ("Dec  9 10:00:01 web1 ifup[311]: hello", "ifup", "hello", "2025-12-09T10:00:01"),
        ("2026-01-31T10:00:01.123456+02:00 web1 ifup[311]: hi", "ifup", "hi", "2026-01-31T08:00:01"),
        ("2026-01-31 10:00:01,123 web1 sshd: hi", "sshd", "hi", "2026-01-31T10:00:01"),
        ("2026-01-31T10:00:01+0100 web1 kernel: hi", "kernel", "hi", "2026-01-31T09:00:01"),
        ("<30>Jan 31 10:00:01 web1 ifup[3]: hi", "ifup", "hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 web1 daemon.info dhcpcd[9]: hi", "dhcpcd", "hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 systemd[1]: hi", "systemd", "hi", "2026-01-31T10:00:01"),
        ("janv. 31 10:00:01 web1 systemd-resolved[12]: hi", "systemd-resolved", "hi", "2026-01-31T10:00:01"),
        ("31 janv. 10:00:01 web1 systemd[1]: hi", "systemd", "hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 web1 (sd-pam)[9]: hi", "sd-pam", "hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 web1 /usr/sbin/cron[9]: hi", "cron", "hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 web1 kernel: [    5.206207] eth0: hi", "kernel", "eth0: hi", "2026-01-31T10:00:01"),
        ("Jan 31 10:00:01 web1 [    5.206207] eth0: hi", "kernel", "eth0: hi", "2026-01-31T10:00:01"),
        ("[Sat Jan 31 10:00:01 2026] eth0: hi", "kernel", "eth0: hi", "2026-01-31T10:00:01"),
        ("[    5.206207] vmxnet3 0000:0b:00.0 eth0: hi", "", "vmxnet3 0000:0b:00.0 eth0: hi", None),
        ("[    9.596669] udevd[386]: hi", "udevd", "hi", None),
        ("kernel: [ 8085.099452] hi", "kernel", "hi", None),
        ("systemd-networkd[21459]: eth1: Failed", "systemd-networkd", "eth1: Failed", None),
        ("Feb 30 10:00:01 web1 ifup[3]: hi", "ifup", "hi", None),
        ("ifup: couldn't read interfaces file", "", "ifup: couldn't read interfaces file", None),
        ("203:[FAILED] Failed to start X.", "", "[FAILED] Failed to start X.", None),
        ("run-parts: failed to exec /etc/x", "", "run-parts: failed to exec /etc/x", None),
        ("", "", "", None),
    ],
)
def test_a_line_is_taken_apart(line: str, ident: str, text: str, stamp: str | None) -> None:
    header = parse(line)
    assert (header.ident, header.text) == (ident, text)
    moment = when(header, NOW, timezone.utc)
    shown = None if moment is None else datetime.fromtimestamp(moment, timezone.utc).isoformat()[:19]
    assert shown == stamp


@given(st.text(max_size=200))
def test_any_text_is_taken_apart_without_failing(line: str) -> None:
    header = parse(line)
    when(header, NOW, timezone.utc)
    assert "".join(split(line)) == line


def test_lines_that_were_joined_are_split_at_their_times() -> None:
    one = "Apr 06 01:03:17 web1 ifup[6359]: run-parts: failed to exec /etc/network/if- "
    two = "Apr 06 01:03:17 web1 ifup[6359]: run-parts: /etc/network/if-up.d/iptables e"
    assert list(split(one + two)) == [one, two]
    assert list(split("at Dec 24 10:00:00 we met")) == ["at Dec 24 10:00:00 we met"]
