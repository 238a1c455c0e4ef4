"""Claims about --iptables: a hook is repaired where that brings the firewall back, else it is moved aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.change.model import Move, WriteFile
from agent.facts.helper import NetworkHelper
from agent.fixes.iptables import FIX
from tests.fixes.hooked import (
    BASE,
    INTERFACES,
    PRE_UP,
    UP,
    Real,
    after,
    findings,
    host,
    needs_root,
    plan,
    refusal,
    script,
)
from tests.proofs.managed import said
from tests.virtual import File, Link, Node

HOOK = f"{PRE_UP}/iptables"
ASIDE = f"{HOOK}.disabled-by-lish-agent"
RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
GOOD = "#!/bin/sh\niptables-restore < /etc/iptables.rules\n"
BASH = {"/bin/bash": File("\x7fELF", mode=0o755)}


def host_with(text: str | bytes, rules: str | bytes = RULES, **more: Node) -> dict[str, Node]:
    return {HOOK: script(text), "/etc/iptables.rules": rules, **more}


def repaired(files: dict[str, Node]) -> bytes:
    planned = plan(FIX, host(files))
    (operation,) = planned.operations
    assert isinstance(operation, WriteFile), operation
    assert (operation.path, operation.mode, operation.uid, operation.gid) == (HOOK, None, None, None)
    assert findings(FIX, host(after(files, planned))) == ()
    assert "FIREWALL IS DOWN" not in " ".join(planned.warnings)
    assert "check that they let ssh in" in " ".join(planned.warnings)
    assert "/etc/iptables.rules" in " ".join(planned.warnings)
    return operation.content


def moved(files: dict[str, Node], why: str = "") -> None:
    planned = plan(FIX, host(files))
    assert planned.operations == (Move(HOOK, ASIDE),)
    assert why in planned.summary
    assert "FIREWALL IS DOWN" in planned.warnings[0]
    assert findings(FIX, host(after(files, planned))) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iptables-restore < /etc/iptables.rules\n", GOOD),
        ("\n# mine\niptables-restore < /etc/iptables.rules\n", "#!/bin/sh\n\n# mine\n" + GOOD[10:]),
        ("#!\niptables-restore < /etc/iptables.rules\n", "#!/bin/sh\n#!\n" + GOOD[10:]),
        ("#!/bin/sh\r\niptables-restore < /etc/iptables.rules\r\n", GOOD),
        ("#!/bin/sh\r\niptables-restore < /etc/iptables.rules\nexit 0\r", GOOD + "exit 0"),
        ("iptables-restore < /etc/iptables.rules\r\n", GOOD),
        ("\ufeff" + GOOD, GOOD),
        ("\ufeff" + GOOD.replace("\n", "\r\n"), GOOD),
        ("#!/usr/local/bin/sh -e\n" + GOOD[10:], "#!/bin/sh -e\n" + GOOD[10:]),
        ("#! /usr/local/bin/sh\n" + GOOD[10:], "#! /bin/sh\n" + GOOD[10:]),
    ],
)
def test_a_hook_that_only_can_not_be_executed_is_repaired(text: str, expected: str) -> None:
    assert repaired(host_with(text)) == expected.encode()


def test_bytes_that_are_no_text_survive_the_repair() -> None:
    text = b"# \xe9\xff \tlayout  \niptables-restore </etc/iptables.rules # \xfe"
    assert repaired(host_with(text)) == b"#!/bin/sh\n" + text


def test_a_script_that_needs_bash_gets_bash_or_is_moved_aside() -> None:
    text = "if [[ -f /etc/iptables.rules ]]; then\n  iptables-restore < /etc/iptables.rules\nfi\n"
    assert repaired({**host_with(text), **BASH}).startswith(b"#!/bin/bash\nif [[")
    moved(host_with(text), "no #! line")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (host_with("#!/bin/sh\niptables-restore < /etc/gone.rules\n"), "/etc/gone.rules, which does not exist"),
        (host_with("iptables-restore < /etc/gone.rules\n"), "/etc/gone.rules, which does not exist"),
        (host_with(GOOD.replace("\n", "\r\n"), RULES.replace("COMMIT\n", "")), "its last COMMIT is missing"),
        (host_with(GOOD[10:], RULES.replace("\n", "\r\n")), "line 2 ends in CRLF"),
        (host_with(GOOD[10:], "iptables -A INPUT -j DROP\n"), "line 1 stands outside of a table"),
        (host_with(GOOD[10:], "*filter\niptables -A INPUT -j DROP\nCOMMIT\n"), "line 2 is no rule"),
        (host_with(RULES), "it holds rules, and is no script"),
        (host_with("import os\nos.system('x')\n"), "no #! line"),
        (host_with("#!/bin/bahs\niptables -F\n"), "/bin/bahs does not exist"),
        (host_with(""), "it is empty"),
        (host_with("#!/bin/sh\riptables -F\r"), "/bin/sh^Miptables does not exist"),
        ({HOOK: Link("/opt/fw"), "/opt/fw": script("iptables -F\n")}, "no #! line"),
    ],
)
def test_a_hook_with_more_wrong_is_moved_aside_and_the_firewall_is_said_to_be_down(
    files: dict[str, Node], why: str
) -> None:
    moved(files, why)


def test_a_hook_that_the_journal_saw_fail_is_moved_aside() -> None:
    files: dict[str, Node] = {HOOK: script(GOOD, mtime=500.0), "/etc/iptables.rules": RULES}
    hit = ("run-parts", said(f"run-parts: {HOOK} exited with return code 2", hook="iptables"))
    planned = plan(FIX, host(files), hit)
    assert planned.operations == (Move(HOOK, ASIDE),)
    assert not planned.ask
    assert findings(FIX, host(after(files, planned)), hit) == ()


def test_carriage_returns_behind_a_good_first_line_are_what_the_journal_saw() -> None:
    text = GOOD[:10] + GOOD[10:].replace("\n", "\r\n")
    files: dict[str, Node] = {HOOK: script(text, mtime=500.0), "/etc/iptables.rules": RULES}
    hit = ("run-parts", said(f"run-parts: {HOOK} exited with return code 2", hook="iptables"))
    planned = plan(FIX, host(files), hit)
    assert planned.operations == (WriteFile(HOOK, GOOD.encode()),)
    assert findings(FIX, host(after(files, planned)), hit) == ()


def test_all_failing_hooks_are_cured_at_once_and_healthy_ones_stay() -> None:
    files: dict[str, Node] = {
        f"{PRE_UP}/ip6tables": script("#!/bin/sh\nip6tables-restore < /etc/gone\n"),
        HOOK: script(GOOD[10:]),
        f"{UP}/iptables-log": script("#!/bin/sh\nexit 0\n"),
        f"{UP}/openssh-server": script("no script\n"),
        "/etc/iptables.rules": RULES,
    }
    planned = plan(FIX, host(files))
    assert [type(one) for one in planned.operations] == [Move, WriteFile]
    assert findings(FIX, host(after(files, planned))) == ()
    assert f"{HOOK} and {UP}/iptables-log still load a part" in planned.warnings[0]


def test_what_is_loaded_before_the_failing_line_is_lost_too_so_it_asks() -> None:
    text = "#!/bin/sh\niptables-restore < /etc/iptables.rules\nip6tables-restore < /etc/gone\n"
    assert "a part of the firewall" in plan(FIX, host(host_with(text))).ask
    assert not plan(FIX, host(host_with("#!/bin/sh\niptables-restore < /etc/gone\n"))).ask
    assert not plan(FIX, host(host_with("iptables -F\niptables-restore < /etc/gone\n"))).ask


# -- lines of /etc/network/interfaces

LINE = "  pre-up iptables-restore < /etc/gone.rules"
CONFIG = f"# mine\nauto eth0\niface eth0 inet static\n\taddress 192.0.2.10/24\n{LINE} \t\n  gateway 192.0.2.1\n"


def test_a_dead_line_is_commented_out_and_the_layout_stays() -> None:
    files: dict[str, Node] = {INTERFACES: CONFIG}
    planned = plan(FIX, host(files))
    assert planned.operations == (WriteFile(INTERFACES, CONFIG.replace("pre-up", "#pre-up").encode()),)
    assert "FIREWALL IS DOWN" in planned.warnings[0]
    assert findings(FIX, host(after(files, planned))) == ()


def test_every_dead_line_and_hook_goes_in_one_plan() -> None:
    text = CONFIG + "  up ip6tables-restore </etc/gone6\n\tpost-up iptables-restore < /etc/iptables.rules\n"
    files: dict[str, Node] = {INTERFACES: text, **host_with(GOOD[10:])}
    planned = plan(FIX, host(files))
    hook, lines = planned.operations
    assert isinstance(hook, WriteFile) and isinstance(lines, WriteFile)
    assert lines.content.decode() == text.replace("pre-up", "#pre-up").replace("  up", "  #up")
    assert findings(FIX, host(after(files, planned))) == ()


@pytest.mark.parametrize(
    "text",
    [
        CONFIG.replace(f"{LINE} \t\n", f"{LINE} \\\n    || exit 3\n"),
        CONFIG.replace(LINE, f"  up echo a; \\\n{LINE}"),
    ],
)
def test_a_line_that_is_a_part_of_one_is_left_alone(text: str) -> None:
    of = host({INTERFACES: text})
    if findings(FIX, of):
        assert "by hand" in refusal(FIX, of).hint


def test_a_line_below_a_comment_that_ends_in_a_backslash_is_a_line_of_its_own() -> None:
    text = CONFIG.replace(LINE, f"  # a comment \\\n{LINE}")
    (operation,) = plan(FIX, host({INTERFACES: text})).operations
    assert isinstance(operation, WriteFile)
    assert operation.content.decode() == text.replace("pre-up", "#pre-up")


def test_a_configuration_that_is_a_link_is_written_where_it_lies() -> None:
    files: dict[str, Node] = {INTERFACES: Link("/srv/interfaces"), "/srv/interfaces": CONFIG}
    (operation,) = plan(FIX, host(files)).operations
    assert operation == WriteFile("/srv/interfaces", CONFIG.replace("pre-up", "#pre-up").encode())


def test_a_file_that_network_helper_writes_is_not_edited() -> None:
    of = host({INTERFACES: CONFIG}, helper=NetworkHelper("on", (INTERFACES,)))
    said_no = refusal(FIX, of)
    assert "Auto-configure networking" in said_no.hint
    assert said_no.forceable
    assert "anew at the next boot" in " ".join(plan(FIX, of, forced=True).warnings)
    past = host({INTERFACES: CONFIG}, helper=NetworkHelper("was on", (INTERFACES,)))
    assert plan(FIX, past).operations


def test_a_last_line_without_its_end_is_a_fault_to_all_but_nft() -> None:
    files = host_with(GOOD[10:], RULES[:-1])
    moved(files, "its last line has no end")
    nft: dict[str, Node] = {
        "/sbin/iptables-restore": Link("/etc/alternatives/iptables-restore"),
        "/etc/alternatives/iptables-restore": Link("/sbin/xtables-nft-multi"),
        "/sbin/xtables-nft-multi": script(""),
    }
    assert repaired({**files, **nft}) == GOOD.encode()


def test_with_force_and_nothing_to_repair_it_refuses() -> None:
    assert "no iptables hook" in refusal(FIX, host(host_with(GOOD)), forced=True).why


# -- the real programs


@needs_root
@pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="iptables is not installed here")
@pytest.mark.parametrize(
    "text",
    [
        GOOD[10:],
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        "#!/usr/local/bin/bash\n" + GOOD[10:],
        "#!/bin/sh\niptables-restore < /etc/gone.rules\n",
        RULES,
        GOOD[10:].replace("iptables.rules", "bad.rules"),
    ],
)
def test_the_real_run_parts_fails_before_and_not_after(text: str, tmp_path: Path) -> None:
    files = {**BASE, **host_with(text), **BASH, "/etc/bad.rules": RULES.replace("COMMIT\n", "")}
    real = Real(tmp_path)
    real.lay(files)
    assert real.run_parts(PRE_UP).returncode != 0
    planned = plan(FIX, host(files))
    real.apply(planned)
    ran = real.run_parts(PRE_UP)
    assert (ran.returncode, ran.stderr) == (0, "")
    if isinstance(planned.operations[0], WriteFile):
        shown = real.run("sh", "-c", f"run-parts --exit-on-error {PRE_UP} && iptables-save")
        assert "--dport 22" in shown.stdout


@needs_root
@pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="iptables is not installed here")
@pytest.mark.parametrize(
    ("rules", "works"),
    [
        (RULES, True),
        (f"# x\r\n\n{RULES}", True),
        (RULES.replace("-A", "[0:0] -A"), True),
        (RULES.replace("-A", " -A"), True),
        (RULES.replace("COMMIT\n", ""), False),
        (RULES.replace("COMMIT\n", "COMMIT"), False),  # legacy rejects it, nft takes it
        (RULES.replace("\n", "\r\n"), False),
        (RULES.replace("-A", "iptables -A"), False),
        (f" {RULES}", False),
        ("-A INPUT -j DROP\n", False),
        (RULES.replace("COMMIT", " COMMIT"), False),
        (RULES.replace("-A", " # -A"), False),
        ("<html>\n", False),
    ],
)
def test_rules_are_called_malformed_only_where_iptables_restore_rejects_them(
    rules: str, works: bool, tmp_path: Path
) -> None:
    files = {**BASE, **host_with(GOOD[10:], rules)}
    real = Real(tmp_path)
    real.lay(files)
    accepted = real.run("sh", "-c", "iptables-restore < /etc/iptables.rules").returncode == 0
    repaired_it = isinstance(plan(FIX, host(files)).operations[0], WriteFile)
    assert repaired_it == works
    assert accepted or not repaired_it
