"""Acts scenarios out, a few at a time, each in a process and namespaces of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree
from typing import Callable, Generic, TypeVar

from tests.lab.base import SUITES, Log, prepare
from tests.lab.isolation import REPOSITORY, isolated, lab_dir, remove_cgroups, run_folder
from tests.lab.judge import Outcome, judge
from tests.lab.scenarios.model import Scenario
from tests.lab.trip import RoundTrip, judge_trip

Job = tuple[str, Scenario]
_SECONDS = 300  # for one scenario, far more than any needs


def chosen_suites() -> list[str]:
    """The Debian releases to boot: SUITES, or the default ones."""
    return os.environ.get("SUITES", "").replace(",", " ").split() or list(SUITES)


def jobs(suites: Sequence[str], scenarios: Sequence[Scenario]) -> list[Job]:
    """Which scenario is acted out on which suite."""
    return [
        (suite, scenario)
        for scenario in scenarios
        for suite in suites
        if not scenario.suites or suite in scenario.suites
    ]


Verdict = TypeVar("Verdict")


@dataclass(frozen=True)
class Play(Generic[Verdict]):
    """What is acted out of a scenario: by which program, and who judges its result."""

    module: str
    judge: Callable[[str, Scenario, Mapping[str, object]], Verdict]
    at_once: int  # as many as keep two processors busy


SCANS: Play[Outcome] = Play("tests.lab.worker", judge, 2)
ROUND_TRIPS: Play[RoundTrip] = Play("tests.lab.round_trip", judge_trip, 3)


class Lab(Generic[Verdict]):
    """Prepares the disks, then runs all jobs in the background; `outcome` waits for one of them."""

    def __init__(
        self, play: Play[Verdict], wanted: Sequence[Job], keep: Path | None = None, say: Log | None = None
    ) -> None:
        self._play = play
        self._wanted = list(wanted)
        self._keep = keep
        self._say = say or Log()
        self._futures: dict[tuple[str, str], Future[Verdict]] = {}
        self._prepared: Future[None] = Future()
        self._stop = threading.Event()
        for suite, scenario in self._wanted:
            self._futures[suite, scenario.name] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lab[Verdict]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def outcome(self, suite: str, scenario: Scenario) -> Verdict:
        return self._futures[suite, scenario.name].result()

    def _run(self) -> None:
        try:
            suites = sorted({suite for suite, _ in self._wanted})
            prepare(suites, sorted({scenario.layer for _, scenario in self._wanted}), self._say)
            with run_folder() as folder, ThreadPoolExecutor(self._play.at_once) as pool:
                list(pool.map(lambda numbered: self._one(folder, *numbered), enumerate(self._wanted)))
        except BaseException as error:  # noqa: BLE001 - handed to those who wait
            for future in self._futures.values():
                if not future.done():
                    future.set_exception(error)

    def _one(self, run: Path, number: int, job: Job) -> None:
        suite, scenario = job
        future = self._futures[suite, scenario.name]
        if self._stop.is_set():
            future.cancel()
            return
        try:
            result = self._act(run / str(number), suite, scenario)
            future.set_result(self._play.judge(suite, scenario, result))
        except Exception as error:  # noqa: BLE001 - handed to the one who waits
            future.set_exception(error)

    def _act(self, folder: Path, suite: str, scenario: Scenario) -> dict[str, object]:
        folder.mkdir()
        command = [sys.executable, "-m", self._play.module, str(folder), suite, scenario.name]
        done = subprocess.run(
            isolated(command, network=True),
            cwd=REPOSITORY,
            env={**os.environ, "LAB_DIR": str(lab_dir())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
        remove_cgroups(f"{folder.parent.name}-{folder.name}")
        path = folder / "result.json"
        if not path.exists():
            return {"error": done.stdout.decode(errors="replace")[-3000:] or f"exit {done.returncode}"}
        result = json.loads(path.read_text())
        if self._keep is not None:
            self._keep_notes(folder, suite, scenario)
        rmtree(folder)  # its mounts went with its namespaces
        return dict(result)

    def _keep_notes(self, folder: Path, suite: str, scenario: Scenario) -> None:
        assert self._keep is not None
        place = self._keep / f"{suite} {scenario.name.replace('/', '-')}"
        for name in ("first", "second"):
            if (folder / name).exists():
                copytree(folder / name, place / name, dirs_exist_ok=True)
        for name in ("disk/console.log", "disk0/console.log", "disk1/console.log", "said.txt"):
            if (folder / name).exists():
                place.mkdir(parents=True, exist_ok=True)
                (place / name.replace("/", "-")).write_bytes((folder / name).read_bytes())
