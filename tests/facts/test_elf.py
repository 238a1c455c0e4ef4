"""ELF files, and whether a program with its loader and libraries could be started."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.facts import elf
from agent.facts.elf import Elf
from agent.facts.programs import Programs, Start, parse_cache, runs_on
from agent.target.detect import open_target
from agent.unknown import Unknown, Why
from tests.facts.elf_files import elf as made
from tests.virtual import Denied, File, Link, Node, virtual

LOADER = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"


def program(*needed: str, **options: object) -> File:
    return File(made(needed, **{"interpreter": LOADER, **options}), mode=0o755)  # type: ignore[arg-type]


def host(files: Mapping[str, Node]) -> Programs:
    """A target with a loader and a libc."""
    base: dict[str, Node] = {
        LOADER: File(made(), mode=0o755),
        MUSL: File(made(), mode=0o755),
        "/lib64/libc.so.6": File(made(defines=("libc.so.6", "GLIBC_2.2.5", "GLIBC_2.34")), mode=0o755),
    }
    return Programs(virtual({**base, **files}))


def start(files: Mapping[str, Node], path: str = "/sbin/init") -> Start:
    return host(files).start(path)


def read(data: bytes) -> Elf | Unknown:
    return elf.read(virtual({"/x": data}), "/x")


# -- the file


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big_endian", [False, True])
def test_both_classes_and_both_orders_of_bytes_are_read(bits: int, big_endian: bool) -> None:
    machine = "i386" if bits == 32 else "x86_64"
    data = made(
        ("libm.so.6", "libc.so.6"),
        LOADER,
        "$ORIGIN/../lib:/opt/lib",
        wants={"libc.so.6": ("GLIBC_2.34", "GLIBC_2.4")},
        defines=("mine", "MINE_1.0"),
        bits=bits,
        machine=machine,
        big_endian=big_endian,
    )
    found = read(data)
    assert isinstance(found, Elf), found
    assert found.kind == (bits, machine, big_endian)
    assert found.needed == ("libm.so.6", "libc.so.6") and found.interpreter == LOADER
    assert found.runpath == ("$ORIGIN/../lib", "/opt/lib") and not found.rpath
    assert found.wants == {"libc.so.6": ("GLIBC_2.34", "GLIBC_2.4")}
    assert found.defines == {"mine", "MINE_1.0"} and not found.cut


def test_what_is_no_elf_file_says_what_it_is() -> None:
    for data, words in ((b"", "is empty"), (bytes(5000), "nothing but zeros"), (b"MZ" * 500, "no ELF file")):
        found = read(data)
        assert isinstance(found, Unknown) and found.why is Why.UNREADABLE and words in found.reason


def test_a_file_that_ends_before_its_segments_do_is_cut() -> None:
    data = made(("libc.so.6",), LOADER)
    for length in range(232, len(data), 7):
        found = read(data[:length])
        assert isinstance(found, Elf) and str(length) in found.cut


def test_a_file_that_ends_before_its_section_headers_do_is_short() -> None:
    data = bytearray(made(("libc.so.6",), LOADER))
    struct.pack_into("<Q", data, 40, len(data) + 100)
    struct.pack_into("<HH", data, 58, 64, 20)
    found = read(bytes(data))
    assert isinstance(found, Elf) and not found.cut and found.short and found.needed == ("libc.so.6",)


DAMAGED = bytearray(
    made(("liba.so", "libb.so"), LOADER, "/opt", wants={"liba.so": ("A_1", "A_2")}, defines=("B", "B_1"))
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DAMAGED) - 1), st.integers(0, 255)), max_size=12), st.integers(0, 1200))
def test_no_file_makes_the_reader_fail(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(DAMAGED)
    for place, value in changes:
        data[place] = value
    assert isinstance(read(bytes(data[: max(4, length)])), (Elf, Unknown))


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=0, max_size=64), st.binary(max_size=400))
def test_no_bytes_after_the_magic_make_the_reader_fail(head: bytes, rest: bytes) -> None:
    assert isinstance(read(b"\x7fELF" + head + rest), (Elf, Unknown))


def test_a_table_without_end_is_read_to_its_limit() -> None:
    data = bytearray(made(("liba.so",), wants={"liba.so": ("A_1",)}))
    found = read(bytes(data))
    assert isinstance(found, Elf)
    place = data.rindex(struct.pack("<qQ", 0x6FFFFFFF, 1))
    struct.pack_into("<qQ", data, place, 0x6FFFFFFF, 2**63)  # so many libraries, says the file
    assert isinstance(read(bytes(data)), (Elf, Unknown))


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed")
def test_this_machines_programs_are_read_as_readelf_reads_them() -> None:
    target = open_target("/")
    paths = [path for folder in ("/usr/bin", "/usr/sbin") for path in sorted(Path(folder).iterdir())]
    paths += sorted(Path("/usr/lib").glob("*-linux-gnu/*.so*"))
    programs = [str(path) for path in paths if path.is_file() and not path.is_symlink() and _is_elf(path)][:300]
    command = ["readelf", "-W", "-d", "-l", *programs]
    output = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False).stdout
    compared = 0
    for part in re.split(r"^File: ", output, flags=re.MULTILINE)[1:]:
        name = part.split("\n")[0].strip()
        found = elf.read(target, name)
        assert isinstance(found, Elf), found
        assert found.needed == tuple(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", part)), name
        assert [found.interpreter] == (re.findall(r"program interpreter: (.*?)\]", part) or [""]), name
        assert [found.soname] == (re.findall(r"\(SONAME\)\s+Library soname: \[(.*?)\]", part) or [""]), name
        assert ":".join(found.runpath) == "".join(re.findall(r"Library runpath: \[(.*?)\]", part)), name
        assert not found.cut and not found.short, name
        compared += 1
    assert compared > 50


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"\x7fELF"
    except OSError:
        return False


def test_what_starts_on_this_machine_can_be_started() -> None:
    programs = Programs(open_target("/"))
    names = [path for path in ("/bin/sh", "/usr/bin/env", "/bin/ls", "/sbin/init", "/bin/mount") if Path(path).exists()]
    for found in map(programs.start, names):
        assert not found.problem and not found.doubt and found.libraries >= 1, found


# -- the program, its loader, its libraries


def test_a_program_with_all_that_it_needs() -> None:
    found = start({"/sbin/init": program("libc.so.6", wants={"libc.so.6": ("GLIBC_2.34",)})})
    assert found.problem == "" and found.libraries == 1 and found.machine == "x86_64"


def test_a_static_program_needs_nothing() -> None:
    assert start({"/sbin/init": File(made(), mode=0o755)}) == Start("/sbin/init", real="/sbin/init", machine="x86_64")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "/sbin/init does not exist"),
        ({"/sbin/init": Link("../lib/systemd/systemd")}, "(a link to ../lib/systemd/systemd) does not exist"),
        ({"/sbin/init": File(made(), mode=0o644)}, "is not executable (mode 0644)"),
        ({"/sbin/init": File(b"", mode=0o755)}, "is empty"),
        ({"/sbin/init": File(bytes(9000), mode=0o755)}, "nothing but zeros"),
        ({"/sbin/init": File(made(("liba.so",), LOADER)[:-20], mode=0o755)}, "is cut off"),
        ({"/sbin/init": program(interpreter="/lib/ld-none.so")}, "wants the loader /lib/ld-none.so, which does not"),
        ({"/sbin/init": program(), LOADER: File(b"", mode=0o755)}, f"the loader of /sbin/init: {LOADER} is empty"),
        ({"/sbin/init": program(), LOADER: File(made(), mode=0o644)}, "is not executable"),
        ({"/sbin/init": program(machine="aarch64")}, "is for x86_64, /sbin/init for aarch64"),
        ({"/sbin/init": program("liba.so")}, "needs liba.so, which does not exist"),
        ({"/sbin/init": program("liba.so"), "/lib/liba.so": b""}, "needs liba.so, and /lib/liba.so is empty"),
        ({"/sbin/init": program("liba.so"), "/lib/liba.so": made()[:-9]}, "/lib/liba.so is cut off"),
        ({"/sbin/init": program("liba.so"), "/lib/liba.so": Link("liba.so.1")}, "is a link to liba.so.1, which does"),
        ({"/sbin/init": program("liba.so"), "/lib/liba.so": made(bits=32, machine="i386")}, "is for i386"),
        ({"/sbin/init": program("liba.so"), "/lib/liba.so": made(("libb.so",))}, "(by /lib/liba.so) needs libb.so"),
        (
            {"/sbin/init": program("libc.so.6", wants={"libc.so.6": ("GLIBC_2.38",)})},
            "needs GLIBC_2.38 of libc.so.6, and /lib64/libc.so.6 has no such version",
        ),
        ({"/sbin/init": File("#!/bin/none -e\n", mode=0o755)}, "is a script, and /bin/none does not exist"),
        ({"/sbin/init": Link("init")}, "too many links"),
    ],
)
def test_what_keeps_a_program_from_starting(files: Mapping[str, Node], words: str) -> None:
    assert words in start(files).problem


@pytest.mark.parametrize(
    "files",
    [
        {"/sbin/init": program("liba.so", runpath="$ORIGIN/../opt"), "/opt/liba.so": made()},
        {"/sbin/init": program("liba.so", runpath="${ORIGIN}/x:/opt"), "/opt/liba.so": made()},
        {"/sbin/init": program("liba.so", rpath="/opt"), "/opt/liba.so": made(("libb.so",)), "/opt/libb.so": made()},
        {"/sbin/init": program("/opt/liba.so"), "/opt/liba.so": made()},
        {"/sbin/init": program("liba.so", runpath="/usr/$LIB"), "/usr/lib64/liba.so": made()},
        {"/sbin/init": program("liba.so"), "/usr/lib/x86_64-linux-gnu/liba.so": made()},
        # a library of another kind is passed over
        {"/sbin/init": program("liba.so"), "/lib64/liba.so": made(bits=32, machine="i386"), "/lib/liba.so": made()},
        # in no default folder, and without ldconfig's cache: by the configuration
        {
            "/sbin/init": program("liba.so"),
            "/etc/ld.so.conf": "include ld.so.conf.d/*.conf\n",
            "/etc/ld.so.conf.d/local.conf": "# mine\n/srv/lib\n",
            "/srv/lib/liba.so": made(),
        },
        # musl's own folders
        {"/sbin/init": program("liba.so", interpreter=MUSL), "/usr/local/lib/liba.so": made()},
        {
            "/sbin/init": program("liba.so", interpreter=MUSL),
            "/etc/ld-musl-x86_64.path": "/lib:/srv/lib\n",
            "/srv/lib/liba.so": made(),
        },
        # libraries that need each other
        {"/sbin/init": program("liba.so"), "/lib/liba.so": made(("libb.so",)), "/lib/libb.so": made(("liba.so",))},
        {"/sbin/init": Link("/usr/lib/i"), "/usr/lib/i": program("libc.so.6")},
        {"/sbin/init": File("#! /bin/sh -e\n", mode=0o755), "/bin/sh": program("libc.so.6")},
    ],
)
def test_where_a_library_is_found(files: Mapping[str, Node]) -> None:
    assert start(files).problem == ""


def test_a_runpath_holds_for_its_own_file_and_an_rpath_for_those_below() -> None:
    files: dict[str, Node] = {"/opt/liba.so": made(("libb.so",)), "/opt/libb.so": made()}
    assert start({"/sbin/init": program("liba.so", rpath="/opt"), **files}).problem == ""
    held = start({"/sbin/init": program("liba.so", runpath="/opt"), **files})
    assert "(by /opt/liba.so) needs libb.so" in held.problem and held.culprit == "libb.so"


def test_a_file_with_a_runpath_has_no_rpath() -> None:
    both = program("liba.so", rpath="/opt", runpath="/srv")
    assert "needs liba.so" in start({"/sbin/init": both, "/opt/liba.so": made()}).problem


def test_a_version_that_is_weak_is_not_missed() -> None:
    weak = program("libc.so.6", wants={"libc.so.6": ("GLIBC_2.38",)}, weak=True)
    assert start({"/sbin/init": weak}).problem == ""


def test_a_library_that_ldconfig_did_not_see_is_not_found() -> None:
    files: dict[str, Node] = {
        "/sbin/init": program("liba.so"),
        "/etc/ld.so.cache": cache({"libz.so": "/srv/lib/libz.so"}),
        "/etc/ld.so.conf": "/srv/lib\n",
        "/srv/lib/liba.so": made(),
    }
    assert "/srv/lib/liba.so is not in /etc/ld.so.cache" in start(files).problem
    files["/etc/ld.so.cache"] = cache({"liba.so": "/srv/lib/liba.so"})
    assert start(files).problem == ""


def cache(entries: Mapping[str, str]) -> bytes:
    """ldconfig's cache in its newer format."""
    head = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), 0) + bytes(20)
    texts, rows = b"", b""
    start = len(head) + 24 * len(entries)
    for name, path in entries.items():
        rows += struct.pack("<iIIIQ", 0x303, start + len(texts), start + len(texts) + len(name) + 1, 0, 0)
        texts += name.encode() + b"\0" + path.encode() + b"\0"
    return head + rows + texts


def test_this_machines_cache_is_read_as_ldconfig_prints_it() -> None:
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if not ldconfig or not Path("/etc/ld.so.cache").exists():
        pytest.skip("ldconfig is not installed, or made no cache")
    output = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    printed = re.findall(r"^\t(\S+) \(.*\) => (\S+)$", output, re.MULTILINE)
    found = parse_cache(Path("/etc/ld.so.cache").read_bytes())
    assert sorted((name, path) for name, paths in found.items() for path in paths) == sorted(printed)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_cache_makes_the_reader_fail(data: bytes) -> None:
    assert isinstance(parse_cache(b"glibc-ld.so.cache1.1" + data), dict)


def test_what_may_not_be_read_is_not_judged() -> None:
    found = start({"/sbin/init": Denied()})
    assert not found.problem or "not executable" in found.problem
    library = start({"/sbin/init": program("liba.so"), "/lib/liba.so": Denied()})
    assert library.problem == ""


def test_links_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sbin").mkdir(parents=True)
    (root / "sbin/init").symlink_to("/bin/sh")
    assert Path("/bin/sh").exists()
    assert "does not exist" in Programs(open_target(str(root))).start("/sbin/init").problem


def test_which_programs_a_kernel_starts() -> None:
    assert runs_on("i386", "x86_64") and runs_on("x86_64", "x86_64") and runs_on("", "x86_64")
    assert not runs_on("x86_64", "i386") and not runs_on("aarch64", "x86_64")
