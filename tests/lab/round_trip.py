"""Round trips: broken, fixed, healthy, undone, broken again; by hand on the running host, and on its disk from outside.

python -m tests.lab.round_trip FOLDER SUITE NAME: acts one out and writes FOLDER/result.json.

The two legs of a trip share boots: where the first was undone, the host that is broken again is the
broken one of the second. On the first suite each leg is undone from where it was fixed; on the others
crosswise: what was fixed on the running host from outside, as in rescue mode, and the other way round.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.lab.base import SUITES
from tests.lab.host import HostFailed
from tests.lab.scenarios.model import Scenario
from tests.lab.scenarios.trips import TRIPS
from tests.lab.trip import Leg, Result
from tests.lab.trip_host import Trip
from tests.lab.worker import enter

_SECONDS_FOR_PROBATION, _SECONDS_OF_PATIENCE = 10, 20
_CONSOLE_LINES_SHOWN = 30


class _Stopped(Exception):
    """A step failed; what follows would say nothing."""


@contextlib.contextmanager
def _step(leg: Leg, name: str, how: str = "yes") -> Iterator[None]:
    """A step of a leg: it went well when nothing was added to the leg's problems."""
    known = len(leg.problems)
    try:
        yield
    except HostFailed as error:
        leg.problems.append(f"{name}: {error}")
    if len(leg.problems) > known:
        leg.steps[name] = "NO"
        raise _Stopped
    leg.steps[name] = how


# The legs.


def _live(trip: Trip, leg: Leg, crosswise: bool, _: bool) -> None:
    """Fixed on the running host; undone there, or crosswise from outside."""
    host = trip.host
    with _step(leg, "broken"):
        trip.boot_broken(leg, "broken")
    before = trip.look()
    with _step(leg, "fixed"):
        trip.fix(leg, "fixed", inside=True)
    host.stop()
    with _step(leg, "healthy"):
        trip.boot_healthy(leg, "healthy")
    if not trip.scenario.reversible:
        _not_undone(trip, leg, inside=True)
        return
    if crosswise:
        host.stop()
    with _step(leg, "undone", "outside" if crosswise else "inside"):
        trip.undo(leg, "undone", inside=not crosswise)
        host.stop()
        trip.compare(leg, "undone", before, booted=True)
    with _step(leg, "broken again"):
        trip.boot_broken(leg, "broken again")
    host.stop()


def _offline(trip: Trip, leg: Leg, crosswise: bool, broken: bool) -> None:
    """Fixed on the disk of the stopped host. ``broken``: it was just seen to be so."""
    host = trip.host
    with _step(leg, "broken"):
        if not broken:
            trip.boot_broken(leg, "broken")
            host.stop()
        if "offline" in trip.scenario.offered:
            leg.problems += trip.not_found(leg, host.scan_offline(), "offline")
    before = trip.look()
    with _step(leg, "fixed"):
        trip.fix(leg, "fixed", inside=False)
    if not trip.scenario.reversible:
        with _step(leg, "healthy"):
            trip.boot_healthy(leg, "healthy")
        host.stop()
        _not_undone(trip, leg, inside=False)
        return
    with _step(leg, "undone"):
        trip.undo(leg, "undone at once", inside=False)
        trip.compare(leg, "undone at once", before, booted=False)
    with _step(leg, "fixed"):
        trip.fix(leg, "fixed again", inside=False)
    with _step(leg, "healthy"):
        trip.boot_healthy(leg, "healthy")
    if not crosswise:
        host.stop()
    with _step(leg, "undone", "inside" if crosswise else "outside"):
        trip.undo(leg, "undone", inside=crosswise)
        host.stop()
        trip.compare(leg, "undone", before, booted=True)
    with _step(leg, "broken again"):
        trip.boot_broken(leg, "broken again")
    host.stop()


def _not_undone(trip: Trip, leg: Leg, inside: bool) -> None:
    """What its plan said can't be undone: undo refuses, and leaves all as it is."""
    with _step(leg, "undone", "refused"):
        trip.refuse_undo(leg, "undone", inside)
    trip.host.stop()


def _restarted(trip: Trip, leg: Leg, _: bool, __: bool) -> None:
    """What only the running host has: fixed and undone without a boot."""
    with _step(leg, "broken"):
        trip.boot_broken(leg, "broken")
    before = trip.look()
    with _step(leg, "fixed"):
        trip.fix(leg, "fixed", inside=True)
    with _step(leg, "healthy"):
        trip.expect_healthy(leg, "healthy")
        trip.compare(leg, "healthy", before, booted=True)
    with _step(leg, "undone", "inside"):
        trip.undo(leg, "undone", inside=True)
    with _step(leg, "broken again"):
        trip.expect_broken(leg, "broken again")
    trip.host.stop()


def _on_probation(trip: Trip, leg: Leg, _: bool, __: bool) -> None:
    """A restart that nobody confirms is undone by itself; one that is confirmed stays."""
    seconds = _SECONDS_FOR_PROBATION
    with _step(leg, "broken"):
        trip.boot_broken(leg, "broken")
    with _step(leg, "fixed"):
        trip.fix(leg, "fixed", True, "--confirm-within", f"{seconds}s")
    with _step(leg, "healthy"):
        trip.expect_healthy(leg, "healthy")
    with _step(leg, "undone", "by itself"):
        until = time.monotonic() + seconds + _SECONDS_OF_PATIENCE
        while trip.states()[-1:] != ["undone"] and time.monotonic() < until:
            time.sleep(0.2)
        if trip.states()[-1:] != ["undone"]:
            leg.problems.append(f"undone: after {seconds} s nobody undid it: {trip.states()}")
            trip.run(leg, "undone", True, "history")
    with _step(leg, "broken again"):
        trip.expect_broken(leg, "broken again")
    with _step(leg, "fixed", "and kept"):
        trip.fix(leg, "fixed again", True, "--confirm-within", f"{seconds}s")
        trip.run(leg, "confirmed", True, "confirm")
        time.sleep(seconds + 3)
        if trip.states()[-1:] == ["undone"]:
            leg.problems.append(f"fixed: it was undone though it was confirmed: {trip.states()}")
        trip.expect_healthy(leg, "confirmed")
    trip.host.stop()


def _fails(trip: Trip, leg: Leg, _: bool, __: bool) -> None:
    """A fix whose program fails takes itself back."""
    with _step(leg, "broken"):
        trip.boot_broken(leg, "broken")
    before = trip.look()
    with _step(leg, "undone", "by itself"):
        ran = trip.host.agent("fix", *trip.scenario.fix, "--yes")
        leg.said.append(ran.said)
        if ran.exit != 1 or trip.states() != ["undone"]:
            leg.problems.append(f"undone: the fix ended with {ran.exit}, and the disk says {trip.states()}")
        trip.compare(leg, "undone", before, booted=True)
    with _step(leg, "broken again"):
        trip.expect_broken(leg, "broken again")
    trip.host.stop()


_LEGS = {"fails": _fails, "live": _live, "offline": _offline, "restarted": _restarted, "on probation": _on_probation}


def main(folder: Path, suite: str, name: str) -> None:
    scenario = next(scenario for scenario in TRIPS if scenario.name == name)
    result = Result()
    try:
        enter(folder, scenario)
        _act(folder, suite, scenario, result)
    except Exception:  # noqa: BLE001 - the border: the one who started us prints it
        result.error = traceback.format_exc()
    (folder / "said.txt").write_text("\n\n".join(text for leg in result.legs for text in (leg.way, *leg.said)))
    (folder / "result.json").write_text(json.dumps(asdict(result)))


def _act(folder: Path, suite: str, scenario: Scenario, result: Result) -> None:
    crosswise = suite != SUITES[0]
    trip: Trip | None = None
    for number, way in enumerate(scenario.legs):
        leg = Leg(way)
        result.legs.append(leg)
        started = time.monotonic()
        seen = trip is not None
        if trip is None:
            trip = Trip(folder / f"disk{number}", suite, scenario)
        try:
            _LEGS[way](trip, leg, crosswise, seen)
        except _Stopped:
            pass
        except Exception:  # noqa: BLE001 - the other legs may still be had
            leg.problems.append(traceback.format_exc())
        finally:
            leg.seconds = round(time.monotonic() - started, 1)
            trip.host.stop()
        if leg.problems or not scenario.reversible:
            result.console = _end_of(trip.host.console)
            trip = None  # the next leg begins with a host of its own


def _end_of(console: Path) -> str:
    """The last lines of a console, without colours and what systemd says of each unit that it stops."""
    text = console.read_text(errors="replace") if console.exists() else ""
    plain = re.sub(r"\x1b(?:\[[^A-Za-z]*[A-Za-z]|\][^\a\x1b]*(?:\a|\x1b\\)?)|\r", "", text)
    lines = [line.strip() for line in plain.splitlines()]
    said = [line for line in lines if line and not re.match(r"\[  OK  \]|(?:Stopp|Start|Unmount)ing ", line)]
    return "\n".join(said[-_CONSOLE_LINES_SHOWN:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
