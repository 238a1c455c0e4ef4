"""Builds what is missing, and acts scenarios out, a few at a time, each in a process and namespaces of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.lab import base
from tests.lab.base import Log
from tests.lab.isolation import REPOSITORY, isolated, lab_dir, locked, run_folder
from tests.lab.isolation import why_not as why_no_lab
from tests.vm import alpine, program, rescue, system
from tests.vm.model import Outcome, Scenario
from tests.vm.store import SUITE, build, run, vm_dir

_NEEDED = (
    "qemu-system-x86_64",
    "qemu-img",
    "mksquashfs",
    "xorriso",
    "mkfs.ext4",
    "debugfs",
    "ssh",
    "ssh-keygen",
    "openssl",
)
_SECONDS = 900  # for one scenario, far more than any needs
AT_ONCE = 2


def why_not() -> str:
    """Why no machine can be started here, or "" where it can."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    return why_no_lab() or (f"not installed: {' '.join(missing)}" if missing else "")


def prepare(scenarios: Sequence[Scenario], say: Log, program_to: Path | None = None) -> None:
    """Builds the images that these scenarios need and that are not there yet. A run keeps the program as it is
    now in ``program_to``: somebody may be at work on it."""
    vm_dir().mkdir(parents=True, exist_ok=True)
    base.prepare([SUITE], [system.LAYER], say)
    with locked(vm_dir() / "build.lock"):
        for half in vm_dir().glob("*.new"):
            shutil.rmtree(half)
        now = program.program_folder()
        wanted: list[Callable[[], None]] = [
            lambda: build(system.system_folder(), "tests.vm.system", say),
            lambda: build(rescue.rescue_folder(), "tests.vm.rescue", say),
            lambda: build(now, "tests.vm.program", say),
        ]
        if any(scenario.image == "alpine" for scenario in scenarios):
            wanted.append(lambda: build(alpine.alpine_folder(), "tests.vm.alpine", say))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda make: make(), wanted))
        if program_to is not None:
            run("cp", "-al", now, program_to)


class Machines:
    """Prepares the images, then acts all scenarios out in the background; `outcome` waits for one of them."""

    def __init__(
        self, scenarios: Sequence[Scenario], at_once: int = AT_ONCE, keep: Path | None = None, say: Log | None = None
    ) -> None:
        self._scenarios = list(scenarios)
        self._at_once = at_once
        self._keep = keep
        self._say = say or Log()
        self._stop = threading.Event()
        self._workers: set[subprocess.Popen[bytes]] = set()
        self._futures: dict[str, Future[Outcome]] = {scenario.letter: Future() for scenario in scenarios}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Machines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Who waits no longer, ends what runs: a worker's namespaces go with it, and all that is in them."""
        self._stop.set()
        for worker in list(self._workers):
            worker.kill()
        self._thread.join()

    def outcome(self, scenario: Scenario) -> Outcome:
        return self._futures[scenario.letter].result()

    def _run(self) -> None:
        try:
            with run_folder() as folder, ThreadPoolExecutor(self._at_once) as pool:
                prepare(self._scenarios, self._say, folder / "program")
                list(pool.map(lambda scenario: self._one(folder / scenario.letter, scenario), self._scenarios))
        except BaseException as error:  # noqa: BLE001 - handed to those who wait
            for future in self._futures.values():
                if not future.done():
                    future.set_exception(error)

    def _one(self, folder: Path, scenario: Scenario) -> None:
        future = self._futures[scenario.letter]
        if self._stop.is_set():
            future.cancel()
            return
        try:
            future.set_result(self._act(folder, scenario))
        except Exception as error:  # noqa: BLE001 - handed to the one who waits
            future.set_exception(error)

    def _act(self, folder: Path, scenario: Scenario) -> Outcome:
        folder.mkdir()
        self._say(f"vm: {scenario.letter} begins: {scenario.title}")
        words = (str(folder), scenario.letter, str(folder.parent / "program"))
        with subprocess.Popen(
            isolated([sys.executable, "-m", "tests.vm.worker", *words], network=True),
            cwd=REPOSITORY,
            env={**os.environ, "LAB_DIR": str(lab_dir())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as worker:
            self._workers.add(worker)
            try:
                printed, _ = worker.communicate(timeout=_SECONDS)
            finally:
                worker.kill()
                self._workers.discard(worker)
        path = folder / "outcome.json"
        if path.exists():
            outcome = Outcome(**json.loads(path.read_text()))
        else:
            said = printed.decode(errors="replace")[-3000:] or f"exit {worker.returncode}"
            outcome = Outcome(scenario.letter, scenario.title, problems=[said])
        self._say(f"vm: {scenario.letter} {'went as it should' if not outcome.problems else 'FAILED'}")
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            for name in ("console.txt", "outcome.json"):
                if (folder / name).exists():
                    shutil.copy(folder / name, self._keep / f"{scenario.letter}-{name}")
        shutil.rmtree(folder)  # its mounts and its machines went with its namespaces
        return outcome
