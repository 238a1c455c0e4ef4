"""Claims about dpkg's state and rpm's database."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Proof
from agent.facts.packages import Packages
from agent.logs.model import Match
from agent.unknown import Unknown
from tests.proofs.managed import facts, prove, said
from tests.virtual import File, Node


def test_a_half_configured_package_is_proven() -> None:
    packages = Packages("dpkg", {"libc6": "install ok installed", "nginx": "install ok half-configured"})
    proof = prove("dpkg_interrupted", facts(packages=packages))
    assert isinstance(proof, Holds)
    assert "nginx" in proof.why
    assert proof.commands is not None
    assert proof.commands[0] == "chroot /media/sda dpkg --configure -a"


def test_a_journal_that_was_not_merged_is_proven() -> None:
    packages = Packages("dpkg", {}, ("/var/lib/dpkg/updates/0003",))
    assert isinstance(prove("dpkg_interrupted", facts(packages=packages)), Holds)


def test_a_run_that_goes_on_is_not_an_interrupted_one() -> None:
    packages = Packages("dpkg", {"nginx": "install ok unpacked"}, (), ("dpkg",))
    assert isinstance(prove("dpkg_interrupted", facts(packages=packages)), CantTell)


def test_removed_packages_and_other_systems_are_left_alone() -> None:
    packages = Packages("dpkg", {"a": "deinstall ok config-files", "b": "hold ok installed"})
    assert isinstance(prove("dpkg_interrupted", facts(packages=packages)), Fails)
    assert isinstance(prove("dpkg_interrupted", facts(packages=Packages("rpm", Unknown("rpm")))), Fails)


# -- dpkg's own list is lost

LISTS: dict[str, Node] = {f"/var/lib/dpkg/info/package{number}.list": "/\n" for number in range(30)}
OLD = "Package: base-files\nStatus: install ok installed\n\n"


def test_a_status_file_without_packages_is_lost_where_their_files_are_listed() -> None:
    files = {**LISTS, "/var/lib/dpkg/status": "", "/var/lib/dpkg/status-old": OLD}
    proof = prove("dpkg_interrupted", facts(files, packages=Packages("dpkg", {})))
    assert isinstance(proof, Holds)
    assert proof.values["lost"] == "/var/lib/dpkg/status-old"
    assert proof.commands is not None
    assert "status-old" in proof.commands[-1]
    assert isinstance(prove("dpkg_interrupted", facts(packages=Packages("dpkg", {}))), Fails)


# -- rpm

EL: dict[str, Node] = {"/etc/os-release": 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'}
SQLITE, BERKELEY, NDB = "/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages", "/usr/lib/sysimage/rpm/Packages.db"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real SQLite database of some pages."""
    path = tmp_path_factory.mktemp("rpm") / "rpmdb.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table Packages (hnum integer primary key, blob blob)")
        connection.executemany("insert into Packages values (?, ?)", [(n, bytes(3000)) for n in range(20)])
        connection.commit()
    return path.read_bytes()


def rpm(files: dict[str, Node], *matches: tuple[str, Match]) -> Proof:
    return prove("rpmdb_broken", facts({**EL, **files}, packages=Packages("rpm", Unknown("rpm"))), *matches)


def berkeley(magic: int = 0x61561) -> bytes:
    return (bytes(12) + magic.to_bytes(4, "little")).ljust(8192, b"\1")


def test_a_whole_database_is_sound(database: bytes) -> None:
    assert isinstance(rpm({SQLITE: database}), Fails)
    assert isinstance(rpm({BERKELEY: berkeley()}), Fails)
    assert isinstance(rpm({NDB: b"RpmP".ljust(4096, b"\1")}), Fails)


def test_a_database_that_is_empty_cut_off_or_none_at_all_holds(database: bytes) -> None:
    for files in (
        {SQLITE: b""},
        {SQLITE: database[:-4096]},
        {SQLITE: b"x" * 9000},
        {SQLITE: bytes(9000)},
        {BERKELEY: b"\1" * 9000},
        {NDB: b"\1" * 9000},
    ):
        proof = rpm(dict(files))
        assert isinstance(proof, Holds), files
        assert proof.commands is not None
        assert proof.commands[1] == "chroot /media/sda rpm --rebuilddb"


def test_pages_that_are_still_in_the_log_are_not_missing(database: bytes) -> None:
    assert isinstance(rpm({SQLITE: database[:-4096], f"{SQLITE}-wal": "pages"}), Fails)


def test_no_database_or_another_package_manager_proves_nothing() -> None:
    assert isinstance(rpm({}), CantTell)
    assert isinstance(prove("rpmdb_broken", facts({SQLITE: b""}, packages=Packages("dpkg", {}))), Fails)
    assert isinstance(prove("rpmdb_broken", facts(packages=Packages("", Unknown("none")))), Fails)


def test_roots_word_in_the_journal_counts_until_the_database_was_changed(database: bytes) -> None:
    match = said("error: rpmdb: BDB0113 Thread/process 15933 failed", time=1000.0)
    assert isinstance(rpm({SQLITE: File(database, mtime=500.0)}, ("database", match)), Holds)
    assert isinstance(rpm({SQLITE: File(database, mtime=2000.0)}, ("database", match)), CantTell)
    rumour = said(match.entry.text, trusted=False)
    assert isinstance(rpm({SQLITE: database}, ("database", rumour)), CantTell)
