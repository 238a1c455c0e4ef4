"""Commands end by their deadline with all of their children, say no more than they may, know no secrets."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from agent.target import command
from agent.target.command import run
from agent.target.model import Output
from agent.unknown import Unknown, Why


def sh(script: str, timeout: float = 10.0, limit: int = 1024 * 1024, input: bytes | None = None) -> object:
    return run(("sh", "-c", script), timeout, limit, input)


def done(answer: object) -> Output:
    assert isinstance(answer, Output), answer
    return answer


def alive(pid: int) -> bool:
    """Still there two seconds after it was killed? (A killed process takes a moment to go.)"""
    for _ in range(200):
        try:
            with open(f"/proc/{pid}/stat") as stream:
                if stream.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return False
        except OSError:
            return False
        time.sleep(0.01)
    return True


def wait_for(path: Path) -> int:
    for _ in range(200):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def test_both_streams_and_the_status_come_back() -> None:
    output = done(sh("echo out; echo err >&2; exit 3"))
    assert (output.exit, output.stdout, output.stderr) == (3, "out\n", "err\n")
    assert output.text == "out\nerr\n"
    assert output.argv[0] == "sh" and not output.truncated


def test_there_is_no_shell() -> None:
    assert done(run(("echo", "$HOME; `id` *"), 5, 1000)).stdout == "$HOME; `id` *\n"


def test_a_signal_is_a_negative_status() -> None:
    assert done(sh("kill -9 $$")).exit == -signal.SIGKILL


def test_not_installed_is_absent() -> None:
    for name in ("no-such-program-at-all", "/no/such/program", "/etc", ""):
        answer = run((name,), 5, 1000)
        assert isinstance(answer, Unknown) and answer.why is Why.ABSENT
    assert isinstance(run((), 5, 1000), Unknown)


def test_a_program_whose_interpreter_is_missing_has_failed(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    answer = run((str(script),), 5, 1000)
    assert isinstance(answer, Unknown) and answer.why is Why.FAILED
    script.write_text("echo no interpreter is named\n")
    answer = run((str(script),), 5, 1000)
    assert isinstance(answer, Unknown) and answer.why is Why.FAILED


def test_the_environment_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "HTTP_PROXY", "SECRET", "LC_ALL", "PATH"):
        monkeypatch.setenv(name, "/leaked" if name != "PATH" else os.environ["PATH"] + ":/leaked")
    text = done(run(("env",), 5, 10000)).stdout
    assert "leaked" not in text
    given = dict(line.split("=", 1) for line in text.splitlines())
    assert given == command.ENVIRONMENT
    assert given["LC_ALL"] == "C" and given["TERM"] == "dumb"


def test_nothing_waits_for_the_keyboard() -> None:
    assert done(sh("cat", timeout=5)).stdout == ""
    assert done(sh("tty < /dev/tty 2>&1 || echo none", timeout=5)).stdout.endswith("none\n")


def test_input_is_given_and_may_be_ignored() -> None:
    big = b"x" * 3_000_000
    assert done(sh("wc -c", input=big)).stdout.strip() == "3000000"
    assert done(sh("exit 4", input=big)).exit == 4
    echoed = done(sh("cat", limit=4_000_000, input=big))
    assert len(echoed.stdout) == 3_000_000 and not echoed.truncated


def test_one_full_pipe_does_not_hold_the_other_up() -> None:
    output = done(sh("head -c 900000 /dev/zero >&2; head -c 900000 /dev/zero; echo end"))
    assert len(output.stderr) == 900_000 and output.stdout.endswith("end\n")


@pytest.mark.timeout(20)
def test_a_flood_is_cut_and_ended() -> None:
    started = time.monotonic()
    output = done(sh("yes", timeout=15, limit=10_000))
    assert output.truncated and len(output.stdout) == 10_000
    assert output.exit < 0
    assert time.monotonic() - started < 5


def test_what_is_no_text_is_replaced() -> None:
    assert done(sh(r"printf 'caf\351\0'")).stdout == "caf�\0"


@pytest.mark.timeout(20)
def test_the_deadline_ends_grandchildren_too(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    started = time.monotonic()
    answer = sh(f"trap '' TERM; (trap '' TERM; sh -c 'echo $$ > {written}; exec sleep 60') & wait", timeout=0.5)
    assert isinstance(answer, Unknown) and answer.why is Why.TIMEOUT
    assert "0.5 seconds" in answer.reason
    assert time.monotonic() - started < 5
    assert not alive(wait_for(written))


@pytest.mark.timeout(20)
def test_a_child_left_behind_holds_nothing_up_and_is_ended(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    started = time.monotonic()
    output = done(sh(f"sh -c 'echo $$ > {written}; exec sleep 60' & echo done"))
    assert output.exit == 0 and output.stdout == "done\n"
    assert time.monotonic() - started < 5
    assert not alive(wait_for(written))


@pytest.mark.timeout(20)
def test_a_command_that_closes_its_output_still_meets_the_deadline() -> None:
    answer = sh("exec >&- 2>&-; sleep 60", timeout=0.5)
    assert isinstance(answer, Unknown) and answer.why is Why.TIMEOUT


@pytest.mark.timeout(20)
def test_ctrl_c_ends_the_group(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sh(f"sh -c 'echo $$ > {written}; exec sleep 60'; :", timeout=15)
    assert not alive(wait_for(written))


def test_no_descriptor_and_no_zombie_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sh("echo x")
        sh("sleep 9", timeout=0.05)
        sh("cat", input=b"x")
        run(("/etc/passwd",), 1, 1)
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
