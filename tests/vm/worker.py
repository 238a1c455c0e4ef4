"""One scenario from beginning to end, as the first process of its own namespaces.

python -m tests.vm.worker FOLDER LETTER PROGRAM: acts it out and writes FOLDER/outcome.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from tests.vm.machine import MachineFailed
from tests.vm.model import Outcome
from tests.vm.play import Play
from tests.vm.scenarios import ALL


def main(folder: Path, letter: str, program: Path) -> None:
    scenario = next(scenario for scenario in ALL if scenario.letter == letter)
    # Of this namespace: what QEMU forwards is reached there, and collides with nothing.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    outcome = Outcome(letter, scenario.title)
    try:
        play = Play(scenario, folder, program)
        outcome = play.outcome
        play.act()
    except Exception as error:  # noqa: BLE001 - the border: the one who started us prints it
        outcome.problems.append(str(error) if isinstance(error, MachineFailed) else traceback.format_exc())
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
