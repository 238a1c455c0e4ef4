"""Claims about --sendmail: the hooks that read a missing file, and nothing else, stop doing harm."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.change import engine
from agent.change.model import ChangeState, Move, Plan, Run, WriteFile
from agent.change.store import Store
from agent.facts.facts import Facts
from agent.fixes.model import Request
from agent.fixes.sendmail import FIX
from agent.target.detect import open_target
from agent.target.model import Mode
from tests.fixes.hooked import (
    BASE,
    PRE_UP,
    UP,
    Real,
    after,
    content,
    findings,
    host,
    needs_root,
    package,
    plan,
    refusal,
    script,
)
from tests.manifest import differences, manifest
from tests.virtual import File, Link, Node

DYNAMIC = "/usr/share/sendmail/dynamic"
HOOK = f"{UP}/sendmail"
TEXT = (
    '#!/bin/sh\n# a comment\niface="$IFACE"\n\n# Bring in\n. /usr/share/sendmail/dynamic;\n\n'
    'update "$iface";\nexit 0;\n'
)
DHCP = "/etc/dhcp/dhclient-exit-hooks.d/sendmail"
DHCP_TEXT = 'case "$reason" in\n\tBOUND)\n\t\t;;\n\t*)\n\t\treturn;\n\t\t;;\n\tesac;\n'
SIBLINGS = (
    HOOK,
    "/etc/network/if-down.d/sendmail",
    "/etc/network/if-post-down.d/sendmail",
    "/etc/ppp/ip-up.d/sendmail",
    "/etc/ppp/ip-down.d/sendmail",
    "/etc/resolvconf/update-libc.d/sendmail",
)
ASIDE = ".disabled-by-lish-agent"
REMOVED = "deinstall ok config-files"
LAB = Path(__file__).resolve().parents[2] / ".lab"


def all_hooks() -> dict[str, Node]:
    files: dict[str, Node] = {path: script(TEXT) for path in SIBLINGS}
    files[DHCP] = script(f"#!/bin/sh\n{DHCP_TEXT}. /usr/share/sendmail/dynamic;\nreturn;\n", 0o644)
    return files


def test_every_hook_that_reads_the_missing_file_is_moved_aside_in_its_folder() -> None:
    files = all_hooks()
    planned = plan(FIX, host(files))
    assert set(planned.operations) == {Move(path, path + ASIDE) for path in files}
    assert findings(FIX, host(after(files, planned))) == ()


def test_hooks_that_do_no_harm_stay() -> None:
    guarded = TEXT.replace(". /usr", "test -r /usr/share/sendmail/dynamic || exit 0\n. /usr")
    files: dict[str, Node] = {
        HOOK: script(TEXT),
        "/etc/network/if-down.d/sendmail": script(guarded),
        "/etc/network/if-post-down.d/sendmail": script(TEXT, 0o644),
        f"{UP}/sendmail.dpkg-old": script(TEXT),
        f"{UP}/postfix": script("#!/bin/sh\n. /gone\n"),
        "/etc/ppp/ip-up.d/other": script("#!/bin/sh\nexit 1\n"),
    }
    assert plan(FIX, host(files)).operations == (Move(HOOK, HOOK + ASIDE),)


def test_a_hook_of_another_name_that_reads_the_file_goes_too() -> None:
    files: dict[str, Node] = {HOOK: script(TEXT), f"{PRE_UP}/local-mail": script(TEXT)}
    assert [one.path for one in plan(FIX, host(files)).operations if isinstance(one, Move)] == [
        f"{PRE_UP}/local-mail",
        HOOK,
    ]


def test_a_taken_name_gets_a_number() -> None:
    files: dict[str, Node] = {HOOK: script(TEXT), HOOK + ASIDE: "", f"{HOOK}{ASIDE}.2": Link("/nowhere")}
    assert plan(FIX, host(files)).operations == (Move(HOOK, f"{HOOK}{ASIDE}.3"),)


def test_a_long_name_stays_a_possible_one() -> None:
    name = "s" * 255
    files: dict[str, Node] = {HOOK: script(TEXT), f"{UP}/{name}": script(TEXT)}
    for operation in plan(FIX, host(files)).operations:
        assert isinstance(operation, Move)
        assert len(operation.to.rpartition("/")[2]) <= 255


@pytest.mark.parametrize(
    "files",
    [
        {"/bin/run-parts": Link("/bin/busybox"), "/bin/busybox": File("", mode=0o755)},
        {"/sbin/ifup": Link("/usr/share/ifupdown2/ifupdown2"), "/usr/share/ifupdown2/ifupdown2": File("", mode=0o755)},
    ],
    ids=["busybox", "ifupdown2"],
)
def test_where_a_name_with_a_dot_is_run_all_the_same_the_hook_leaves_its_folder(files: dict[str, Node]) -> None:
    planned = plan(FIX, host({HOOK: script(TEXT), **files}))
    assert planned.operations == (Move(HOOK, f"/etc/network/if-up.d.sendmail{ASIDE}"),)


def test_openresolv_runs_any_name_in_its_folder() -> None:
    path = "/etc/resolvconf/update-libc.d/sendmail"
    of = host({HOOK: script(TEXT), path: script(TEXT)}, status=package("openresolv", "install ok installed"))
    assert Move(path, f"/etc/resolvconf/update-libc.d.sendmail{ASIDE}") in plan(FIX, of).operations
    assert Move(HOOK, HOOK + ASIDE) in plan(FIX, of).operations


def test_a_link_is_moved_and_not_what_it_points_to() -> None:
    files: dict[str, Node] = {HOOK: Link("/opt/mail/hook"), "/opt/mail/hook": script(TEXT)}
    planned = plan(FIX, host(files))
    assert planned.operations == (Move(HOOK, HOOK + ASIDE),)
    assert any("/opt/mail/hook" in warning for warning in planned.warnings)


def test_with_force_and_nothing_to_repair_it_refuses() -> None:
    none: list[dict[str, Node]] = [{HOOK: script("#!/bin/sh\nexit 0\n")}, {HOOK: script(TEXT), DYNAMIC: "#\n"}, {}]
    for files in none:
        assert not refusal(FIX, host(files), forced=True).forceable


def test_where_nobody_removed_the_package_purging_is_not_spoken_of() -> None:
    of = host({HOOK: script(TEXT)}, status=package("sendmail-base", "install ok installed", HOOK))
    planned = plan(FIX, of)
    assert "purge" not in " ".join((*planned.warnings, *planned.next))
    assert "--force-confmiss install --reinstall sendmail-base" in " ".join(planned.next)


def test_a_removed_package_is_named_and_purging_is_offered() -> None:
    of = host({HOOK: script(TEXT)}, status=package("sendmail-base", REMOVED, HOOK))
    assert "--sendmail=purge" in " ".join(plan(FIX, of).warnings)


def test_offline_it_takes_effect_at_the_next_boot_and_live_at_the_next_ifup() -> None:
    files: dict[str, Node] = {HOOK: script(TEXT)}
    offline, live = plan(FIX, host(files)), plan(FIX, host(files, Mode.LIVE))
    assert offline.reboot and not live.reboot
    assert "agent fix --restart-network" in " ".join(live.next)
    assert "agent fix --restart-network" not in " ".join(offline.next)


def test_a_sibling_that_is_still_there_is_still_wrong() -> None:
    sibling = host({"/etc/ppp/ip-up.d/sendmail": script(TEXT)})
    assert FIX.verify is not None
    assert "/etc/ppp/ip-up.d/sendmail" in FIX.verify(Request(sibling, ()))
    assert FIX.verify(Request(host({}), ())) == ""


# -- guard


def test_the_guard_is_one_line_and_all_else_stays() -> None:
    files = all_hooks()
    planned = plan(FIX, host(files), choice="guard")
    assert {one.path for one in planned.operations if isinstance(one, WriteFile)} == set(files)
    for one in planned.operations:
        assert isinstance(one, WriteFile)
        leave = b"return" if one.path == DHCP else b"exit"
        guard = b"test -r /usr/share/sendmail/dynamic || " + leave + b" 0\n"
        assert one.content.count(guard + b". /usr/share/sendmail/dynamic;\n") == 1
        assert one.content.replace(guard, b"") == content(files, one.path)
        assert (one.mode, one.uid, one.gid) == (None, None, None)
    left = host(after(files, planned))
    assert findings(FIX, left) == ()
    assert FIX.verify is not None
    assert FIX.verify(Request(left, ())) == ""


@pytest.mark.parametrize(
    "text",
    [
        b'#!/bin/sh\n\t. "/usr/share/sendmail/dynamic" # functions\nx\xff\xfe',
        b"#!/bin/sh\nsource /usr/share/sendmail/dynamic",
        b"#!/bin/sh\n\xe9=1\n. '/usr/share/sendmail/dynamic'  \n. /usr/share/sendmail/dynamic\n",
    ],
)
def test_odd_bytes_and_layout_survive_the_guard(text: bytes) -> None:
    (operation,) = plan(FIX, host({HOOK: script(text)}), choice="guard").operations
    assert isinstance(operation, WriteFile)
    lines = operation.content.split(b"\n")
    guards = [line for line in lines if b"test -r" in line]
    assert len(guards) == 1
    assert b"\n".join(line for line in lines if line not in guards) == text


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\necho x; . /usr/share/sendmail/dynamic\n",
        '#!/bin/sh\nif [ -n "$IFACE" ]; then . /usr/share/sendmail/dynamic; fi\n',
        "#!/bin/sh\necho a \\\n. /usr/share/sendmail/dynamic; . /usr/share/sendmail/dynamic\n",
        "#!/bin/sh\r\n. /usr/share/sendmail/dynamic\r\n",
        ". /usr/share/sendmail/dynamic\n",
    ],
)
def test_where_a_guard_would_change_more_or_cure_nothing_it_is_refused(text: str) -> None:
    of = host({HOOK: script(text)})
    said = refusal(FIX, of, choice="guard")
    assert "moved aside" in said.hint
    assert plan(FIX, of).operations == (Move(HOOK, HOOK + ASIDE),)


def test_a_link_is_not_guarded() -> None:
    of = host({HOOK: Link("/opt/hook"), "/opt/hook": script(TEXT)})
    assert "/opt/hook" in refusal(FIX, of, choice="guard").why


# -- purge


def test_purging_removes_the_package_that_owns_the_hooks_and_keeps_what_goes() -> None:
    conf = [*SIBLINGS, "/etc/mail/address.resolve", "/etc/mail/peers/provider"]
    status = package("sendmail-base", REMOVED, *conf) + package("sendmail-bin", REMOVED, "/etc/init.d/sendmail")
    planned = plan(FIX, host({path: script(TEXT) for path in SIBLINGS}, status=status), choice="purge")
    (run,) = (one for one in planned.operations if isinstance(one, Run))
    assert run.argv == ("dpkg", "--purge", "sendmail-base")
    assert run.environment == {"DEBIAN_FRONTEND": "noninteractive"}
    assert {*conf, "/var/lib/dpkg/status", "/etc/passwd"} <= set(run.keeps)


def test_what_the_package_left_elsewhere_is_kept_for_undo() -> None:
    files: dict[str, Node] = {
        HOOK: script(TEXT),
        f"{UP}/other": script("#!/bin/sh\n"),
        "/etc/mail/peers/provider": "x",
    }
    status = package("sendmail-base", REMOVED, HOOK, "/etc/mail/peers/provider")
    (run,) = plan(FIX, host(files, status=status), choice="purge").operations
    assert isinstance(run, Run)
    assert "/etc/mail/peers/provider" in run.keeps


def test_hooks_that_the_package_does_not_own_are_moved_aside_as_well() -> None:
    mine = f"{PRE_UP}/mail"
    files = {HOOK: script(TEXT), mine: script(TEXT), f"{UP}/other": script("#!/bin/sh\n")}
    of = host(files, status=package("sendmail-base", REMOVED, HOOK))
    move, run = plan(FIX, of, choice="purge").operations
    assert move == Move(mine, mine + ASIDE)
    assert isinstance(run, Run)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (package("sendmail-base", "install ok installed", HOOK), "is installed"),
        (package("sendmail-base", REMOVED, "/etc/mail/x"), "no removed package owns"),
        (package("exim4", "install ok installed"), "no removed package owns"),
        (package("sendmail-base", REMOVED, HOOK) + package("x", "install ok half-configured"), "interrupted"),
    ],
)
def test_purging_is_refused_where_it_would_do_harm_or_nothing(status: str, word: str) -> None:
    assert word in refusal(FIX, host({HOOK: script(TEXT)}, status=status), choice="purge").why


# -- the real programs


@needs_root
@pytest.mark.parametrize("choice", ["move", "guard"])
def test_the_real_run_parts_fails_before_and_not_after(choice: str, tmp_path: Path) -> None:
    files = {**BASE, **all_hooks()}
    real = Real(tmp_path)
    real.lay(files)
    before = real.run_parts(UP)
    assert before.returncode != 0
    assert f"{HOOK} exited with return code 2" in before.stderr
    real.apply(plan(FIX, host(files), choice=choice))
    for path in SIBLINGS:
        ran = real.run_parts(path.rpartition("/")[0])
        assert (ran.returncode, ran.stderr) == (0, "")


# What dhclient-script (isc-dhcp-client 4.4.3) does with the hooks of a folder.
DHCLIENT = """
run_hook() {
    if [ -f $1 ]; then . $1; fi
}
for script in $(run-parts --list /etc/dhcp/dhclient-exit-hooks.d); do run_hook $script; done
echo the address is set
"""


@needs_root
@pytest.mark.parametrize("choice", ["move", "guard"])
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_program_that_reads_the_hook_into_itself_goes_on(choice: str, shell: str, tmp_path: Path) -> None:
    files = {**BASE, **all_hooks()}
    real = Real(tmp_path)
    real.lay(files)
    run = (
        (shell, "-c", f"reason=BOUND\n{DHCLIENT}")
        if shell == "dash"
        else (shell, "--posix", "-c", f"reason=BOUND\n{DHCLIENT}")
    )
    assert "the address is set" not in real.run(*run).stdout
    real.apply(plan(FIX, host(files), choice=choice))
    assert real.run(*run).stdout == "the address is set\n"


@needs_root
@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed here")
def test_busybox_runs_names_with_a_dot_and_not_what_lies_above_the_folder(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        **BASE,
        HOOK: script(TEXT),
        "/bin/run-parts": Link("/bin/busybox"),
        "/bin/busybox": File("", mode=0o755),
    }
    real = Real(tmp_path)
    real.lay(files)
    run = ("busybox", "run-parts", UP)
    assert real.run(*run).returncode != 0
    real.apply(plan(FIX, host(files)))
    assert real.run(*run).returncode == 0


_LAYERS = [
    sorted(LAB.glob(pattern))
    for pattern in ("layers/bookworm-sendmail-*", "layers/bookworm-ifupdown-*", "bases/bookworm-*")
]
# Run in namespaces of their own, where all mounts vanish with them: a host of the lab, changed and put back.
PURGE_AND_UNDO = """
cd "$1" && mkdir up work whole &&
mount -t overlay overlay -o "lowerdir=$2,upperdir=up,workdir=work" whole && cd "$3" &&
exec "$4" -m tests.fixes.test_sendmail "$1/whole"
"""


@needs_root
@pytest.mark.skipif(not all(_LAYERS), reason="the lab's hosts are not built here")
def test_purging_the_real_package_is_undone_to_the_byte(tmp_path: Path) -> None:
    lower = ":".join(str(paths[0]) for paths in _LAYERS)
    ran = subprocess.run(
        ["unshare", "-mn", "sh", "-c", PURGE_AND_UNDO, "-", str(tmp_path), lower, str(LAB.parent), sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "purged\nundone\n"


def _purge_and_undo(root: str) -> None:
    for path in SIBLINGS:
        hook = Path(root + path)
        hook.write_text("".join(line for line in hook.read_text().splitlines(True) if not line.startswith("test -r")))
    before = manifest(root, directory_times=False)
    target = open_target(root)
    planned = FIX.plan(Request(Facts(target), (), "purge", forced=True))
    assert isinstance(planned, Plan), planned
    store = Store.open(target)
    change = engine.apply(store, "sendmail", planned)
    assert change.state is ChangeState.APPLIED, change.why
    assert not any(Path(root + path).exists() for path in SIBLINGS)
    assert Facts(target).packages.dpkg_states
    assert not Facts(target).packages.removed_not_purged("sendmail-base")
    print("purged")
    undone = engine.undo(store)
    assert undone.state is ChangeState.UNDONE, undone.why
    left = differences(before, manifest(root, directory_times=False))
    assert left == [], "\n".join(left)
    print("undone")


if __name__ == "__main__":
    _purge_and_undo(sys.argv[1])
