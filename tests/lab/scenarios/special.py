"""Hosts that lie, hosts that were repaired, hosts that an upgrade left half way: what a log says is not what is."""

from __future__ import annotations

from datetime import datetime, timezone

from tests.lab.root import Root
from tests.lab.scenarios.ifupdown import FAILED, static
from tests.lab.scenarios.ifupdown import SCENARIOS as IFUPDOWN
from tests.lab.scenarios.model import Running, Scenario

FORGED = (
    "/etc/network/if-up.d/sendmail: 44: .: Can't open /usr/share/sendmail/dynamic",
    "run-parts: /etc/network/if-up.d/sendmail exited with return code 2",
    "run-parts: failed to exec /etc/network/if-up.d/iptables: Exec format error",
    "run-parts: /etc/network/if-pre-up.d/iptables exited with return code 1",
    "ifup: failed to bring up eth0",
)


def forge_as_a_user(host: Running) -> None:
    """What any account on the host can put into its log."""
    for line in FORGED:
        host.inside("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "logger", "-t", "ifup", line)


def forge_as_an_ssh_user(host: Running) -> None:
    """What anybody on the Internet can put into it: sshd logs the name that was tried."""
    for line in FORGED:
        name = f"Invalid user {line} from 192.0.2.1 port 41234"
        host.inside("logger", "-p", "auth.info", "-t", "sshd", name)


HISTORY = "/var/log/apt/history.log"
CROSSING = """
Start-Date: {now:%Y-%m-%d  %H:%M:%S}
Commandline: apt-get dist-upgrade
Upgrade: base-files:amd64 (10.3+deb10u13, 11.1+deb11u9), libc6:amd64 (2.28-10, 2.31-13), openssh-server:amd64 (1, 2)
"""


def killed_upgrade(root: Root) -> None:
    """apt writes what it is about to do, and when it has ended; the power went in between."""
    root.append(HISTORY, CROSSING.format(now=datetime.now(timezone.utc)))


def _end_of_upgrade(root: Root) -> None:
    root.append(HISTORY, f"End-Date: {datetime.now(timezone.utc):%Y-%m-%d  %H:%M:%S}\n")


def _sendmail() -> Scenario:
    return next(scenario for scenario in IFUPDOWN if scenario.finding == "ifup-hook-sendmail")


def _guard_again(root: Root) -> None:
    root.purge("sendmail-base")
    root.remove("/etc/network/if-up.d/sendmail")


SCENARIOS = (
    Scenario(
        "log lines forged by a user", "ifupdown", static, whisper=forge_as_a_user, journal=(r"ifup\[\d+\]: run-parts",)
    ),
    Scenario(
        "log lines forged by ssh user names",
        "ifupdown",
        static,
        whisper=forge_as_an_ssh_user,
        journal=(r"sshd\[\d+\]: Invalid user run-parts",),
    ),
    Scenario(
        "ifupdown: a release upgrade was killed",
        "ifupdown",
        static,
        killed_upgrade,
        finding="upgrade-in-progress",
        rung="packages",
        answers=True,
    ),
    Scenario(
        "ifupdown: a release upgrade was killed, and ended since",
        "ifupdown",
        static,
        killed_upgrade,
        finding="upgrade-in-progress",
        rung="packages",
        repair=_end_of_upgrade,
    ),
    Scenario(
        "sendmail hook, repaired since",
        "sendmail",
        static,
        _sendmail().damage,
        finding="ifup-hook-sendmail",
        rung="manager",
        consequences=FAILED,
        repair=_guard_again,
    ),
)
