"""python -m tests.lab [--round-trips] [--suites bookworm,trixie] [--only TEXT] [--keep DIR] [--list] [--clean]"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from tests.lab import judge, trip
from tests.lab.base import LAYERS, SUITES, Log, prepare
from tests.lab.isolation import clear_stale, lab_dir, why_not
from tests.lab.run import ROUND_TRIPS, SCANS, Lab, jobs
from tests.lab.scenarios import ALL
from tests.lab.scenarios.trips import TRIPS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description="Boots real hosts, breaks them, and scans them from inside and outside."
    )
    parser.add_argument("--round-trips", action="store_true", help="fix what was broken, and undo it")
    parser.add_argument("--suites", default=" ".join(SUITES), help="Debian releases, by comma or blank")
    parser.add_argument("--only", metavar="TEXT", help="only scenarios whose name holds this")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep journals, consoles and reports there")
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    parser.add_argument("--build", action="store_true", help="build the disks and stop")
    parser.add_argument("--clean", action="store_true", help="remove all that the lab keeps between runs")
    options = parser.parse_args()
    scenarios = [
        one
        for one in (TRIPS if options.round_trips else ALL)
        if not options.only or options.only.lower() in one.name.lower()
    ]
    if options.list:
        print("\n".join(scenario.name for scenario in scenarios))
        return 0
    if options.clean:
        clear_stale()
        shutil.rmtree(lab_dir(), ignore_errors=True)
        return 0
    reason = why_not()
    if reason:
        print(f"no lab here: {reason}", file=sys.stderr)
        return 3
    suites = re.split(r"[,\s]+", options.suites.strip())
    if options.build:
        prepare(suites, list(LAYERS), Log())
        return 0
    if options.round_trips:
        with Lab(ROUND_TRIPS, jobs(suites, scenarios), options.keep) as acted:
            trips = [acted.outcome(suite, scenario) for suite, scenario in jobs(suites, scenarios)]
        print("\n".join(trip.table(trips)))
        return 1 if any(one.problems for one in trips) else 0
    with Lab(SCANS, jobs(suites, scenarios), options.keep) as lab:
        outcomes = [lab.outcome(suite, scenario) for suite, scenario in jobs(suites, scenarios)]
    print("\n".join(judge.table(outcomes)))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
