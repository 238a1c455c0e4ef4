"""Text logs: rotations, compression, damage, boots, floods, and lines that others wrote."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from pathlib import Path

import pytest

from agent.logs.collect import KEEP
from agent.logs.console import clean, search_console
from agent.logs.extents import Extents
from agent.logs.model import Found, Pattern
from agent.logs.plan import BOOT, Plan
from agent.logs.text import search_texts
from agent.target import Kind
from tests.virtual import Denied, File, Special, virtual

PATTERNS = (
    Pattern("hook", r"run-parts: /etc/network/if-up\.d/(?P<hook>\w+) exited", idents=("ifup", "run-parts")),
    Pattern("kernel", r"renamed from eth0", idents=("kernel",), transports=("kernel",)),
)
PLAN = Plan((*PATTERNS, BOOT))
HIT = "Nov 23 10:00:00 web1 ifup[311]: run-parts: /etc/network/if-up.d/sendmail exited with return code 2\n"
KERNEL = "Nov 23 09:00:00 web1 kernel: [    0.000000] Linux version 6.1.0-18-amd64 (x@y) #1 SMP\n"


def search(files: dict[str, object]) -> Found:
    return search_texts(virtual(files), PLAN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("syslog", bytes),
        ("syslog.1", bytes),
        ("messages-20261122", bytes),
        ("syslog.2.gz", gzip.compress),
        ("kern.log.3.xz", lzma.compress),
        ("daemon.log.4.bz2", bz2.compress),
        ("secure-20261122.gz", gzip.compress),
    ],
)
def test_a_log_is_found_in_every_rotation(name: str, pack: type[bytes]) -> None:
    found = search({f"/var/log/{name}": pack(HIT.encode())})
    (match,) = found.hits["hook"].matches
    assert (match.entry.source, match.entry.line, match.groups) == (f"/var/log/{name}", 1, {"hook": "sendmail"})
    assert match.entry.time is not None


def test_zstd_is_read_where_a_decoder_is_there() -> None:
    zstandard = pytest.importorskip("zstandard")
    found = search({"/var/log/syslog.1.zst": zstandard.compress(HIT.encode() * 3)})
    assert found.hits["hook"].count == 3


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zst"])
def test_a_cut_archive_gives_what_could_be_read_and_says_so(suffix: str) -> None:
    text = (HIT + "".join(f"Nov 23 10:00:01 web1 x[1]: {os.urandom(30).hex()}\n" for _ in range(60_000))).encode()
    if suffix == "zst":
        packed = pytest.importorskip("zstandard").compress(text)
    else:
        packed = {"gz": gzip, "xz": lzma, "bz2": bz2}[suffix].compress(text)
    path = f"/var/log/syslog.1.{suffix}"
    found = search({path: packed[: len(packed) * 9 // 10]})
    assert found.hits["hook"].count == 1
    if suffix != "zst":  # its decoder ends quietly at a cut
        assert [item.what for item in found.unchecked] == [path]
    damaged = search({path: b"\xff" * 50 + packed[50:]})
    assert [item.what for item in damaged.unchecked] == [path]


def test_what_cannot_be_read_is_unchecked() -> None:
    found = search({"/var/log/syslog": Denied(), "/var/log/kern.log": Special(Kind.FIFO), "/var/log/secure": HIT})
    assert {item.what for item in found.unchecked} == {"/var/log/syslog", "/var/log/kern.log"}
    assert found.hits["hook"].count == 1


def test_names_that_are_no_system_logs_are_left_alone() -> None:
    assert search({f"/var/log/{name}": HIT for name in ("access.log", "syslogs", "mysyslog", "0")}).sources == ()


def test_boots_are_counted_back_over_rotations() -> None:
    found = search({"/var/log/syslog.1": KERNEL + HIT, "/var/log/syslog": HIT + KERNEL + HIT})
    assert [match.entry.boot for match in found.hits["hook"].matches] == [-1, -1, 0]


def test_without_any_kernel_line_the_boot_is_unknown() -> None:
    (match,) = search({"/var/log/syslog": HIT}).hits["hook"].matches
    assert match.entry.boot is None


def test_a_flood_is_counted_and_the_newest_kept() -> None:
    found = search({"/var/log/syslog": HIT * 5000})
    assert (found.hits["hook"].count, len(found.hits["hook"].matches)) == (5000, KEEP)
    assert found.hits["hook"].matches[-1].entry.line == 5000


@pytest.mark.parametrize(
    "line",
    [
        "Nov 23 10:00:00 web1 sshd[9]: Invalid user run-parts: /etc/network/if-up.d/sendmail exited with from ::1",
        "Nov 23 10:00:00 web1 nginx: GET /run-parts: /etc/network/if-up.d/sendmail exited",
        "Nov 23 10:00:00 web1 someone: ens3: renamed from eth0",
    ],
)
def test_what_others_say_is_not_found(line: str) -> None:
    assert search({"/var/log/syslog": line + "\n"}).hits == {}


def test_times_before_since_are_left_out() -> None:
    target = virtual({"/var/log/syslog": File(HIT, mtime=1795430000.0)})
    assert search_texts(target, PLAN, since=1795428001.0).hits == {}
    assert search_texts(target, PLAN, since=1795427999.0).hits["hook"].count == 1


def test_holes_are_skipped_and_only_the_newest_part_of_a_huge_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as log:
        log.write(b"first\n")
        log.truncate(10 * 1024**3)
        log.seek(0, os.SEEK_END)
        log.write(b"last\n")
    with path.open("rb") as stream:
        reader = Extents(stream)
        data = b"".join(iter(lambda: reader.read(1 << 20), b""))
    assert data.startswith(b"first\n") and data.rstrip(b"\0").endswith(b"last\n")
    assert len(data) < 1 << 20
    path.write_bytes(b"a" * 100 + b"b" * 50)
    with path.open("rb") as stream:
        reader = Extents(stream, 50)
        assert (reader.left_out, reader.read(99)) == (100, b"b" * 50)


def console(text: str) -> dict[str, int]:
    found = search_console("x", io.BytesIO(text.encode()), PATTERNS)
    return {key: hits.count for key, hits in found.hits.items()}


@pytest.mark.parametrize(
    "text",
    [
        HIT,
        "\x1b[0;32m  " + HIT.strip() + "\x1b[0m\r\n",
        "> > " + HIT,
        HIT.replace("[", "\\[").replace("]", "\\]"),
        HIT.replace("run-parts", "run-px\x08arts"),
        "run-parts: /etc/network/if-up.d/sendmail exited with return code 2",
        "Nov 23 10:00:00 web1 systemd[1]: Starting things. Nov 23 10:00:00 web1 ifup[3]: run-parts:\n"
        "/etc/network/if-up.d/sendmail exited with return code 2",
        "Nov 23 10:00:00 web1 ifup[311]: run-parts: /etc/network/if-u\np.d/sendmail exited with return code 2",
    ],
)
def test_a_captured_text_is_read_in_spite_of_what_happened_to_it(text: str) -> None:
    assert console(text) == {"hook": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_other_encodings_are_read(encoding: str) -> None:
    found = search_console("x", io.BytesIO(HIT.encode(encoding)), PATTERNS)
    assert found.hits["hook"].count == 1


def test_a_compressed_capture_is_read() -> None:
    found = search_console("x.log", io.BytesIO(gzip.compress(HIT.encode())), PATTERNS)
    assert found.hits["hook"].count == 1


def test_unrelated_neighbours_are_not_joined() -> None:
    short = "the file /etc/network/if-up.d/sendmail"
    assert console(f"run-parts:\n{short} exited\n") == {}
    stamped = "Nov 23 10:00:00 web1 ifup[311]: something long enough to be wrapped run-parts:"
    assert console(f"{stamped}\nNov 23 10:00:01 web1 cron[1]: /etc/network/if-up.d/a exited") == {}


def test_a_large_capture_is_searched_a_line_at_a_time() -> None:
    assert console("x" * 70 + "\n" + ("y" * 99 + "\n") * 12_000 + HIT) == {"hook": 1}


def test_clean_keeps_plain_text() -> None:
    assert clean("a [ OK ] b[1]: \\d $x") == "a [ OK ] b[1]: \\d $x"
