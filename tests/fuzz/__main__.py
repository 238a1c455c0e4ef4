"""python -m tests.fuzz [TARGET...] [--seconds N]: atheris, guided by the branches that an input takes.

What it learns is kept in .fuzz/, so that the next run goes on from there; an input that breaks a promise is
left in .fuzz/found/ and ends with status 1.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".fuzz"
MEMORY = 2048  # MiB
SLOW = 20  # seconds for one input


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return _fuzz(options.run, options.seconds)
    import tests.fuzz.targets

    known = list(tests.fuzz.targets.TARGETS)
    wrong = [name for name in options.targets if name not in known]
    if wrong:
        parser.error(f"no target {wrong[0]}: there are {', '.join(known)}")
    failed = []
    for name in options.targets or known:
        print(f"== {name} ==", flush=True)
        argv = [sys.executable, "-m", "tests.fuzz", "--run", name, "--seconds", str(options.seconds)]
        if subprocess.run(argv).returncode:
            failed.append(name)
    if failed:
        print(f"broken: {', '.join(failed)}; the inputs are in {FOLDER / 'found'}")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> int:
    """Never comes back: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["agent"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus, found = FOLDER / name, FOLDER / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)
    atheris.Setup(
        [
            name,
            f"-max_total_time={seconds}",
            f"-rss_limit_mb={MEMORY}",
            f"-timeout={SLOW}",
            f"-artifact_prefix={found}/{name}-",
            "-print_final_stats=1",
            "-verbosity=0",
            str(corpus),
        ],
        target.try_one,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
