"""The way back starts by itself when its time comes, outlives whoever asked for it, and can be called off."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.change import probation
from agent.change.errors import ChangeRefused
from agent.change.probation import arm, disarm, own_command
from tests.lab.isolation import REPOSITORY, lab_dir
from tests.target.children import needs_root

BASES = sorted((lab_dir() / "bases").glob("bookworm-*"))


@pytest.fixture
def name() -> Iterator[str]:
    """A change's id that no other run of these tests uses; whatever waits under it is ended afterwards."""
    name = f"9-test-{uuid.uuid4().hex[:8]}"
    yield name
    probation._end_process(name)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd, whatever this machine runs; and nothing is written to its /run."""
    monkeypatch.setattr(probation, "_systemd_runs", lambda: False)
    monkeypatch.setattr(probation, "_folder", lambda: str(tmp_path / "run"))


def later(path: Path) -> tuple[str, ...]:
    return ("sh", "-c", f"echo $PPID $(tty) > {path}")


def appears(path: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return path.exists()


def pid_of(tmp_path: Path, name: str) -> int:
    return int(json.loads((tmp_path / "run" / name).read_text())["pid"])


def test_it_runs_when_the_time_comes_and_not_before(tmp_path: Path, name: str) -> None:
    done = tmp_path / "done"
    assert arm(0.6, later(done), name).startswith("process ")
    time.sleep(0.3)
    assert not done.exists()
    assert appears(done, 5)


def test_it_has_no_terminal_no_parent_of_ours_and_no_descriptors(tmp_path: Path, name: str) -> None:
    with open(tmp_path / "held", "w") as held:
        os.set_inheritable(held.fileno(), True)
        arm(30, later(tmp_path / "done"), name)
    pid = pid_of(tmp_path, name)
    end = time.monotonic() + 5
    while len(os.listdir(f"/proc/{pid}/fd")) > 3 and time.monotonic() < end:
        time.sleep(0.02)
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")} == {"/dev/null"}
    assert os.getsid(pid) != os.getsid(0) and os.getsid(pid) != pid  # no leader: it can't get a terminal
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[1]) != os.getpid()
    assert int(Path(f"/proc/{pid}/status").read_text().split("SigIgn:")[1].split()[0], 16) & 1  # SIGHUP


def test_called_off_it_never_runs(tmp_path: Path, name: str) -> None:
    done = tmp_path / "done"
    arm(0.8, later(done), name)
    pid = pid_of(tmp_path, name)
    assert disarm(name) is True
    assert disarm(name) is False
    assert not appears(done, 1.5)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]


def test_a_stranger_with_its_number_is_not_killed(tmp_path: Path, name: str) -> None:
    stranger = subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL)
    try:
        for record in ({"pid": stranger.pid, "start": 1}, {"pid": 1, "start": probation._start_time(1)}, {"pid": -1}):
            (tmp_path / "run").mkdir(mode=0o700)
            (tmp_path / "run" / name).write_text(json.dumps({"start": 0, **record}))
            assert disarm(name) is False
        (tmp_path / "run").mkdir(mode=0o700, exist_ok=True)
        (tmp_path / "run" / name).write_text("no json")
        assert disarm(name) is False
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_undo_that_calls_itself_off_does_not_end_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    own = {"pid": os.getpid(), "start": probation._start_time(os.getpid())}
    (tmp_path / "run" / name).write_text(json.dumps(own))
    assert disarm(name) is False
    assert not (tmp_path / "run" / name).exists()


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to("elsewhere")
    with pytest.raises(ChangeRefused, match="not ours alone"):
        arm(30, later(tmp_path / "done"), name)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_is_not_there_is_not_promised(name: str) -> None:
    with pytest.raises(ChangeRefused, match="not there"):
        arm(30, ("/no/such/program",), name)


def test_it_outlives_a_killed_shell_and_its_terminal(tmp_path: Path, name: str) -> None:
    """A login on a terminal: a shell starts us; the line drops, and all of the session is killed."""
    done, ready = tmp_path / "done", tmp_path / "ready"
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from agent.change import probation
        probation._systemd_runs = lambda: False
        probation._folder = lambda: {str(tmp_path / "run")!r}
        probation.arm(2.5, {later(done)!r}, {name!r})
        Path({str(ready)!r}).touch()
        time.sleep(60)
        """
    )
    shell, master = pty.fork()
    if not shell:
        os.environ["PYTHONPATH"] = str(REPOSITORY)
        os.execv("/bin/sh", ["sh", "-c", '"$0" -c "$1"; :', sys.executable, script])
    try:
        assert appears(ready, 15)
    finally:
        for child in Path(f"/proc/{shell}/task/{shell}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        os.kill(shell, signal.SIGKILL)
        os.close(master)  # the terminal hangs up
        os.waitpid(shell, 0)
    assert not done.exists()
    assert appears(done, 8)
    assert "not a tty" in done.read_text()


def test_the_program_can_be_started_again_from_anywhere(tmp_path: Path) -> None:
    argv, environment = own_command()
    done = subprocess.run(
        [*argv, "--version"], cwd=tmp_path, env={**environment, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.strip()


def test_the_program_packed_in_one_file_can_be_started_again(tmp_path: Path) -> None:
    """A zipapp finds itself by the package's own file."""
    (tmp_path / "tree/agent").mkdir(parents=True)
    (tmp_path / "tree/agent/__init__.py").write_text("")
    (tmp_path / "tree/agent/__main__.py").write_text("import sys; print('again', sys.argv[1:])")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "tree")
    script = (
        f"import sys; sys.path.insert(0, {archive!r}); import agent, types;"
        f"source = open({probation.__file__!r}).read();"
        "source = '\\n'.join(line for line in source.split('\\n') if not line.startswith('from agent.'));"
        "module = types.ModuleType('probation'); exec(source, module.__dict__);"
        "import subprocess; argv, more = module.own_command();"
        "subprocess.run([*argv, 'undo'], env=more, cwd='/', check=True)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True)
    assert done.stdout == "again ['undo']\n", done.stderr


# -- with a systemd that really runs

_IN_CONTAINER = """
import subprocess, sys, time
from pathlib import Path
from agent.change import probation
said = []
how = probation.arm(3, ("/bin/sh", "-c", 'echo "$MARK" > /root/ran'), "1-runs", {"MARK": "its environment"})
said.append(how)
probation.arm(3, ("/bin/sh", "-c", "echo > /root/ran-too"), "2-called-off")
said.append(str(probation.disarm("2-called-off")))
said.append(str(probation.disarm("2-called-off")))
said.append(str(Path("/root/ran").exists()))
end = time.monotonic() + 15
while not Path("/root/ran").exists() and time.monotonic() < end:
    time.sleep(0.1)
time.sleep(0.3)
said.append(Path("/root/ran").read_text().strip() if Path("/root/ran").exists() else "never")
time.sleep(1.5)
said.append(str(Path("/root/ran-too").exists()))
listed = ["systemctl", "list-units", "--all", "--no-legend", "lish-agent*"]
said.append(subprocess.run(listed, capture_output=True, text=True).stdout.strip())
Path("/root/said").write_text("\\n".join(said))
"""
_UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=PYTHONPATH=/opt/checkout:/opt/libraries
ExecStart=/usr/bin/python3 /root/check.py
ExecStopPost=/usr/bin/systemctl exit 0
[Install]
WantedBy=default.target
"""


@needs_root
@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="not installed: systemd-container")
@pytest.mark.skipif(not BASES, reason="no base: make lab builds it")
def test_where_systemd_runs_a_transient_timer_does_it(tmp_path: Path) -> None:
    for folder in ("upper", "work", "root"):
        (tmp_path / folder).mkdir()
    (tmp_path / "upper/root").mkdir()
    (tmp_path / "upper/root/check.py").write_text(_IN_CONTAINER)
    unit = tmp_path / "upper/etc/systemd/system/check.service"
    (unit.parent / "multi-user.target.wants").mkdir(parents=True)
    unit.write_text(_UNIT)
    (unit.parent / "multi-user.target.wants/check.service").symlink_to("../check.service")
    options = f"lowerdir={BASES[0]},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    boot = f"""
        mount --make-rprivate / && mount -t overlay overlay -o {options} {tmp_path}/root && exec \
        systemd-nspawn -q -b -D {tmp_path}/root --register=no --keep-unit --private-network \
            --bind-ro={REPOSITORY}:/opt/checkout
    """
    subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", boot],
        stdin=subprocess.DEVNULL,
        stdout=(tmp_path / "console").open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        timeout=100,
        check=False,
    )
    said = tmp_path / "upper/root/said"
    assert said.exists(), (tmp_path / "console").read_text(errors="replace")[-3000:]
    assert said.read_text().split("\n") == [
        "timer lish-agent-undo-1-runs.timer",
        "True",
        "False",
        "False",
        "its environment",
        "False",
        "",
    ]
