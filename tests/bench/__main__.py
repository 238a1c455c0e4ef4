"""python -m tests.bench: every benchmark, each as ratios in one run."""

from __future__ import annotations

import importlib
import pkgutil

import tests.bench as folder


def main() -> None:
    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda found: found.name):
        if module.name.startswith("bench_"):
            importlib.import_module(f"tests.bench.{module.name}").main()


if __name__ == "__main__":
    main()
