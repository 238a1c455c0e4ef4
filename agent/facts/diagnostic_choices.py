"""Which distribution gets which diagnostic set, by ID and version. Data for diagnostic_sets.choose."""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]
NEWEST: Version = (9999,)  # for rolling releases, testing and sid: they have no number


@dataclass(frozen=True)
class Choice:
    """Distributions (by ID) from ``first`` up to, not including, the next choice of the same IDs."""

    ids: tuple[str, ...]
    first: Version
    set: str


_UBUNTU = ("ubuntu", "pop", "neon", "elementary", "zorin", "linuxmint")
_DEBIAN = ("debian", "raspbian", "kali", "parrot", "lmde", "pureos", "mx", "antix", "proxmox", "pve")
_RHEL = (
    *("rhel", "centos", "rocky", "almalinux", "ol", "scientific", "cloudlinux", "eurolinux", "springdale"),
    *("virtuozzo", "xenenterprise", "miraclelinux", "navylinux", "circle", "rhcos"),
)
_SUSE = ("opensuse", "opensuse-leap", "sles", "sled", "sles_sap", "suse")
_MICRO = (
    "opensuse-microos",
    "opensuse-leap-micro",
    "sle-micro",
    "sl-micro",
    "suse-microos",
    "opensuse-slowroll",
)

CHOICES: tuple[Choice, ...] = (
    Choice(_DEBIAN, (), "debian7-ubuntu1404"),
    Choice(_DEBIAN, (8,), "debian8-ubuntu1604"),
    Choice(_DEBIAN, (10,), "debian10"),
    Choice(("devuan",), (), "devuan"),
    Choice(_UBUNTU, (), "debian7-ubuntu1404"),
    Choice(_UBUNTU, (15, 4), "debian8-ubuntu1604"),  # the first with systemd
    Choice(_UBUNTU, (17, 10), "ubuntu1804"),  # the first with netplan
    Choice(_UBUNTU, (18, 10), "ubuntu2004"),
    Choice(_RHEL, (), "centos6"),
    Choice(_RHEL, (7,), "centos7-fedora"),
    Choice(_RHEL, (8,), "rhel8"),
    Choice(_RHEL, (9,), "rhel9"),
    Choice(_RHEL, (10,), "rhel10"),
    Choice(("fedora",), (), "centos6"),
    Choice(("fedora",), (15,), "centos7-fedora"),
    Choice(("fedora",), (36,), "fedora36"),  # the ifcfg reader is no longer installed
    Choice(("amzn",), (), "amazon2023"),
    Choice(("amzn",), (2,), "amazon2"),
    Choice(("amzn",), (3,), "amazon1"),  # numbered by year: 2011.09 to 2018.03
    Choice(("amzn",), (2022,), "amazon2023"),
    Choice(_SUSE, (), "sles11"),
    Choice(_SUSE, (12,), "opensuse"),
    Choice(_SUSE, (16,), "opensuse16"),
    Choice(_SUSE, (42,), "opensuse"),
    Choice(_SUSE, (100,), "opensuse16"),  # a date: Tumbleweed when it still had ID=opensuse
    Choice(("opensuse-tumbleweed", *_MICRO), (), "opensuse16"),
    Choice(("arch", "archarm", "coreos"), (), "arch-coreos"),
    Choice(("flatcar",), (), "flatcar"),
    Choice(("alpine", "postmarketos"), (), "alpine"),
    Choice(("gentoo", "funtoo", "calculate"), (), "gentoo"),
    Choice(("slackware", "slackwareaarch64", "slackware64", "salix", "slint"), (), "slackware"),
    Choice(("void",), (), "void"),
)

# Codenames of the base that a derivative names instead of its number.
CODENAMES: dict[str, tuple[str, Version]] = {
    **{
        name: ("debian", (number,))
        for number, name in enumerate(
            (
                "squeeze",
                "wheezy",
                "jessie",
                "stretch",
                "buster",
                "bullseye",
                "bookworm",
                "trixie",
                "forky",
                "duke",
            ),
            start=6,
        )
    },
    **{
        name: ("ubuntu", version)
        for name, version in (
            ("lucid", (10, 4)),
            ("precise", (12, 4)),
            ("quantal", (12, 10)),
            ("raring", (13, 4)),
            ("saucy", (13, 10)),
            ("trusty", (14, 4)),
            ("xenial", (16, 4)),
            ("bionic", (18, 4)),
            ("focal", (20, 4)),
            ("jammy", (22, 4)),
            ("noble", (24, 4)),
            ("resolute", (26, 4)),
        )
    },
}


def name_for(identity: str, version: Version) -> str:
    """The set of a distribution's release; "" for a distribution that has none."""
    fitting = [choice for choice in CHOICES if identity in choice.ids and choice.first <= version]
    return max(fitting, key=lambda choice: choice.first).set if fitting else ""
