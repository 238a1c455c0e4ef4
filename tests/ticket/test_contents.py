"""What goes into a ticket: read through the target alone, bounded, nothing that is only a secret."""

from __future__ import annotations

from dataclasses import replace

from agent.cli.scan import examined
from agent.diagnosis.loader import load
from agent.diagnosis.model import Evidence
from agent.facts.facts import Facts
from agent.ticket import archive, attachments, body, how_to
from agent.ticket.contents import ROOM, gather
from agent.ticket.model import Attachment, Ticket, Trace
from tests.ticket import sample_traces, samples
from tests.virtual import Denied, File, Link, Node, virtual

NOW = samples.when("2026-11-23 19:00:00")
INTERFACES = "auto eth0\niface eth0 inet static\n  address 192.0.2.10/24\n  gateway 192.0.2.1\n"
HOST: dict[str, Node] = {
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "/etc/hostname": "web1\n",
    "/etc/network/interfaces": INTERFACES,
    "/etc/resolv.conf": "nameserver 192.0.2.53\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/fstab": "/dev/sda / ext4 defaults 0 1\n",
    "/etc/shadow": File("root:$6$abcdefgh$xyz:19000:0:99999:7:::\n", mode=0o640),
    "/etc/iptables/rules.v4": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n",
    "/sbin/ifup": File(b"\x7fELF", mode=0o755),
    "/lib/systemd/systemd": File(b"\x7fELF", mode=0o755),
    "/sbin/init": Link("/lib/systemd/systemd"),
    "/lib/systemd/system/networking.service": "[Service]\nExecStart=/sbin/ifup -a\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/multi-user.target.wants/networking.service": Link("/lib/systemd/system/networking.service"),
    "/usr/sbin/netfilter-persistent": File("#!/bin/sh\n", mode=0o755),
}


def gathered(files: dict[str, Node], traces: tuple[Trace, ...] = ()) -> Ticket:
    facts = Facts(virtual(files))
    scan, found = examined(facts, load())
    return gather(facts, scan, found, traces, now=NOW)


def paths(ticket: Ticket) -> list[str]:
    return [one.path for one in ticket.attachments]


def test_the_configuration_that_matters_goes_in() -> None:
    found = paths(gathered(HOST))
    for name in ("network/interfaces", "resolv.conf", "hosts", "fstab"):
        assert f"config/etc/{name}" in found


def test_no_file_that_is_nothing_but_secrets_goes_in() -> None:
    files = {**HOST, "/etc/hosts": Link("shadow"), "/etc/fstab": Link("/etc/ssl/private/x"), "/etc/ssl/private/x": "k"}
    ticket = gathered(files)
    assert not any("$6$" in one.text for one in ticket.attachments)
    assert "config/etc/hosts" not in paths(ticket)
    assert "config/etc/fstab" not in paths(ticket)


def test_evidence_can_not_ask_for_a_secret_file() -> None:
    facts = Facts(virtual(HOST))
    finding = replace(samples.findings()[0], evidence=(Evidence("/etc/shadow", ""), Evidence("/etc/hostname", "")))
    found = attachments.collect(facts, [finding])
    assert not any("shadow" in one.path for one in found.attachments)


def test_what_can_not_be_read_is_said() -> None:
    ticket = gathered({**HOST, "/etc/fstab": Denied()})
    assert any(item.what == "/etc/fstab for the ticket" for item in ticket.scan.unchecked)


def test_a_huge_file_is_cut_and_said_to_be() -> None:
    ticket = gathered({**HOST, "/etc/hosts": "127.0.0.1 localhost\n" * 100_000})
    text = next(one.text for one in ticket.attachments if one.path == "config/etc/hosts")
    assert len(text) < attachments.LIMIT + 100
    assert "[cut here: " in text


def test_all_files_together_stay_below_a_size() -> None:
    many: dict[str, Node] = {f"/etc/network/interfaces.d/n{number}": "# x\n" * 30_000 for number in range(60)}
    ticket = gathered({**HOST, "/etc/network/interfaces": f"{INTERFACES}source interfaces.d/*\n", **many})
    assert sum(len(one.text) for one in ticket.attachments) < ROOM + 70 * 1000


def test_a_log_of_many_lines_gives_bounded_lines_of_the_newest_boot() -> None:
    lines = ["Nov 23 18:20:01 web1 kernel: [    0.000000] Linux version 6.1.0-26-amd64"]
    lines += [f"Nov 23 18:20:{10 + n % 50} web1 dhclient[1]: No DHCPOFFERS received {n}\x1b[2J." for n in range(20_000)]
    ticket = gathered({**HOST, "/var/log/syslog": File("\n".join(lines) + "\n", mtime=NOW)})
    text = next(one.text for one in ticket.attachments if one.path == "logs/newest-boot.txt")
    assert "dhclient: No DHCPOFFERS received 19999" in text
    assert "\x1b" not in text
    assert len(text.split("\n")) < 100


def test_without_reports_it_says_how_to_make_them_with_the_address() -> None:
    ticket = gathered(HOST)
    assert "192.0.2.10" in how_to.text(ticket)
    assert not how_to.text(gathered(HOST, (sample_traces.losing(),)))


def test_since_when_is_always_answered() -> None:
    assert next(one for one in gathered(HOST).attachments if one.path == "since.txt").text


def test_what_a_report_means_for_the_host_is_in_the_ticket() -> None:
    ticket = gathered(HOST, (sample_traces.healthy(),))
    assert ticket.scan.mtr_means.startswith("The path is fine")
    assert ticket.scan.mtr == ()


def test_nothing_of_a_virtual_host_is_read_but_through_its_target() -> None:
    """An empty target gives a ticket without a file: nothing of the machine that we run on gets in."""
    ticket = gathered({})
    assert [one for one in ticket.attachments if one.path.startswith(("config/", "firewall/", "logs/"))] == []
    assert isinstance(ticket.attachments[0], Attachment)


def test_both_directions_are_said_together() -> None:
    ticket = gathered(HOST, (sample_traces.losing(), sample_traces.healthy()))
    assert ticket.directions is not None
    assert "Both ways: Only the report there loses packets." in body.render(ticket)
    assert gathered(HOST, (sample_traces.losing(),)).directions is None
    assert "agent ticket" not in body.render(ticket)


def test_a_ticket_stays_small_enough_for_a_mail() -> None:
    """Whatever the host holds: huge files, a flood in the log, reports of 250 hops."""
    noise = "".join(f"# {number} {hash(str(number))}\n" for number in range(100_000))
    line = "Nov 23 18:59:00 web1 ifup[311]: run-parts: /etc/network/if-up.d/sendmail exited with return code 1 {}\n"
    files: dict[str, Node] = {
        **HOST,
        "/etc/hosts": noise,
        "/etc/iptables/rules.v4": noise,
        "/etc/network/interfaces.d/more": noise,
        "/var/log/syslog": "".join(line.format(number) for number in range(100_000)),
    }
    long = sample_traces.losing()
    report = long.judgement.report
    hops = tuple(replace(report.hops[0], number=number) for number in range(1, 251))
    long = replace(long, judgement=replace(long.judgement, report=replace(report, hops=hops)))
    packed = archive.pack(gathered(files, (long,) * 8), addresses=False)
    assert sum(len(member.data) for member in packed.members) < 20_000_000
    assert len(packed.data) < 5_000_000
