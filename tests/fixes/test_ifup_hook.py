"""Claims about --ifup-hook NAME: the named hook that fails is moved aside, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.change.model import Move
from agent.fixes.ifup_hook import FIX
from agent.fixes.model import Request
from tests.fixes.hooked import (
    BASE,
    PRE_UP,
    UP,
    Real,
    after,
    findings,
    host,
    needs_root,
    package,
    plan,
    refusal,
    script,
)
from tests.proofs.managed import said
from tests.virtual import Link, Node

SHAPING = f"{UP}/shaping"
BROKEN = "#!/bin/sh\n. /gone\n"
SUFFIX = ".disabled-by-lish-agent"
FILES: dict[str, Node] = {
    SHAPING: script("tc qdisc\n"),
    f"{PRE_UP}/vpn": script(BROKEN),
    f"{UP}/vpn": script(BROKEN),
    f"{UP}/healthy": script("#!/bin/sh\nexit 0\n"),
}


def test_without_a_name_it_lists_the_hooks_that_fail() -> None:
    hint = refusal(FIX, host(FILES)).hint
    assert all(path in hint for path in (SHAPING, f"{PRE_UP}/vpn", f"{UP}/vpn"))
    assert "healthy" not in hint


@pytest.mark.parametrize("name", ["shaping", "if-up.d/shaping", SHAPING, f"/media/sda{SHAPING}"])
def test_a_hook_is_named_bare_by_its_folder_or_in_full(name: str) -> None:
    planned = plan(FIX, host(FILES), name=name)
    assert planned.operations == (Move(SHAPING, SHAPING + SUFFIX),)


def test_a_bare_name_means_every_failing_hook_of_that_name_and_a_path_one() -> None:
    assert {one.path for one in plan(FIX, host(FILES), name="vpn").operations if isinstance(one, Move)} == {
        f"{PRE_UP}/vpn",
        f"{UP}/vpn",
    }
    assert len(plan(FIX, host(FILES), name=f"{UP}/vpn").operations) == 1


@pytest.mark.parametrize("name", ["nothing", "up", "haping", "../../../etc/passwd", "/etc/passwd", "/", "*", "a\nb"])
def test_what_is_no_hook_is_refused_with_those_that_fail(name: str) -> None:
    said_no = refusal(FIX, host(FILES), name=name)
    assert SHAPING in said_no.hint
    assert not said_no.forceable
    assert not refusal(FIX, host(FILES), name=name, forced=True).forceable


def test_a_healthy_hook_is_moved_only_by_force() -> None:
    assert refusal(FIX, host(FILES), name="healthy").forceable
    path = f"{UP}/healthy"
    assert plan(FIX, host(FILES), name="healthy", forced=True).operations == (Move(path, path + SUFFIX),)


@pytest.mark.parametrize(("name", "flag"), [("sendmail", "--sendmail"), ("iptables", "--iptables")])
def test_hooks_with_a_fix_of_their_own_are_sent_there(name: str, flag: str) -> None:
    files = {**FILES, f"{UP}/{name}": script("no script\n")}
    assert flag in refusal(FIX, host(files), name=name).hint


def test_a_link_to_nothing_is_moved() -> None:
    path = f"{PRE_UP}/bridge"
    files: dict[str, Node] = {path: Link("/lib/bridge-utils/ifupdown.sh")}
    planned = plan(FIX, host(files), name="bridge")
    assert planned.operations == (Move(path, path + SUFFIX),)
    assert not planned.ask
    assert "/lib/bridge-utils/ifupdown.sh" in " ".join(planned.warnings)
    assert findings(FIX, host(after(files, planned))) == ()


def test_a_hook_that_makes_interfaces_is_not_taken_away_without_asking() -> None:
    assert "VLAN" in plan(FIX, host({f"{PRE_UP}/vlan": script(BROKEN)}), name="vlan").ask
    assert not plan(FIX, host(FILES), name="shaping").ask


def test_a_hook_that_the_journal_saw_fail_can_be_named() -> None:
    path = f"{UP}/route"
    files: dict[str, Node] = {**FILES, path: script("#!/bin/sh\nip route add x\n", mtime=500.0)}
    hit = ("run-parts", said(f"run-parts: {path} exited with return code 2", hook="route"))
    planned = plan(FIX, host(files), hit, name="route")
    assert planned.operations == (Move(path, path + SUFFIX),)
    assert path not in refusal(FIX, host(files), name="route").hint


def test_one_hook_of_two_is_verified_for_itself() -> None:
    assert FIX.verify is not None
    planned = plan(FIX, host(FILES), name="shaping")
    left = host(after(FILES, planned))
    assert findings(FIX, left)
    assert FIX.verify(Request(left, findings(FIX, left), name="shaping")) == ""
    assert SHAPING in FIX.verify(Request(host(FILES), findings(FIX, host(FILES)), name="shaping"))


def test_how_the_package_s_own_hook_comes_back_is_said() -> None:
    of = host(FILES, status=package("shaper", "install ok installed", SHAPING))
    assert "--force-confmiss install --reinstall shaper" in " ".join(plan(FIX, of, name="shaping").next)
    removed = host(FILES, status=package("shaper", "deinstall ok config-files", SHAPING))
    assert "reinstall" not in " ".join(plan(FIX, removed, name="shaping").next)


@needs_root
@pytest.mark.parametrize(
    "hook", [script("tc qdisc\n"), script(BROKEN), Link("/lib/gone.sh")], ids=["no #!", "missing file", "dangling"]
)
def test_the_real_run_parts_fails_before_and_not_after(hook: Node, tmp_path: Path) -> None:
    files = {**BASE, f"{UP}/healthy": script("#!/bin/sh\necho it runs\n"), SHAPING: hook}
    real = Real(tmp_path)
    real.lay(files)
    assert real.run_parts(UP).returncode != 0
    real.apply(plan(FIX, host(files), name="shaping"))
    ran = real.run_parts(UP)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "it runs\n", "")
