"""Reading MTR reports, against json.loads of the same data."""

from __future__ import annotations

import json
import time

from agent.mtr.judge import judge
from agent.mtr.printing import json_text, text
from agent.mtr.reading import read
from tests.mtr.made import made

REPORTS = 10_000
ROWS = tuple(f"192.0.2.{number} {number % 4} {number * 3}.5 AS63949" for number in range(1, 13))


def main() -> None:
    """Prints reports a second, and the ratio of the times."""
    report = made(*ROWS, source="web1")
    as_text, as_json = text(report).encode() * REPORTS, [json_text(report)] * REPORTS
    began = time.perf_counter()
    reading = read("bench", as_text)
    read_text = time.perf_counter() - began
    began = time.perf_counter()
    for document in as_json:
        json.loads(document)
    loaded = time.perf_counter() - began
    began = time.perf_counter()
    for found in reading.reports:
        judge(found)
    judged = time.perf_counter() - began
    assert len(reading.reports) == REPORTS
    print(f"mtr: {REPORTS} reports of {len(ROWS)} hops, as text")
    print(f"  read    {REPORTS / read_text:8.0f} a second, {read_text / loaded:5.1f} x the time of json.loads")
    print(f"  judged  {REPORTS / judged:8.0f} a second")


if __name__ == "__main__":
    main()
