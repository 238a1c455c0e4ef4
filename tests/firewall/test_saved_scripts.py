"""Scripts that load rules: what is followed, what is not run, and what is said not to be followed."""

from __future__ import annotations

import random

import pytest

from agent.firewall.saved.boot import at_boot
from agent.firewall.saved.commands import Command, Kind, commands
from agent.target import Target
from tests.firewall.boot_cases import V4, V6
from tests.firewall.test_saved_layouts import PROGRAM, loaded, policies, systemd
from tests.virtual import File, Link, Node

SHELL: dict[str, Node] = {"/bin/sh": PROGRAM, "/usr/bin/env": PROGRAM, "/usr/sbin/iptables": PROGRAM}


def rc_local(text: str, /, **files: Node) -> Target:
    return systemd({}, (), **{**SHELL, "/etc/rc.local": File(text, mode=0o755), "/etc/rules": V4, **files})


def kinds(text: str) -> list[tuple[Kind, str]]:
    return [(one.kind, one.file or " ".join(one.words) or one.content.strip()) for one in commands(text)]


@pytest.mark.parametrize(
    ("line", "kind", "what"),
    [
        ("iptables-restore < /etc/rules", Kind.RESTORE, "/etc/rules"),
        ("/sbin/iptables-restore -w 5 -n /etc/rules 2>/dev/null", Kind.RESTORE, "/etc/rules"),
        ("cat /etc/rules | ip6tables-restore", Kind.RESTORE, "/etc/rules"),
        ("sudo iptables-legacy-restore </etc/rules || true", Kind.RESTORE, "/etc/rules"),
        ("sh -c 'iptables-restore < /etc/rules'", Kind.RESTORE, "/etc/rules"),
        ("if ! iptables-restore < /etc/rules; then echo no; fi", Kind.RESTORE, "/etc/rules"),
        ("modprobe ip_tables && iptables -P INPUT DROP", Kind.RULE, "-P INPUT DROP"),
        ("( iptables -F; )", Kind.RULE, "-F"),
        ("{ iptables -F; }", Kind.RULE, "-F"),
        ("iptables \\\n  -A INPUT \\\n  -j DROP", Kind.RULE, "-A INPUT -j DROP"),
        ("nft -f /etc/rules", Kind.NFT, "/etc/rules"),
        ("nft add rule inet t c drop", Kind.NFT, "add rule inet t c drop"),
        ("ipset restore -! -f /etc/rules", Kind.IPSET, "/etc/rules"),
        ("ipset -exist add bad 192.0.2.1", Kind.IPSET, "add bad 192.0.2.1"),
        ("/opt/firewall.sh start", Kind.SCRIPT, "/opt/firewall.sh"),
        (". /etc/firewall.rc", Kind.SCRIPT, "/etc/firewall.rc"),
        ("bash -x /opt/firewall.sh $1", Kind.SCRIPT, "/opt/firewall.sh"),
    ],
)
def test_a_plain_command_is_followed(line: str, kind: Kind, what: str) -> None:
    assert [found for found in kinds(line) if found[0] is not Kind.SCRIPT or kind is Kind.SCRIPT] == [(kind, what)]


@pytest.mark.parametrize(
    "line",
    [
        "for port in 22 80; do iptables -A INPUT -p tcp --dport $port -j ACCEPT; done",
        "while read ip; do ipset add bad $ip; done < /etc/bad",
        "case $1 in start) iptables -F ;; esac",
        "start() { iptables -F; }; start",
        "function start { iptables -F; }",
        'if [ "$IFACE" = eth0 ]; then iptables-restore < /etc/rules; fi',
        "iptables-restore < $RULES",
        "$IPTABLES -A INPUT -j DROP",
        "iptables -A INPUT -s `cat /etc/friend` -j ACCEPT",
        "grep -v '^#' /etc/rules | iptables-restore",
        "cat /etc/bad | xargs -n1 ipset add bad",
        'eval "iptables -F"',
        "ufw enable",
        "systemctl restart iptables",
        "iptables-restore <<END\n$RULES\nEND",
        "true || false && something && iptables -F",
        "iptables-restore rules",
        "iptables -A INPUT -j DROP 'no end",
    ],
)
def test_what_needs_a_shell_is_said_not_to_be_followed(line: str) -> None:
    found = commands(line)
    assert found
    assert {one.kind for one in found} == {Kind.OTHER}
    reading = at_boot(rc_local(f"#!/bin/sh\n{line}\n"))
    assert any("/etc/rc.local" in said for said in reading.unchecked)


@pytest.mark.parametrize(
    "line",
    [
        "iptables -L -n",
        "iptables -t nat -S",
        "iptables-save > /etc/rules",
        "nft list ruleset > /etc/rules",
        "nft -c -f /etc/rules",
        "iptables-restore --test < /etc/rules",
        "ipset list",
        "ufw status",
        "echo iptables -F",
        "# iptables -F",
        "command -v iptables",
        "logger 'the iptables rules are loaded'",
        "cp /etc/rules /root/iptables",
    ],
)
def test_what_changes_no_rules_is_not_mentioned(line: str) -> None:
    assert commands(line) == ()
    assert at_boot(rc_local(f"#!/bin/sh\n{line}\n")).unchecked == ()


def test_conditions_on_files_are_answered_by_the_disk() -> None:
    text = "#!/bin/sh\n[ -f /etc/rules ] && iptables-restore < /etc/rules\n"
    assert len(policies(at_boot(rc_local(text)))) == 2
    assert policies(at_boot(rc_local(text.replace("-f", "-x")))) == {}
    assert policies(at_boot(rc_local(text.replace("[ -f", "[ ! -f")))) == {}
    assert policies(at_boot(rc_local(text.replace("&&", "||")))) == {}
    assert policies(at_boot(rc_local(text.replace("[ -f /etc/rules ]", "! test -e /etc/rules")))) == {}
    assert policies(at_boot(rc_local(text.replace("[ -f /etc/rules ]", "! test -e /etc/gone")))) != {}


def test_a_condition_on_the_running_kernel_is_not_known() -> None:
    reading = at_boot(rc_local("#!/bin/sh\n[ -e /proc/sys/net/ipv6 ] && ip6tables -P INPUT DROP\n"))
    assert "not followed" in reading.unchecked[0]


def test_both_branches_of_a_condition() -> None:
    text = "#!/bin/sh\nif [ -f /etc/rules ]; then\n iptables -P INPUT DROP\nelse\n iptables -P OUTPUT DROP\nfi\n"
    assert policies(at_boot(rc_local(text))) == {("ip", "legacy", "INPUT"): "drop"}
    assert policies(at_boot(rc_local(text.replace("/etc/rules", "/gone")))) == {("ip", "legacy", "OUTPUT"): "drop"}


def test_nothing_is_run_behind_an_exit() -> None:
    assert policies(at_boot(rc_local("#!/bin/sh\nexit 0\niptables -P INPUT DROP\n"))) == {}
    guarded = "#!/bin/sh\n[ -x /usr/sbin/iptables ] || exit 0\niptables -P INPUT DROP\n"
    assert len(policies(at_boot(rc_local(guarded)))) == 1
    assert policies(at_boot(rc_local(guarded.replace("sbin/iptables ]", "sbin/gone ]")))) == {}
    maybe = '#!/bin/sh\n[ "$1" = up ] || exit 0\niptables -P INPUT DROP\n'
    assert at_boot(rc_local(maybe)).unchecked


def test_a_script_runs_another() -> None:
    files: dict[str, Node] = {"/opt/wall": File("#!/bin/bash\niptables-restore < /etc/rules\n", mode=0o755)}
    reading = at_boot(rc_local("#!/bin/sh\n/opt/wall start\nexit 0\n", **files))
    assert loaded(reading) == {"/opt/wall": "/etc/rc.local", "/etc/rules": "/etc/rc.local"}
    maybe = at_boot(rc_local('#!/bin/sh\n[ "$X" ] && /opt/wall start\n', **files))
    assert "/opt/wall" in maybe.unchecked[0]


def test_scripts_that_run_each_other_end() -> None:
    files: dict[str, Node] = {"/opt/wall": "#!/bin/sh\n. /opt/wall\niptables -P INPUT DROP\n"}
    assert "scripts within scripts" in at_boot(rc_local("#!/bin/sh\n. /opt/wall\n", **files)).unchecked[0]


@pytest.mark.parametrize("program", ["#!/usr/bin/python3", "#!/usr/bin/env perl", "#!/usr/sbin/nft -f"])
def test_a_script_in_another_language_is_not_followed(program: str) -> None:
    reading = at_boot(rc_local(f"{program}\nsystem('iptables -F')\n", **{program[2:].split()[0]: PROGRAM}))
    assert "no shell script" in reading.unchecked[0]


@pytest.mark.parametrize("text", ["iptables -F\n", "#!/bin/sh\r\niptables -F\r\n", "#!/bin/gone\niptables -F\n"])
def test_a_script_that_the_kernel_can_not_start_loads_nothing(text: str) -> None:
    reading = at_boot(rc_local(text))
    assert (reading.sources, reading.unchecked, reading.ruleset.tables) == ((), (), ())


def test_a_script_that_is_not_executable_loads_nothing() -> None:
    target = rc_local("", **{"/etc/rc.local": "#!/bin/sh\niptables-restore < /etc/rules\n"})
    assert loaded(at_boot(target)) == {"/etc/rules": ""}


def test_networkmanagers_dispatcher_runs_what_only_root_can_write() -> None:
    files: dict[str, Node] = {
        "/usr/lib/systemd/system/NetworkManager.service": "[Install]\nWantedBy=multi-user.target\n",
        "/etc/systemd/system/multi-user.target.wants/NetworkManager.service": Link(
            "/usr/lib/systemd/system/NetworkManager.service"
        ),
    }
    path = "/etc/NetworkManager/dispatcher.d/10-rules"
    text = "#!/bin/sh\niptables-restore < /etc/rules\n"
    assert loaded(at_boot(rc_local("", **files, **{path: File(text, mode=0o755)}))).get("/etc/rules") == path
    assert loaded(at_boot(rc_local("", **files, **{path: File(text, mode=0o777)}))).get("/etc/rules") == ""
    assert loaded(at_boot(rc_local("", **{path: File(text, mode=0o755)}))).get("/etc/rules") == ""


def test_rules_of_commands_have_the_lines_of_their_script() -> None:
    reading = at_boot(rc_local("#!/bin/sh\n\niptables -A INPUT -m comment --comment 'a \"b\"' -j DROP\n"))
    (rule,) = (rule for table in reading.ruleset.tables for chain in table.chains for rule in chain.rules)
    assert (rule.line, rule.text) == (3, '-A INPUT -m comment --comment "a \\"b\\"" -j DROP')


def test_a_command_that_fails_changes_nothing() -> None:
    text = "#!/bin/sh\niptables -D INPUT -j old\niptables -X old\niptables -F old\niptables -N new\niptables -N new\n"
    reading = at_boot(rc_local(text))
    assert reading.unchecked == ()
    assert [chain.name for chain in reading.ruleset.tables[0].chains if not chain.base] == ["new"]
    reading = at_boot(rc_local("#!/bin/sh\niptables -A gone -j DROP\n"))
    assert [(problem.line, "no such chain" in problem.why) for problem in reading.ruleset.problems] == [(2, True)]
    assert reading.unchecked


def test_rules_are_deleted_by_number_and_by_what_they_mean() -> None:
    begin = "#!/bin/sh\niptables-restore < /etc/rules\n"
    by_number = at_boot(rc_local(f"{begin}iptables -D INPUT 4\n"))
    by_words = at_boot(rc_local(f"{begin}iptables -D INPUT --jump LOGDROP\n"))
    assert by_number.ruleset.tables == by_words.ruleset.tables
    replaced = at_boot(rc_local(f"{begin}iptables -R INPUT 4 -j DROP\n"))
    (chain,) = (c for t in replaced.ruleset.tables if t.name == "filter" for c in t.chains if c.name == "INPUT")
    assert chain.rules[-1].text == "-A INPUT -j DROP"


PIECES = (
    *(
        "if ",
        "then ",
        "else ",
        "fi",
        "for x in 1; do ",
        "done",
        "case $1 in ",
        "a) ",
        ";; ",
        "esac",
        "{ ",
        "} ",
        "( ",
        ") ",
    ),
    *("iptables -A INPUT -j DROP", "iptables-restore < /etc/rules", "nft -f /etc/rules", "exit", "[ -f /etc/rules ]"),
    *(
        "\n",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "!",
        "'",
        '"',
        "`",
        "$(",
        "${",
        "<<E\n",
        "E\n",
        "\\",
        "\\\n",
        "#",
        "f() ",
        "\x1b[2J",
    ),
    *(
        "-I INPUT 99999999999999 -j X",
        "*filter",
        ":INPUT DROP",
        "COMMIT",
        "ipset create a hash:ip",
        "iptables -D INPUT 0",
    ),
)


def test_no_text_makes_the_reader_fail() -> None:
    chance = random.Random(7)
    for _ in range(1500):
        text = "".join(chance.choices(PIECES, k=chance.randrange(1, 25)))
        found: tuple[Command, ...] = commands(text)
        reading = at_boot(rc_local(f"#!/bin/sh\n{text}", **{"/etc/rules": text, "/etc/sysconfig/iptables": text}))
        said = " ".join((*reading.unchecked, *(source.name for source in reading.sources)))
        assert said.isprintable()
        assert all(one.line >= 0 for one in found)


def test_both_families_are_told_apart() -> None:
    text = "#!/bin/sh\niptables-restore /etc/rules\nip6tables-restore /etc/six\n"
    assert {key[0] for key in policies(at_boot(rc_local(text, **{"/etc/six": V6})))} == {"ip", "ip6"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("char", ["\f", "\v", "\r", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\x00"])
def test_white_space_that_is_none_to_a_shell_ends_nothing(char: str) -> None:
    found = commands(f"{char}\niptables -P INPUT DROP\niptables{char}-F\n")
    assert [one.words for one in found][:1] == [("-P", "INPUT", "DROP")]
