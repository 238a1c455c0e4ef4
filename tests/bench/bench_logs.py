"""Searching logs for all rules, against grep and zgrep with the same patterns: ratios in one run."""

from __future__ import annotations

import gzip
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.diagnosis.evaluation import all_patterns
from agent.diagnosis.loader import load
from agent.logs.engine import Engine, NativeEngine, PlainEngine
from agent.logs.lines import candidates
from agent.logs.model import Pattern
from agent.logs.plan import Plan
from agent.logs.text import search_texts
from agent.target.detect import open_target

MEGABYTES = 24
ORDINARY = (
    "Nov 23 10:%02d:%02d web1 systemd[1]: Started Session %d of user root.",
    "Nov 23 10:%02d:%02d web1 CRON[%d]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
    "Nov 23 10:%02d:%02d web1 sshd[%d]: Failed password for invalid user admin from 192.0.2.1 port 22 ssh2",
    "Nov 23 10:%02d:%02d web1 kernel: [%d.123456] [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 LEN=40",
    "Nov 23 10:%02d:%02d web1 dhclient[%d]: DHCPACK of 192.0.2.9 from 192.0.2.1",
)
WEIGHTS = (20, 10, 30, 40, 1)
NEEDLE = "Nov 23 10:00:00 web1 ifup[311]: run-parts: /etc/network/if-up.d/sendmail exited with return code 2"


def write(path: Path) -> None:
    """A syslog of ordinary lines with a needle in 100,000."""
    random.seed(1)
    lines = []
    size = 0
    while size < MEGABYTES << 20:
        ordinary = random.choices(ORDINARY, WEIGHTS)[0] % (
            random.randrange(60),
            random.randrange(60),
            random.randrange(99999),
        )
        lines.append(NEEDLE if len(lines) % 100_000 == 50_000 else ordinary)
        size += len(lines[-1]) + 1
    path.write_text("\n".join(lines) + "\n")


def seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    rules = load()
    patterns = all_patterns(rules)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        log = base / "var/log/syslog"
        log.parent.mkdir(parents=True)
        write(log)
        packed = base / "packed.gz"
        packed.write_bytes(gzip.compress(log.read_bytes(), 5))
        wanted = base / "patterns"
        wanted.write_text("\n".join(extended(patterns)) + "\n")
        by_hand = ["grep", "-aEc", "-f", str(wanted), str(log)]
        subprocess.run(by_hand, capture_output=True, check=True)
        grep = seconds(lambda: subprocess.run(by_hand, capture_output=True, check=False))
        unpacking = ["zgrep", "-aEc", "-f", str(wanted), str(packed)]
        zgrep = seconds(lambda: subprocess.run(unpacking, capture_output=True, check=False))
        print(
            f"{len(patterns)} patterns, {MEGABYTES} MiB of syslog; how many times as fast as grep -E -f with the same"
        )
        engines: list[type[Engine]] = [PlainEngine]
        try:
            NativeEngine((b"needle",))
            engines.append(NativeEngine)
        except ImportError:
            print("note: nothing was compiled")
        for engine in engines:
            plan = Plan(patterns, engine)

            def candidates_only(plan: Plan = plan) -> int:
                with log.open("rb") as stream:
                    return sum(1 for _ in candidates(stream, plan))

            def whole(plan: Plan = plan) -> object:
                return search_texts(open_target(folder), plan)

            print(f"  {engine.__name__:<16} candidates {grep / seconds(candidates_only):6.1f} x grep")
            print(f"  {engine.__name__:<16} whole scan {grep / seconds(whole):6.1f} x grep")
            shutil.move(str(log), str(base / "aside"))
            shutil.copy(packed, log.with_name("syslog.1.gz"))
            print(f"  {engine.__name__:<16} gz         {zgrep / seconds(whole):6.1f} x zgrep")
            log.with_name("syslog.1.gz").unlink()
            shutil.move(str(base / "aside"), str(log))


def extended(patterns: Sequence[Pattern]) -> list[str]:
    """The regexes as grep -E takes them; those that look ahead are left out, which is in grep's favour."""
    translated = []
    for pattern in patterns:
        regex = re.sub(r"\(\?P<\w+>|\(\?:", "(", pattern.regex).replace(r"\d", "[0-9]")
        if "(?" not in regex and "[^\\" not in regex:
            translated.append(regex)
    return translated


if __name__ == "__main__":
    main()
