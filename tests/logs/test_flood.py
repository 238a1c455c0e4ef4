"""A flood is counted, and only its newest lines are read; what is rare in it is not lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.logs.engine import NativeEngine, PlainEngine
from agent.logs.flood import ENOUGH, Flood
from agent.logs.model import Pattern
from agent.logs.plan import Plan
from agent.logs.text import search_texts
from agent.target.detect import open_target

HOOK = Pattern("hook", r"run-parts: /etc/network/if-up\.d/(?P<name>\w+) exited with return code \d")
OOM = Pattern("oom", r"Out of memory: Killed process \d+")
HALF = Pattern("half", r"service entered (?P<state>failed) state")
ENGINES: list[Callable[..., object]] = [PlainEngine]
try:
    NativeEngine((b"x",))
    ENGINES.append(NativeEngine)
except ImportError:
    pass


def searched(folder: Path, lines: list[str], engine: Callable[..., object]) -> dict[str, tuple[int, list[str]]]:
    (folder / "var/log").mkdir(parents=True)
    (folder / "var/log/syslog").write_text("".join(f"Nov 23 10:00:00 web1 {line}\n" for line in lines))
    found = search_texts(open_target(str(folder)), Plan([HOOK, OOM, HALF], engine))  # type: ignore[arg-type]
    return {
        key: (hits.count, [match.groups.get("name", match.entry.text) for match in hits.matches])
        for key, hits in found.hits.items()
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_flood_the_count_and_the_newest_are_right(tmp_path: Path, engine: Callable[..., object]) -> None:
    size = 60_000  # lines; some megabytes, so several blocks
    lines = [f"ifup[1]: run-parts: /etc/network/if-up.d/n{at} exited with return code 1" for at in range(size)]
    lines[size // 2] = "kernel: Out of memory: Killed process 77"
    found = searched(tmp_path, lines, engine)
    assert found["hook"][0] == size - 1
    assert found["hook"][1] == [f"n{at}" for at in range(size - 20, size)]
    assert found["oom"] == (1, ["Out of memory: Killed process 77"])


@pytest.mark.parametrize("engine", ENGINES)
def test_of_patterns_that_share_a_literal_the_rare_one_is_found(tmp_path: Path, engine: Callable[..., object]) -> None:
    size = 30_000
    lines = [f"ifup[{at}]: run-parts: /etc/network/if-up.d/sendmail exited with return code 1" for at in range(size)]
    lines[size // 2] = "ifup[7]: run-parts: /etc/network/if-up.d/other exited with return code 3"
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/syslog").write_text("".join(f"Nov 23 10:00:00 web1 {line}\n" for line in lines))
    other = Pattern("other", r"run-parts: /etc/network/if-up\.d/(?!sendmail)\w+ exited with return code [1-9]")
    mail = Pattern("mail", r"run-parts: /etc/network/if-up\.d/sendmail exited with return code [1-9]")
    found = search_texts(open_target(str(tmp_path)), Plan([other, mail], engine))  # type: ignore[arg-type]
    assert (found.hits["mail"].count, found.hits["other"].count) == (size - 1, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_often_does_not_match_is_never_only_counted(tmp_path: Path, engine: Callable[..., object]) -> None:
    lines = ["systemd[1]: Unit x.service entered failed state"] * (ENOUGH + 100)
    lines = [line for pair in zip(lines, ["sshd[1]: service entered idle state"] * len(lines)) for line in pair]
    assert searched(tmp_path, lines, engine)["half"][0] == ENOUGH + 100


def test_a_pattern_of_which_all_is_needed_is_never_quiet() -> None:
    plan = Plan([HOOK, OOM])
    flood: Flood[str] = Flood(plan, {"hook"})
    for _ in range(2 * ENOUGH):
        flood.saw((0, 1), (0, 1))
    quiet = {literal for literal, mark in zip(plan.literals, flood.quiet) if mark}
    assert quiet == {literal for number, literal in enumerate(plan.literals) if plan.leads[number] == (1,)}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_window_that_matched_with_its_line_is_not_remembered_as_nothing(
    tmp_path: Path, engine: Callable[..., object]
) -> None:
    far = "x" * 6000 + "Out of memory: Killed process 5" + "y" * 3000
    lines = ["kernel: Out of memory: Killed process 4 " + far, "kernel: something else, as long as the other " + far]
    assert searched(tmp_path, lines, engine)["oom"][0] == 2
