"""The agent inside of a real chroot, entered as Linode's rescue guide does it: mount, bind, chroot, run.

The disk needs no Python for it: this machine's tree is bound below /host there, and its own loader starts its own
Python. All mounts are made in a mount namespace that ends with the command.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
HOST = "/host"  # a directory of the disk
_RECIPE = f"""
mount -o bind "$0" "$0" && cd "$0" || exit 99
mkdir -p .{HOST} proc sys dev
mount -t proc proc proc/ && mount -t sysfs sys sys/ && mount -o bind /dev dev/ || exit 99
mount -t devpts pts dev/pts/ && mount --rbind / .{HOST} || exit 99
exec chroot "$0" "$@"
"""


def agent_inside(root: Path, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """`agent WORDS` in a chroot of the disk at ``root``."""
    return python_inside(root, "-m", "agent", *words, input=input)


def python_inside(root: Path, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:
    python = str(Path(sys.executable).resolve())
    said = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    loader = Path(next(word for word in said.split() if re.match(r"/\S*/ld[-.]\S*$", word))).resolve()
    folders = {str(Path(path).parent) for path in re.findall(r"=> (/\S+)", said)}
    folders |= {f"{sys.base_prefix}/lib", *map(str, Path("/usr/lib").glob("*-linux-gnu"))}
    modules = [REPOSITORY, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONHOME": HOST + sys.base_prefix,
        "PYTHONPATH": ":".join(f"{HOST}{module}" for module in modules),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start = [f"{HOST}{loader}", "--library-path", ":".join(HOST + folder for folder in sorted(folders))]
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", _RECIPE, root, *start, f"{HOST}{python}", *words],
        input=input,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def agent_outside(root: Path, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """`agent VERB --root DIR ...` of the rescue system, on the same disk."""
    verb, *rest = words
    return subprocess.run(
        [sys.executable, "-m", "agent", verb, "--root", str(root), *rest],
        cwd=REPOSITORY,
        input=input,
        capture_output=True,
        text=True,
        timeout=120,
    )
