"""Which distribution: os-release, the files from before it, and the traps between them."""

from __future__ import annotations

import io
import re

import distro as library
import pytest

from agent.facts import distro, release_files
from agent.facts.shell_words import assignments
from tests.virtual import Denied, Dir, Link, virtual

# (what it is, files, id, version, families)
OS_RELEASE = [
    (
        "debian 7",
        'NAME="Debian GNU/Linux"\nVERSION_ID="7"\nVERSION="7 (wheezy)"\nID=debian\n',
        "debian",
        "7",
        (),
    ),
    (
        "debian 12",
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'),
        "debian",
        "12",
        (),
    ),
    (
        "ubuntu 24.04",
        'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
        "ubuntu",
        "24.04",
        ("debian",),
    ),
    ("raspbian", "ID=raspbian\nID_LIKE=debian\nVERSION_ID=11\n", "raspbian", "11", ("debian",)),
    ("kali", 'ID=kali\nVERSION_ID="2024.1"\nID_LIKE=debian\n', "kali", "2024.1", ("debian",)),
    (
        "finnix",
        'PRETTY_NAME="Finnix 125"\nVERSION_ID="125"\nID="finnix"\nID_LIKE="debian"\n',
        "finnix",
        "125",
        ("debian",),
    ),
    ("finnix 120, unquoted", "ID=finnix\nVERSION_ID=120\nID_LIKE=debian\n", "finnix", "120", ("debian",)),
    (
        "centos 7",
        'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\n',
        "centos",
        "7",
        ("rhel", "fedora"),
    ),
    (
        "oracle 8",
        'NAME="Oracle Linux Server"\nID="ol"\nID_LIKE="fedora"\nVERSION_ID="8.9"\n',
        "ol",
        "8.9",
        ("fedora",),
    ),
    (
        "rocky 9",
        'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\n',
        "rocky",
        "9.3",
        ("rhel", "centos", "fedora"),
    ),
    ("fedora coreos", "ID=fedora\nVERSION_ID=39\nVARIANT_ID=coreos\n", "fedora", "39", ()),
    ("container linux", "ID=coreos\nVERSION_ID=2512.3.0\n", "coreos", "2512.3.0", ()),
    (
        "flatcar",
        "NAME=Flatcar\nID=flatcar\nID_LIKE=coreos\nVERSION_ID=3510.2.0\n",
        "flatcar",
        "3510.2.0",
        ("coreos",),
    ),
    ("arch", 'NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n', "arch", "", ()),
    ("arch image", "ID=arch\nBUILD_ID=rolling\nVERSION_ID=TEMPLATE_VERSION_ID\n", "arch", "", ()),
    (
        "tumbleweed",
        'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20240101"\n',
        "opensuse-tumbleweed",
        "20240101",
        ("opensuse", "suse"),
    ),
    (
        "leap",
        'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.5"\n',
        "opensuse-leap",
        "15.5",
        ("suse", "opensuse"),
    ),
    ("sles", 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.4"\n', "sles", "15.4", ("suse",)),
    (
        "amazon 1",
        'ID="amzn"\nID_LIKE="rhel fedora"\nVERSION_ID="2018.03"\n',
        "amzn",
        "2018.03",
        ("rhel", "fedora"),
    ),
    ("amazon 2023", 'ID="amzn"\nVERSION_ID="2023"\nID_LIKE="fedora"\n', "amzn", "2023", ("fedora",)),
    ("alpine", "ID=alpine\nVERSION_ID=3.19.0\n", "alpine", "3.19.0", ()),
    ("gentoo", "NAME=Gentoo\nID=gentoo\n", "gentoo", "", ()),
    ("slackware", 'NAME=Slackware\nVERSION="15.0"\nID=slackware\nVERSION_ID=15.0\n', "slackware", "15.0", ()),
    ("void", 'NAME="Void"\nID="void"\n', "void", "", ()),
    (
        "openEuler writes capitals",
        'NAME="openEuler"\nID="openEuler"\nVERSION_ID="22.03"\n',
        "openeuler",
        "22.03",
        (),
    ),
    ("no ID, but a name", 'NAME="CentOS Linux"\nVERSION_ID="8"\n', "centos", "8", ()),
    ("windows line ends", 'ID=debian\r\nVERSION_ID="12"\r\n', "debian", "12", ()),
    ("a byte order mark", "\ufeffID=debian\nVERSION_ID=12\n", "debian", "12", ()),
    ("a quote that never closes", 'NAME="Debian\nID=debian\nVERSION_ID="12"\n', "debian", "12", ()),
    ("a comment with a key in it", "#ID=evil\nID=debian\nVERSION_ID=12 # not this\n", "debian", "12", ()),
    ("single quotes", "ID='debian'\nVERSION_ID='12'\n", "debian", "12", ()),
    ("the last one counts", "ID=ubuntu\nID=debian\nVERSION_ID=12\n", "debian", "12", ()),
]


@pytest.mark.parametrize(
    ("text", "identity", "version", "like"),
    [row[1:] for row in OS_RELEASE],
    ids=[row[0] for row in OS_RELEASE],
)
def test_os_release_is_read(text: str, identity: str, version: str, like: tuple[str, ...]) -> None:
    found = distro.read(virtual({"/etc/os-release": text}))
    assert (found.id, found.version, found.like) == (identity, version, like)
    assert found.source == "/etc/os-release"


@pytest.mark.parametrize("text", [row[1] for row in OS_RELEASE if "quote" not in row[0] and "comment" not in row[0]])
def test_the_library_reads_the_same_fields(text: str) -> None:
    plain = io.StringIO(text.replace("\r", "").lstrip("\ufeff"))
    theirs = library.LinuxDistribution._parse_os_release_content(plain)
    ours = {key.lower(): value for key, value in assignments(text).items()}
    assert ours.items() <= theirs.items()


LEGACY = [
    ("debian 6", {"/etc/debian_version": "6.0.10\n"}, "debian", "6.0.10"),
    ("debian testing without os-release", {"/etc/debian_version": "wheezy/sid\n"}, "debian", ""),
    ("centos 5", {"/etc/redhat-release": "CentOS release 5.11 (Final)\n"}, "centos", "5.11"),
    (
        "centos 6",
        {
            "/etc/redhat-release": Link("centos-release"),
            "/etc/centos-release": "CentOS release 6.10 (Final)\n",
        },
        "centos",
        "6.10",
    ),
    (
        "rhel 6",
        {
            "/etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
            "/etc/lsb-release": "LSB_VERSION=base-4.0-amd64\n",
        },
        "rhel",
        "6.10",
    ),
    (
        "oracle 6 beside its redhat-release",
        {
            "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
            "/etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
        },
        "ol",
        "6.10",
    ),
    (
        "oracle 5",
        {
            "/etc/enterprise-release": "Enterprise Linux Enterprise Linux Server release 5.8 (Carthage)\n",
            "/etc/redhat-release": "Red Hat Enterprise Linux Server release 5.8 (Tikanga)\n",
        },
        "ol",
        "5.8",
    ),
    (
        "scientific 6",
        {"/etc/redhat-release": "Scientific Linux release 6.10 (Carbon)\n"},
        "scientific",
        "6.10",
    ),
    (
        "cloudlinux 6",
        {"/etc/redhat-release": "CloudLinux Server release 6.10 (Yevgeny Khrunov)\n"},
        "cloudlinux",
        "6.10",
    ),
    (
        "fedora 14",
        {
            "/etc/fedora-release": "Fedora release 14 (Laughlin)\n",
            "/etc/redhat-release": Link("fedora-release"),
        },
        "fedora",
        "14",
    ),
    ("amazon 2011", {"/etc/system-release": "Amazon Linux AMI release 2011.09\n"}, "amzn", "2011.09"),
    (
        "ubuntu 10.04",
        {
            "/etc/lsb-release": (
                "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\n"
                'DISTRIB_DESCRIPTION="Ubuntu 10.04.4 LTS"\n'
            ),
            "/etc/debian_version": "squeeze/sid\n",
        },
        "ubuntu",
        "10.04",
    ),
    (
        "sles 11",
        {"/etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"},
        "sles",
        "11.4",
    ),
    (
        "opensuse 12.1",
        {"/etc/SuSE-release": "openSUSE 12.1 (x86_64)\nVERSION = 12.1\nCODENAME = Asparagus\n"},
        "opensuse",
        "12.1",
    ),
    ("alpine 2", {"/etc/alpine-release": "2.7.9\n"}, "alpine", "2.7.9"),
    ("gentoo", {"/etc/gentoo-release": "Gentoo Base System release 2.2\n"}, "gentoo", "2.2"),
    ("slackware 13", {"/etc/slackware-version": "Slackware 13.37.0\n"}, "slackware", "13.37"),
    ("slackware current", {"/etc/slackware-version": "Slackware 15.0+\n"}, "slackware", "15.0"),
    ("arch", {"/etc/arch-release": ""}, "arch", ""),
    ("mageia", {"/etc/mageia-release": "Mageia release 9 (Official) for x86_64\n"}, "mageia", "9"),
    ("one that nobody knows", {"/etc/frobnix-release": "Frobnix 3.2 (Foo)\n"}, "frobnix", "3.2"),
]


@pytest.mark.parametrize(("files", "identity", "version"), [row[1:] for row in LEGACY], ids=[row[0] for row in LEGACY])
def test_legacy_files_are_read(files: dict[str, str], identity: str, version: str) -> None:
    found = distro.read(virtual(files))
    assert (found.id, found.version) == (identity, version)
    assert found.source in files


def test_sid_has_no_version_and_takes_its_codename_from_debian_version() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux bullseye/sid"\nID=debian\n',
                "/etc/debian_version": "bullseye/sid\n",
            }
        )
    )
    assert (found.version, found.codename, found.release) == ("", "bullseye", ())


def test_a_debian_whose_os_release_lost_its_version_takes_it_from_debian_version() -> None:
    found = distro.read(virtual({"/etc/os-release": "ID=debian\n", "/etc/debian_version": "13.1\n"}))
    assert found.version == "13"


def test_mint_17_kept_ubuntus_os_release() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": (
                    'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="14.04"\nVERSION="14.04, Trusty Tahr"\n'
                ),
                "/etc/lsb-release": (
                    "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=17\nDISTRIB_CODENAME=qiana\n"
                    'DISTRIB_DESCRIPTION="Linux Mint 17 Qiana"\n'
                ),
            }
        )
    )
    assert (found.id, found.version, found.like) == ("linuxmint", "17", ("ubuntu", "debian"))


def test_mint_21_names_its_base() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": (
                    'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21.2"\n'
                    "VERSION_CODENAME=victoria\nUBUNTU_CODENAME=jammy\n"
                )
            }
        )
    )
    assert (found.id, found.version, found.base) == ("linuxmint", "21.2", "jammy")


def test_lmde_is_mint_on_debian() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": (
                    'NAME="LMDE"\nID=linuxmint\nID_LIKE=debian\nVERSION_ID="6"\nDEBIAN_CODENAME=bookworm\n'
                )
            }
        )
    )
    assert found.is_a("debian") and not found.is_a("ubuntu") and found.base == "bookworm"


def test_old_lmde_kept_debians_os_release() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": 'ID=debian\nVERSION_ID="8"\n',
                "/etc/lsb-release": ('DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=2\nDISTRIB_DESCRIPTION="LMDE 2 Betsy"\n'),
            }
        )
    )
    assert (found.id, found.version, found.like) == ("linuxmint", "2", ("debian",))


def test_scientific_7_with_the_id_of_red_hat() -> None:
    found = distro.read(virtual({"/etc/os-release": 'NAME="Scientific Linux"\nID="rhel"\nVERSION_ID="7.2"\n'}))
    assert (found.id, found.version) == ("scientific", "7.2")


def test_fedora_coreos_is_fedora_with_a_variant() -> None:
    found = distro.read(virtual({"/etc/os-release": "ID=fedora\nVARIANT_ID=coreos\nVERSION_ID=40\n"}))
    assert (found.id, found.variant) == ("fedora", "coreos")


def test_a_link_in_the_target_is_followed_inside_it() -> None:
    found = distro.read(
        virtual(
            {
                "/etc/os-release": Link("/usr/lib/os-release"),
                "/usr/lib/os-release": "ID=debian\nVERSION_ID=12\n",
            }
        )
    )
    assert found.version == "12"


def test_usr_lib_counts_when_etc_has_none() -> None:
    assert distro.read(virtual({"/usr/lib/os-release": "ID=arch\n"})).source == "/usr/lib/os-release"


def test_an_unreadable_os_release_leaves_the_legacy_files() -> None:
    found = distro.read(
        virtual({"/etc/os-release": Denied(), "/etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n"})
    )
    assert (found.id, found.version) == ("centos", "7.9.2009")


def test_an_empty_target_is_an_unknown_distribution() -> None:
    found = distro.read(virtual({"/etc": Dir()}))
    assert not found.known and found.release == () and found.source == ""


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00ID=\x00",
        b"ID=" + b"a" * 100_000,
        b"\x00" * 5000,
        b"ID=\nNAME=\n",
        b"=\n==\n",
        b'ID="' + b"\n" * 300,
    ],
)
def test_garbage_is_no_error(text: bytes) -> None:
    assert isinstance(distro.read(virtual({"/etc/os-release": text})), distro.Distro)


def test_control_characters_do_not_reach_the_name() -> None:
    found = distro.read(virtual({"/etc/os-release": b'ID=debian\nPRETTY_NAME="\x1b[2JDebian\x07"\n'}))
    assert "\x1b" not in found.name and "\x07" not in found.name


def test_release_stops_at_what_is_no_number() -> None:
    assert distro.Distro("alpine", "3.20_alpha2024", "").release == (3,)
    assert distro.Distro("ubuntu", "18.04", "").release == (18, 4)


def test_the_legacy_line_is_read_as_the_library_reads_it() -> None:
    for line in (
        "CentOS release 6.10 (Final)",
        "Fedora release 14 (Laughlin)",
        "Gentoo Base System release 2.2",
    ):
        ours = release_files.parse_line(line, "")
        theirs = library.LinuxDistribution._parse_distro_release_content(line)
        assert ours is not None and ours.version == theirs["version_id"]
        assert re.sub(r"\W", "", ours.codename) == re.sub(r"\W", "", theirs.get("codename", ""))


def test_grub_defaults_expand_earlier_values() -> None:
    text = 'A="one two"\nB="$A three"\nC=${A}\nB+=" four"\nD=\'$A\'\n'
    assert assignments(text, expand=True) == {
        "A": "one two",
        "B": "one two three four",
        "C": "one two",
        "D": "$A",
    }
