"""Where sshd listens: its configuration, its command line, its socket."""

from __future__ import annotations

import pytest

from agent.facts import ssh
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.virtual import Denied, File, Link, Node, virtual

SSHD: dict[str, Node] = {"/usr/sbin/sshd": File("", mode=0o755)}
CONFIG = "/etc/ssh/sshd_config"
SOCKET = "[Unit]\n[Socket]\nListenStream=22\nAccept=no\n[Install]\nWantedBy=sockets.target\n"
UBUNTU: dict[str, Node] = {
    **SSHD,
    "/usr/lib/systemd/system/ssh.socket": SOCKET,
    "/etc/systemd/system/sockets.target.wants/ssh.socket": Link("/usr/lib/systemd/system/ssh.socket"),
}


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ("", (22,)),
        ("#Port 2222\n", (22,)),
        ("Port 2222\n", (2222,)),
        ("port=2222\n", (2222,)),
        ('  Port "2222" # moved\n', (2222,)),
        ("Port 22\nPort 2222\nPort 22\n", (22, 2222)),
        ("Port 2222\r\n", (2222,)),
        ("ListenAddress 192.0.2.1\n", (22,)),
        ("ListenAddress 192.0.2.1:2200\n", (2200,)),
        ("ListenAddress [2001:db8::1]:2200\nListenAddress 192.0.2.1\nPort 22\n", (2200, 22)),
        ("ListenAddress 2001:db8::1\n", (22,)),
        ("Match User x\nPort 2222\n", (22,)),
        ("Port 99999\nPort x\nPort -1\n", (22,)),
    ],
)
def test_ports_of_the_configuration(config: str, ports: tuple[int, ...]) -> None:
    found = ssh.read(virtual({**SSHD, CONFIG: config}))
    assert found.installed and found.ports == ports


def test_includes_are_read_where_they_stand() -> None:
    found = ssh.read(virtual({
        **SSHD,
        CONFIG: "Include sshd_config.d/*.conf\nInclude /etc/ssh/none\n",
        "/etc/ssh/sshd_config.d/10.conf": "Port 2222\nMatch all\nPort 1\n",
        "/etc/ssh/sshd_config.d/20.conf": "Port 2223\n",
        "/etc/ssh/sshd_config.d/30.disabled": "Port 2224\n",
    }))  # fmt: skip
    assert found.ports == (2222, 2223) and found.unread == ()


def test_an_include_that_includes_itself_ends() -> None:
    assert ssh.read(virtual({**SSHD, CONFIG: f"Include {CONFIG}\nPort 2222\n"})).ports == (2222,)


def test_an_unreadable_include_is_told() -> None:
    found = ssh.read(virtual({**SSHD, CONFIG: "Include x.conf\n", "/etc/ssh/x.conf": Denied()}))
    assert found.unread and found.ports == (22,)


def test_ports_on_the_command_line_replace_those_of_the_file() -> None:
    found = ssh.read(virtual({**SSHD, CONFIG: "Port 22\n", "/etc/default/ssh": 'SSHD_OPTS="-p 2222"\n'}))
    assert found.ports == (2222,)


def test_without_sshd() -> None:
    assert not ssh.read(virtual({})).installed


def test_opensuses_vendor_configuration() -> None:
    assert ssh.read(virtual({**SSHD, "/usr/etc/ssh/sshd_config": "Port 2222\n"})).ports == (2222,)


# -- socket activation


def test_an_enabled_socket_listens_in_sshds_place() -> None:
    found = ssh.read(virtual({**UBUNTU, CONFIG: "Port 2222\n"}))
    assert (found.socket, found.ports) == ("ssh.socket", (22,))


def test_a_socket_that_is_not_enabled_or_masked_does_not() -> None:
    files = {**SSHD, "/usr/lib/systemd/system/ssh.socket": SOCKET, CONFIG: "Port 2222\n"}
    assert ssh.read(virtual(files)).ports == (2222,)
    masked = {**UBUNTU, "/etc/systemd/system/ssh.socket": Link("/dev/null"), CONFIG: "Port 2222\n"}
    assert ssh.read(virtual(masked)).ports == (2222,)


def test_a_drop_in_adds_a_port_and_an_empty_one_takes_the_others_back() -> None:
    folder = "/etc/systemd/system/ssh.socket.d"
    added: dict[str, Node] = {**UBUNTU, f"{folder}/a.conf": "[Socket]\nListenStream=2222\n"}
    assert ssh.read(virtual(added)).ports == (22, 2222)
    reset: dict[str, Node] = {
        **UBUNTU,
        f"{folder}/a.conf": "[Socket]\nListenStream=\nListenStream=0.0.0.0:2222\nListenStream=[::]:2222\n",
    }
    assert ssh.read(virtual(reset)).ports == (2222,)


def test_ubuntu_24_carries_the_port_of_the_configuration_over() -> None:
    files: dict[str, Node] = {
        **UBUNTU,
        CONFIG: "Port 2222\n",
        "/usr/lib/systemd/system-generators/sshd-socket-generator": File("", mode=0o755),
    }
    assert ssh.read(virtual(files)).ports == (2222,)
    files["/etc/systemd/system/ssh.socket.d/override.conf"] = "[Socket]\nListenStream=\nListenStream=2200\n"
    assert ssh.read(virtual(files)).ports == (2200,)


# -- live


def test_what_listens_on_its_ports() -> None:
    sockets = [
        {"type": "tcp", "family": 4, "address": "0.0.0.0", "port": 22, "pid": 1, "name": "sshd"},
        {"type": "tcp", "family": 6, "address": "::", "port": 22, "pid": 1, "name": "sshd"},
        {"type": "udp", "family": 4, "address": "0.0.0.0", "port": 22, "pid": 1, "name": "x"},
        {"type": "tcp", "family": 4, "address": "0.0.0.0", "port": 80, "pid": 1, "name": "x"},
        {"address": None},
        7,
    ]
    found = ssh.read(virtual(SSHD, Mode.LIVE, queries={"sockets": sockets}))
    assert found.listening == ("0.0.0.0:22", "[::]:22")
    assert isinstance(ssh.read(virtual(SSHD)).listening, Unknown)
