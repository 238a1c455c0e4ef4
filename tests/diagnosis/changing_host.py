"""Boots a folder with systemd-nspawn in a cgroup and namespaces of its own (run by test_happenings_real.py)."""

from __future__ import annotations

import os
import sys

from tests.lab.isolation import enter_cgroup


def main() -> None:
    name, root = sys.argv[1:]
    enter_cgroup(name)
    os.environ["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    command = ["systemd-nspawn", "--boot", "--directory", root, "--register=no", "--keep-unit", "--private-network"]
    command += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
