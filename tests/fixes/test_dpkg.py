"""--dpkg finishes what a real dpkg left half done, and says what it can't take back or can't cure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent.change.model import Operation, Plan, Remove, Run, WriteFile
from agent.facts.facts import Facts
from agent.fixes.dpkg import COMMAND, FIX
from agent.fixes.model import Refusal, Request
from agent.target import Mode, Output, Space, Target
from agent.target.door import RootDoor
from agent.target.enter import run_inside
from tests.lab.isolation import lab_dir
from tests.target.children import needs_root
from tests.virtual import File, Link, Node, virtual

BASES = sorted((lab_dir() / "bases").glob("bookworm-*"))
HALF = "Package: demo\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 1\n\n"
REINSTALL = "Package: torn\nStatus: install reinst-required half-installed\nArchitecture: amd64\nVersion: 1\n\n"
WHOLE = "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12\n\n"


def request(
    status: str,
    mode: Mode = Mode.OFFLINE,
    more: Mapping[str, Node] | None = None,
    free: int = 1 << 30,
    forced: bool = False,
) -> Request:
    files: dict[str, Node] = {
        "/etc/os-release": "ID=debian\nVERSION_ID=12\n",
        "/var/lib/dpkg/status": status,
        "/var/lib/dpkg/lock": "",
        "/usr/bin/dpkg": program(),
        "/usr/sbin/invoke-rc.d": program(),
        **(more or {}),
    }
    space = Space(1 << 34, free, free, 1000, 900, False)
    return Request(Facts(virtual(files, mode, spaces={"/var/lib/dpkg": space})), (), forced=forced)


def program() -> Node:
    return File("", mode=0o755)


def planned(given: Request) -> Plan:
    answer = FIX.plan(given)
    assert isinstance(answer, Plan), answer
    return answer


def refused(given: Request) -> Refusal:
    answer = FIX.plan(given)
    assert isinstance(answer, Refusal), answer
    return answer


def run_of(plan: Plan) -> Run:
    return next(operation for operation in plan.operations if isinstance(operation, Run))


def test_offline_no_service_may_start_meanwhile() -> None:
    plan = planned(request(HALF + WHOLE))
    before, run, after = plan.operations
    assert isinstance(before, WriteFile) and before.path == "/usr/sbin/policy-rc.d" and before.mode == 0o755
    assert b"exit 101" in before.content
    assert isinstance(run, Run) and run.argv == COMMAND
    assert after == Remove("/usr/sbin/policy-rc.d")


def test_the_administrators_own_policy_is_kept() -> None:
    plan = planned(request(HALF, more={"/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 0\n"}))
    assert [type(operation) for operation in plan.operations] == [Run]
    assert any("it decides which services" in line for line in plan.warnings)
    plan = planned(request(HALF, more={"/usr/sbin/policy-rc.d": Link("/gone")}))
    assert [type(operation) for operation in plan.operations] == [Run]


def test_on_the_running_host_services_start_as_they_would() -> None:
    assert [type(operation) for operation in planned(request(HALF, Mode.LIVE)).operations] == [Run]


def test_it_asks_says_that_it_cannot_be_undone_and_keeps_no_database() -> None:
    plan = planned(request(HALF + WHOLE))
    assert plan.ask
    assert any("can't be undone" in line for line in plan.warnings)
    assert not run_of(plan).reversible
    assert any("demo (half-configured)" in line for line in plan.warnings)
    assert run_of(plan).environment["DEBIAN_FRONTEND"] == "noninteractive"
    assert run_of(plan).timeout >= 1800


def test_a_package_to_be_installed_anew_is_not_promised() -> None:
    refusal = refused(request(REINSTALL + WHOLE))
    assert "torn" in refusal.why and "apt-get install --reinstall torn" in refusal.hint
    plan = planned(request(REINSTALL + HALF))
    assert any("does not cure torn" in line for line in plan.warnings)
    assert any("--reinstall torn" in line for line in plan.next)


def test_a_hostile_package_name_stays_one_word_of_the_command() -> None:
    refusal = refused(request(REINSTALL.replace("torn", "x;reboot")))
    assert refusal.hint.endswith("--reinstall 'x;reboot'")


def test_a_full_disk_is_refused_with_what_is_free() -> None:
    assert "only 1024 KiB are free" in refused(request(HALF, free=1 << 20)).why


def test_a_held_lock_is_refused() -> None:
    locks = "1: POSIX  ADVISORY  WRITE 77 fe:00:0 0 EOF\n"
    more = {"/proc/locks": locks, "/proc/77/comm": "aptitude-curses\n"}
    assert refused(request(HALF, Mode.LIVE, more)).why == "aptitude-curses (process 77) is at work at this moment"


def test_without_dpkg_or_without_need_it_is_refused() -> None:
    assert "half installed" in refused(request(WHOLE)).why
    assert isinstance(FIX.plan(request(WHOLE, forced=True)), Plan)
    alpine = Facts(virtual({"/lib/apk/db/installed": "", "/etc/os-release": "ID=alpine\n"}))
    assert "apk" in refused(Request(alpine, ())).why


# -- a real disk


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian that may be broken: an overlay over a base of the lab."""
    if os.geteuid() != 0 or not BASES:
        pytest.skip("needs root, and a base that make lab has built")
    folder = tmp_path_factory.mktemp("disk")
    for name in ("lower", "upper", "work", "root"):
        (folder / name).mkdir()
    options = f"lowerdir={BASES[0]},upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(folder / "root")], check=True)
    (folder / "root/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # debootstrap's own
    try:
        yield folder / "root"
    finally:
        subprocess.run(["umount", "--lazy", str(folder / "root")], check=True)  # a failed test's frames hold it
        shutil.rmtree(folder)


def target_of(root: Path) -> Target:
    return Target(RootDoor(str(root), live=False), str(root), Mode.OFFLINE)


def inside(root: Path, script: str, timeout: float = 60.0) -> Output:
    answer = run_inside(target_of(root), ("sh", "-c", script), timeout, 1 << 20)
    assert isinstance(answer, Output), answer
    return answer


def package(root: Path, name: str, postinst: str) -> None:
    """Builds name.deb in the disk's /root and unpacks it, without configuring it."""
    script = f"""
        set -e; mkdir -p /root/{name}/DEBIAN /root/{name}/etc/init.d; cd /root
        printf 'Package: {name}\\nVersion: 1\\nArchitecture: all\\nDescription: x\\n' > {name}/DEBIAN/control
        echo 'Maintainer: a <a@example.com>' >> {name}/DEBIAN/control
        printf '/etc/{name}.conf\\n/etc/init.d/{name}\\n' > {name}/DEBIAN/conffiles
        echo new > {name}/etc/{name}.conf
        printf '#!/bin/sh\\ntouch /root/{name}.started\\n' > {name}/etc/init.d/{name}
        chmod 755 {name}/etc/init.d/{name}
        cat > {name}/DEBIAN/postinst; chmod 755 {name}/DEBIAN/postinst
        dpkg-deb -b {name} {name}.deb >/dev/null; echo mine > /etc/{name}.conf
        dpkg --force-confold --unpack {name}.deb
    """
    answer = run_inside(target_of(root), ("sh", "-c", script), 60, 1 << 20, postinst.encode())
    assert isinstance(answer, Output) and answer.exit == 0, answer


def apply(root: Path, operations: tuple[Operation, ...]) -> Output:
    """The operations of this fix, one after the other."""
    output: Output | None = None
    for operation in operations:
        if isinstance(operation, WriteFile):
            (root / operation.path.lstrip("/")).write_bytes(operation.content)
            (root / operation.path.lstrip("/")).chmod(operation.mode or 0o644)
        elif isinstance(operation, Remove):
            (root / operation.path.lstrip("/")).unlink()
        else:
            assert isinstance(operation, Run)
            found = run_inside(
                target_of(root), operation.argv, operation.timeout, 1 << 20, None, dict(operation.environment)
            )
            assert isinstance(found, Output), found
            output = found
    assert output is not None
    return output


@needs_root
def test_a_half_configured_package_is_healthy_after_and_its_service_was_not_started(base: Path) -> None:
    package(base, "left", "#!/bin/sh\nset -e\ninvoke-rc.d left start || exit $?\ntouch /root/left.done\n")
    facts = Facts(target_of(base))
    assert facts.packages.half_done() == ("left",)
    plan = planned(Request(facts, ()))
    output = apply(base, plan.operations)
    assert output.exit == 0, output.text
    assert FIX.verify is not None and FIX.verify(Request(Facts(target_of(base)), ())) == ""
    assert (base / "root/left.done").exists() and not (base / "root/left.started").exists()
    assert (base / "etc/left.conf").read_text() == "mine\n"
    assert not (base / "usr/sbin/policy-rc.d").exists()
    assert inside(base, "dpkg --audit").stdout == ""


@needs_root
def test_a_dpkg_that_was_killed_half_way_is_healed(base: Path) -> None:
    package(base, "killed", "#!/bin/sh\n[ -e /root/second ] && exit 0\ntouch /root/second\nkill -9 $PPID\n")
    assert inside(base, "dpkg --force-confold --configure killed").exit == 137
    facts = Facts(target_of(base))
    assert facts.packages.half_done() == ("killed",)
    assert apply(base, planned(Request(facts, ())).operations).exit == 0
    packages = Facts(target_of(base)).packages
    assert packages.half_done() == () and packages.pending_updates == ()


@needs_root
def test_a_package_that_fails_is_named(base: Path) -> None:
    package(base, "broken", "#!/bin/sh\necho no such device >&2\nexit 3\n")
    output = apply(base, planned(Request(Facts(target_of(base)), ())).operations)
    assert output.exit == 1 and "no such device" in output.stderr
    assert FIX.verify is not None and "broken" in FIX.verify(Request(Facts(target_of(base)), ()))
