"""The compiled search under AddressSanitizer and UndefinedBehaviorSanitizer: it reads hostile logs as root."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import agent

SOURCE = Path(agent.__file__).parent / "logs/native/literals.c"
CASES = 4000
SCRIPT = Path(__file__).with_name("under_sanitizers.py")


def library(compiler: str, name: str) -> str:
    path = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return path if os.path.isabs(path) else ""


def test_no_block_and_no_literal_makes_it_read_where_it_may_not(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None or not library(compiler, "libasan.so"):
        pytest.skip("no gcc with its sanitizers is installed")
    built = tmp_path / "_literals.so"
    flags = [
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Wextra",
    ]
    include = sysconfig.get_path("include")
    subprocess.run(
        [compiler, *flags, "-Werror", f"-I{include}", str(SOURCE), "-o", str(built)], check=True, timeout=300
    )
    seed = random.randrange(1 << 30)
    environment = {
        **os.environ,
        "LD_PRELOAD": f"{library(compiler, 'libasan.so')} {library(compiler, 'libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(SOURCE.parents[3]),
        "PYTHONMALLOC": "malloc",
    }
    argv = [sys.executable, str(SCRIPT), str(seed), str(CASES), str(built)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0 and done.stdout == "done\n", f"seed {seed}: {done.stderr[-3000:]}"
