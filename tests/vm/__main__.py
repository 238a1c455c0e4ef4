"""python -m tests.vm [--only a,b] [--quick] [--jobs 2] [--keep DIR] [--build] [--list] [--clean]"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from tests.lab.base import Log
from tests.lab.isolation import clear_stale
from tests.vm.model import table
from tests.vm.run import AT_ONCE, Machines, prepare, why_not
from tests.vm.scenarios import ALL, QUICK
from tests.vm.store import vm_dir


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm", description="Boots broken disks in QEMU, repairs them in rescue mode, reaches them."
    )
    parser.add_argument("--only", metavar="LETTERS", default="", help="only these: a,b")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(one.letter for one in QUICK)}")
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help="how many machines at a time")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the consoles' transcripts there")
    parser.add_argument("--build", action="store_true", help="build the images and stop")
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    parser.add_argument("--clean", action="store_true", help="remove the images")
    options = parser.parse_args()
    letters = re.findall(r"\w", options.only)
    scenarios = [one for one in (QUICK if options.quick else ALL) if not letters or one.letter in letters]
    if options.list:
        print("\n".join(f"{one.letter}  {one.title}" for one in scenarios))
        return 0
    if options.clean:
        clear_stale()
        shutil.rmtree(vm_dir(), ignore_errors=True)
        return 0
    reason = why_not()
    if reason:
        print(f"no machines here: {reason}", file=sys.stderr)
        return 3
    if options.build:
        prepare(scenarios, Log())
        return 0
    with Machines(scenarios, options.jobs, options.keep) as machines:
        outcomes = [machines.outcome(scenario) for scenario in scenarios]
    print("\n".join(table(outcomes)))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
