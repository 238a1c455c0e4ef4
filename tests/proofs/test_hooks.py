"""Claims about the hooks of ifupdown: which of them really make ifup fail."""

from __future__ import annotations

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager
from agent.facts.packages import Packages
from agent.target.model import Mode
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove, said
from tests.virtual import Denied, File, Link, Node

SENDMAIL = "/etc/network/if-up.d/sendmail"
DYNAMIC = "/usr/share/sendmail/dynamic"
SH = {"/bin/sh": File("", mode=0o755), "/sbin/ifup": File("", mode=0o755)}


def host(files: dict[str, Node], **more: object) -> Facts:
    interfaces = config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN))
    base: dict[str, Node] = {**SH, "/etc/network/interfaces": "auto eth0\n", **files}
    return facts(base, enabled=[Manager.IFUPDOWN], configs=[interfaces], **more)  # type: ignore[arg-type]


def script(text: str | bytes, mode: int = 0o755) -> File:
    return File(text, mode=mode)


def test_the_sendmail_hook_that_reads_a_missing_file_is_proven() -> None:
    hook = script("#!/bin/sh\n# comment\n\nset -e\n. /usr/share/sendmail/dynamic\necho ok\n")
    proof = prove("sendmail_hook_sources_missing_file", host({SENDMAIL: hook}))
    assert isinstance(proof, Holds)
    assert proof.values["hook"] == SENDMAIL
    assert proof.evidence[0].line == 5
    assert proof.severity is None


def test_purging_the_remains_is_the_better_repair() -> None:
    hook = script("#!/bin/sh\n. /usr/share/sendmail/dynamic\n")
    packages = Packages("dpkg", {"sendmail-base": "deinstall ok config-files"})
    proof = prove("sendmail_hook_sources_missing_file", host({SENDMAIL: hook}, packages=packages))
    assert isinstance(proof, Holds)
    assert proof.commands == ("chroot /media/sda dpkg --purge sendmail-base",)


@pytest.mark.parametrize(
    "guard",
    [
        "test -r /usr/share/sendmail/dynamic || exit 0",
        "[ -f /usr/share/sendmail/dynamic ] || exit 0",
        "[ -r '/usr/share/sendmail/dynamic' ] || { exit 0; }",
        "if [ ! -r /usr/share/sendmail/dynamic ]; then exit 0; fi",
        "if [ ! -f /usr/share/sendmail/dynamic ]; then\n  exit 0\nfi",
        "if ! test -f /usr/share/sendmail/dynamic; then\n  exit 0\nfi",
        "[ ! -e /usr/share/sendmail/dynamic ] && exit 0",
        "[ -x /usr/sbin/sendmail ] || exit 0",
        "test -d /usr/share/sendmail || exit 0",
        "command -v sendmail >/dev/null 2>&1 || exit 0",
        "which sendmail > /dev/null || exit 0",
        "exit 0",
    ],
)
def test_a_hook_that_guards_the_source_is_left_alone(guard: str) -> None:
    hook = script(f"#!/bin/sh\n{guard}\n. /usr/share/sendmail/dynamic\n")
    assert isinstance(prove("sendmail_hook_sources_missing_file", host({SENDMAIL: hook})), Fails)


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nif [ -r /usr/share/sendmail/dynamic ]; then . /usr/share/sendmail/dynamic; fi\n",
        "#!/bin/sh\nif [ -r /usr/share/sendmail/dynamic ]; then\n  . /usr/share/sendmail/dynamic\nfi\n",
        "#!/bin/sh\ntest -f /usr/share/sendmail/dynamic && . /usr/share/sendmail/dynamic\n",
        "#!/bin/sh\n# . /usr/share/sendmail/dynamic\nexit 0\n",
        "#!/bin/bash\n. /usr/share/sendmail/dynamic\nexit 0\n",
    ],
)
def test_a_source_that_can_not_fail_is_left_alone(text: str) -> None:
    files: dict[str, Node] = {SENDMAIL: script(text), "/bin/bash": script("")}
    assert isinstance(prove("sendmail_hook_sources_missing_file", host(files)), Fails)


@pytest.mark.parametrize("guard", ['[ "$IFACE" != lo ] || exit 0', '[ "$MODE" = start ] || exit 0'])
def test_a_guard_on_the_interface_does_not_save_eth0(guard: str) -> None:
    hook = script(f"#!/bin/sh\n{guard}\n. /usr/share/sendmail/dynamic\n")
    assert isinstance(prove("sendmail_hook_sources_missing_file", host({SENDMAIL: hook})), Holds)


def test_the_real_hook_of_8_15_2_8_is_proven_and_its_successor_is_not() -> None:
    head = (
        '#!/bin/sh\nif [ ! -z "$IFACE" ]; then\n\taddr=$IF_ADDRESS;\n\tif [ -n "$IF_PROVIDER" ]; then\n'
        '\t\tprovider="$IF_PROVIDER";\n\telif [ -n "$IF_DNS_DOMAIN" ]; then\n\t\tprovider="$IF_DNS_DOMAIN";\n'
        "\t\tfi;\n\tiface=$IFACE;\nelse\n\taddr=$1;\n\tfi;\n"
    )
    tail = '. /usr/share/sendmail/dynamic;\n\nupdate_interface "$iface" "BOUND";\n'
    guard = "test -r /usr/share/sendmail/dynamic || exit 0\n"
    name = "sendmail_hook_sources_missing_file"
    assert isinstance(prove(name, host({SENDMAIL: script(head + tail)})), Holds)
    assert isinstance(prove(name, host({SENDMAIL: script(head + guard + tail)})), Fails)


def test_nothing_is_wrong_while_the_file_is_there() -> None:
    hook = script("#!/bin/sh\n. /usr/share/sendmail/dynamic\n")
    assert isinstance(prove("sendmail_hook_sources_missing_file", host({SENDMAIL: hook, DYNAMIC: "#\n"})), Fails)


def test_a_hook_without_executable_bit_or_with_a_dot_is_never_run() -> None:
    text = "#!/bin/sh\n. /usr/share/sendmail/dynamic\n"
    quiet: dict[str, Node] = {SENDMAIL: script(text, 0o644), f"{SENDMAIL}.disabled": script(text)}
    assert isinstance(prove("sendmail_hook_sources_missing_file", host(quiet)), Fails)


def test_hooks_do_not_count_where_another_manager_works() -> None:
    hook = script("#!/bin/sh\n. /usr/share/sendmail/dynamic\n")
    other = facts({SENDMAIL: hook, **SH}, enabled=[Manager.NETWORKD], installed=[Manager.IFUPDOWN])
    assert isinstance(prove("sendmail_hook_sources_missing_file", other), Fails)


def test_an_unreadable_hook_is_not_judged() -> None:
    assert not isinstance(prove("iptables_hook_fails", host({SENDMAIL: Denied()})), Holds)


def test_a_failing_hook_on_a_host_whose_network_is_up_is_a_warning() -> None:
    hook = script("#!/bin/sh\n. /usr/share/sendmail/dynamic\n")
    live = host({SENDMAIL: hook}, mode=Mode.LIVE, links=[link()], routes=[DEFAULT_ROUTE])
    proof = prove("sendmail_hook_sources_missing_file", live)
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"iptables-restore < /etc/iptables.rules\n", "no #! line"),
        (b"\n#!/bin/sh\nexit 0\n", "no #! line"),
        (b"#!/bin/sh\r\nexit 0\r\n", "CRLF"),
        (b"#!/bin/sh -e\r\nexit 0\r\n", "CRLF"),
        (b"\xef\xbb\xbf#!/bin/sh\nexit 0\n", "byte order mark"),
        (b"#!/bin/bahs\nexit 0\n", "/bin/bahs does not exist"),
        (b"#!/bin/sh\rexit 0\rexit 1", "does not exist"),
        (b"#!/usr/bin/env bahs\nexit 0\n", "/usr/bin/env"),
        (b"", "empty"),
        (b"#!/bin/sh\niptables-restore < /etc/iptables.firewall.rules\n", "/etc/iptables.firewall.rules"),
        (b"#!/bin/sh -e\niptables-restore < /etc/x.rules\nexit 0\n", "/etc/x.rules"),
        (b"#!/bin/sh\n/sbin/ip6tables-restore < /etc/fstab\n", "not installed"),
    ],
)
def test_an_iptables_hook_that_can_not_run_is_proven(text: bytes, word: str) -> None:
    files: dict[str, Node] = {
        "/etc/network/if-pre-up.d/iptables": script(text),
        "/etc/fstab": "",
        "/sbin/iptables-restore": script(""),
    }
    proof = prove("iptables_hook_fails", host(files))
    assert isinstance(proof, Holds)
    assert word in proof.why


@pytest.mark.parametrize(
    "text",
    [
        b"#!/bin/sh\niptables-restore < /etc/iptables.rules\nexit 0\n",
        b"#!/bin/sh\niptables-restore < /etc/iptables.rules || true\n",
        b"#!/bin/sh\n[ -f /etc/iptables.rules ] && iptables-restore < /etc/iptables.rules\nexit 0\n",
        b"#!/bin/sh\nif [ -f /etc/iptables.rules ]; then\n  iptables-restore < /etc/iptables.rules\nfi\n",
        b"#!/bin/sh\n/sbin/iptables-restore < /etc/fstab\n",
        b"#! /bin/sh\nexit 0\n",
        b"\x7fELF\x02\x01\x01\0\0",
    ],
)
def test_an_iptables_hook_that_does_not_fail_is_left_alone(text: bytes) -> None:
    files: dict[str, Node] = {
        "/etc/network/if-up.d/iptables": script(text),
        "/etc/fstab": "",
        "/sbin/iptables-restore": script(""),
    }
    assert isinstance(prove("iptables_hook_fails", host(files)), Fails)


def test_a_pre_up_line_that_loads_a_missing_ruleset_is_proven() -> None:
    text = "auto eth0\niface eth0 inet dhcp\n  pre-up iptables-restore < /etc/iptables.rules\n"
    files: dict[str, Node] = {"/etc/network/interfaces": text, "/sbin/iptables-restore": script("")}
    proof = prove("iptables_hook_fails", host(files))
    assert isinstance(proof, Holds)
    assert proof.values["hook"] == "/etc/network/interfaces:3"


def test_all_failing_hooks_and_lines_are_named() -> None:
    files: dict[str, Node] = {
        "/etc/network/interfaces": "iface eth0 inet dhcp\n  up iptables-restore < /gone\n",
        "/etc/network/if-up.d/ip6tables": script("none\n"),
        "/etc/network/if-pre-up.d/iptables": script("none\n"),
        "/etc/network/if-up.d/iptables-log": script("#!/bin/sh\nexit 0\n"),
    }
    proof = prove("iptables_hook_fails", host(files))
    assert isinstance(proof, Holds)
    assert proof.values["hook"] == "/etc/network/if-pre-up.d/iptables"
    assert proof.values["hooks"].split() == [
        "/etc/network/if-pre-up.d/iptables",
        "/etc/network/if-up.d/ip6tables",
        "/etc/network/interfaces:2",
    ]


def test_a_hook_that_the_journal_saw_fail_is_proven_while_it_is_unchanged() -> None:
    path = "/etc/network/if-up.d/v6_defgw"
    line = f"run-parts: {path} exited with return code 2"
    same = host({path: File("#!/bin/sh\nip route add x\n", mode=0o755, mtime=500.0)})
    hit = ("run-parts", said(line, hook="v6_defgw"))
    assert isinstance(prove("ifup_hook_fails", same, hit), Holds)
    changed = host({path: File("#!/bin/sh\nexit 0\n", mode=0o755, mtime=2000.0)})
    assert not isinstance(prove("ifup_hook_fails", changed, hit), Holds)


def test_an_injected_line_proves_nothing() -> None:
    path = "/etc/network/if-up.d/openssh-server"
    line = f"run-parts: {path} exited with return code 2"
    here = host({path: script("#!/bin/sh\nexit 0\n")})
    proof = prove("ifup_hook_fails", here, ("run-parts", said(line, trusted=False, hook="openssh-server")))
    assert isinstance(proof, CantTell)


def test_an_older_boot_proves_nothing() -> None:
    path = "/etc/network/if-up.d/ntpdate"
    line = f"run-parts: {path} exited with return code 2"
    here = host({path: script("#!/bin/sh\nexit 0\n")})
    proof = prove("ifup_hook_fails", here, ("run-parts", said(line, boot=-1, hook="ntpdate")))
    assert not isinstance(proof, Holds)


@pytest.mark.parametrize(("ifup", "expected"), [(b"--exit-on-error ", Holds), (b"old", Fails)])
def test_a_dangling_hook_counts_where_ifup_exits_on_errors(ifup: bytes, expected: type) -> None:
    files: dict[str, Node] = {
        "/etc/network/if-up.d/bridge": Link("/lib/gone.sh"),
        "/sbin/ifup": File(ifup, mode=0o755),
    }
    assert isinstance(prove("ifup_hook_fails", host(files)), expected)


def test_the_usual_hooks_of_a_healthy_host_are_left_alone() -> None:
    files: dict[str, Node] = {
        "/etc/network/if-up.d/mountnfs": script("#!/bin/sh\nPATH=/sbin:/bin\n. /lib/init/vars.sh\n"),
        "/etc/network/if-up.d/ethtool": script("#!/bin/sh\n[ -x /sbin/ethtool ] || exit 0\n. /gone\n"),
        "/etc/network/if-up.d/avahi": script("#!/bin/sh\nif [ $IFACE = lo ]; then\n  exit 0\nfi\n. /gone\n"),
        "/etc/network/if-up.d/resolved": Link("/lib/x"),
        "/lib/x": script("#!/bin/sh\nexit 0\n"),
        "/lib/init/vars.sh": "",
    }
    assert isinstance(prove("ifup_hook_fails", host(files)), Fails)
