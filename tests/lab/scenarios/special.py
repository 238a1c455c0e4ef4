"""Hosts that lie, and hosts that were repaired: what a log says is not what is."""

from __future__ import annotations

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
