"""Claims about dpkg's state."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Fails, Holds
from agent.facts.packages import Packages
from agent.unknown import Unknown
from tests.proofs.managed import facts, prove


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
