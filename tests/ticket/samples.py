"""A rich ticket made of the real data classes: a Debian host whose networking fails at boot."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from agent.change.model import Absent, Change, ChangeState, Move, Plan, Run, Step, WriteFile
from agent.diagnosis.loader import load
from agent.diagnosis.model import Advice, Evidence, Finding, Layer, LayerState, Rule, Rung, Severity, Status
from agent.diagnosis.verdict import judge, relate
from agent.facts.diagnostics import Diagnostic
from agent.facts.distro import Distro
from agent.fixes.offers import Offer, Offers, with_fix
from agent.fixes.registry import FIXES
from agent.logs.model import Unchecked
from agent.redaction.model import Removed
from agent.report.model import Scan, Subject
from agent.ticket.model import Attachment, Event, EventKind, Ticket
from agent.ticket.since import CHANGED, PATH
from tests.ticket.planting import planted as planted  # for those who plant in this ticket
from tests.ticket.sample_traces import dying, healthy, losing

HOOK = "/etc/network/if-up.d/sendmail"


def when(text: str) -> float:
    """Seconds since the epoch of a time in UTC: "2026-11-23 09:34:10"."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


@lru_cache(maxsize=1)
def _rules() -> dict[str, Rule]:
    return {rule.id: rule for rule in load()}


def found(
    identity: str, proof: str, status: Status = Status.CONFIRMED, severity: Severity | None = None, **more: Any
) -> Finding:
    """A finding of one of our own rules."""
    rule = _rules()[identity]
    values = {"count": 1, "advice": rule.advice, **more}
    return Finding(rule, status, severity or rule.severity, rule.title, proof, values.pop("evidence", ()), **values)


def findings() -> tuple[Finding, ...]:
    """The sendmail hook, what it causes, and three things beside it."""
    hook = found(
        "ifup-hook-sendmail",
        f"{HOOK} reads /usr/share/sendmail/dynamic without looking whether it is there, and it is not",
        count=6,
        first=when("2026-11-23 09:41:07"),
        last=when("2026-11-23 18:20:31"),
        evidence=(
            Evidence(HOOK, ". /usr/share/sendmail/dynamic", 24),
            Evidence(
                "journal",
                f"{HOOK}: 24: .: Can't open /usr/share/sendmail/dynamic",
                cursor="s=1;i=2",
                time=when("2026-11-23 18:20:31"),
                boot=0,
            ),
            Evidence(
                "journal", f"run-parts: {HOOK} exited with return code 2", time=when("2026-11-23 18:20:31"), boot=0
            ),
        ),
    )
    unit = found(
        "networking-failed",
        "networking.service failed at this boot: exit status 1",
        count=2,
        first=when("2026-11-23 09:41:08"),
        last=when("2026-11-23 18:20:32"),
        evidence=(
            Evidence(
                "journal",
                "networking.service: Main process exited, code=exited, status=1/FAILURE",
                time=when("2026-11-23 18:20:32"),
                boot=0,
            ),
        ),
    )
    resolver = found(
        "resolver-down",
        "/etc/resolv.conf names 127.0.0.53, and nothing listens there",
        severity=Severity.WARNING,
        advice=Advice(
            "/etc/resolv.conf points at this host itself, and the service that should answer there does not run.",
            ("systemctl enable --now systemd-resolved",),
        ),
        first=when("2026-11-23 18:20:40"),
        evidence=(Evidence("/etc/resolv.conf", "nameserver 127.0.0.53", 3),),
    )
    killed = found(
        "oom-killer",
        "the kernel killed mysqld to get memory; it was started again since",
        status=Status.PAST,
        count=3,
        first=when("2026-11-20 02:11:09"),
        last=when("2026-11-21 02:11:40"),
        evidence=(
            Evidence(
                "/var/log/kern.log",
                "Out of memory: Killed process 812 (mysqld) total-vm:2117484kB, anon-rss:1402112kB",
                8812,
                time=when("2026-11-21 02:11:40"),
                boot=-2,
            ),
        ),
    )
    wait = found(
        "wait-online-timeout",
        "the unit's result can't be seen: systemd does not run in a chroot",
        status=Status.SUSPECTED,
        evidence=(Evidence("/var/log/syslog", "Timed out waiting for the network to be online", 4411),),
    )
    return relate((hook, unit, resolver, killed, wait))


def rungs() -> tuple[Rung, ...]:
    """All four states of a rung."""
    told = {
        Layer.BOOT: (LayerState.OK, "the kernel and its initramfs are there; booted at Nov 23 18:20 UTC"),
        Layer.STORAGE: (LayerState.OK, "ext4 on /dev/sda is clean, 61 % full, 12 % of its inodes used"),
        Layer.PACKAGES: (LayerState.WARNING, "sendmail-base was removed and not purged"),
        Layer.LINK: (LayerState.OK, "eth0 is up and has a carrier"),
        Layer.NAME: (LayerState.OK, "eth0 is named in /etc/network/interfaces, and it is there"),
        Layer.MANAGER: (LayerState.BROKEN, f"{HOOK} makes ifup fail"),
        Layer.ADDRESS: (LayerState.OK, "192.0.2.123/24 is on eth0"),
        Layer.ROUTE: (LayerState.OK, "default via 192.0.2.1 dev eth0; it answers"),
        Layer.FIREWALL: (LayerState.OK, "nothing stops port 22 for anybody"),
        Layer.DNS: (LayerState.WARNING, "127.0.0.53 does not answer"),
        Layer.SSH: (
            LayerState.UNCHECKED,
            "sshd's port could not be told: /etc/ssh/sshd_config includes a missing file",
        ),
    }
    return tuple(Rung(layer, *told[layer]) for layer in Layer)


def offer(finding: Finding) -> Offer:
    """The fix of the sendmail hook."""
    fix = next(one for one in FIXES if one.name == "sendmail")
    plan = Plan(
        "Moves the sendmail hooks aside, where ifup does not run them.",
        (Move(HOOK, "/etc/network/sendmail.if-up.saved"),),
        warnings=("Mail that sendmail would send at ifup stays queued.",),
    )
    return Offer(fix, finding, "", "agent fix --sendmail", "agent undo", plan)


def scan() -> Scan:
    """A Debian host whose networking fails at boot."""
    related = findings()
    steps = rungs()
    cause = next(finding for finding in related if finding.id == "ifup-hook-sendmail")
    offers = Offers((offer(cause),))
    return Scan(
        subject=Subject(
            "/",
            "live",
            False,
            "web-1.example.net",
            Distro("debian", "12", "Debian GNU/Linux 12 (bookworm)", codename="bookworm", source="/etc/os-release"),
            "debian10",
            "ifupdown",
            "systemd 252",
            "6.1.0-28-amd64",
        ),
        verdict=with_fix(judge(related, steps), offers),
        rungs=steps,
        findings=related,
        diagnostics=diagnostics(),
        next_steps=(("ifdown", "-a"), ("ifup", "-a")),
        unchecked=(
            Unchecked("Cloud Firewall", "it is outside of the host: look at it in Cloud Manager"),
            Unchecked("/var/log/btmp", "permission denied"),
            Unchecked("/var/log/wtmp", "permission denied"),
        ),
        sources=("journal", "/var/log/dpkg.log", "/var/log/apt/history.log", "/var/log/kern.log"),
        offers=offers,
    )


def diagnostics() -> tuple[Diagnostic, ...]:
    """Outputs of the set's commands: one fails, one can't run."""
    return (
        Diagnostic(
            ("ip", "a"),
            0,
            "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n"
            "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
            "    inet 127.0.0.1/8 scope host lo\n"
            "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000\n"
            "    link/ether f2:3c:93:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
            "    inet 192.0.2.123/24 brd 192.0.2.255 scope global eth0\n",
            0.01,
        ),
        Diagnostic(
            ("ip", "route"), 0, "default via 192.0.2.1 dev eth0 onlink\n192.0.2.0/24 dev eth0 scope link\n", 0.01
        ),
        Diagnostic(
            ("systemctl", "status", "networking"),
            3,
            "× networking.service - Raise network interfaces\n"
            "     Active: failed (Result: exit-code) since Mon 2026-11-23 18:20:32 UTC\n"
            f"run-parts: {HOOK} exited with return code 2\n",
            0.2,
        ),
        Diagnostic(("cat", "/etc/network/interfaces"), 0, "auto eth0\niface eth0 inet static\n", 0.0),
        Diagnostic(
            ("ping", "-c", "4", "192.0.2.1"), None, "", 0.0, "not run: the commands before it took too much time"
        ),
    )


def changes() -> tuple[Change, ...]:
    """A fix that did not help and was taken back, and one that stands."""
    restart = Run(("sh", "-c", "ifdown -a; ifup -a"), "takes all interfaces down and up again", inverse=())
    return (
        Change(
            "1-restart-network",
            "restart-network",
            ChangeState.UNDONE,
            "Takes the interfaces down and up again.",
            (
                Step(
                    restart,
                    {},
                    begun=True,
                    output=f"run-parts: {HOOK} exited with return code 2\nifup: failed",
                    failed="exit status 1",
                ),
            ),
            when("2026-11-23 18:31:00"),
            ended=when("2026-11-23 18:31:09"),
            why="networking.service fails again",
        ),
        Change(
            "2-resolv-conf",
            "resolv-conf",
            ChangeState.VERIFIED,
            "Writes the name servers of the network into /etc/resolv.conf.",
            (Step(WriteFile("/etc/resolv.conf", b"nameserver 192.0.2.53\n", 0o644), {"/etc/resolv.conf": Absent()}),),
            when("2026-11-23 18:36:12"),
            ended=when("2026-11-23 18:36:13"),
            warnings=("What writes this file at the next boot was not changed.",),
            next=("agent scan",),
        ),
    )


def timeline() -> tuple[Event, ...]:
    """Four days, three boots."""
    told = (
        ("2026-11-20 02:11:09", EventKind.FAILURE, "Out of memory: Killed process 812 (mysqld)", "/var/log/kern.log"),
        ("2026-11-21 02:11:40", EventKind.FAILURE, "Out of memory: Killed process 901 (mysqld)", "/var/log/kern.log"),
        ("2026-11-21 06:02:00", EventKind.BOOT, "boot -2: Linux 6.1.0-26-amd64, network up", "journal"),
        ("2026-11-22 23:58:40", EventKind.LOGIN, "admin from 198.51.100.7", "/var/log/auth.log"),
        ("2026-11-23 00:04:12", EventKind.PACKAGE, "removed sendmail-base 8.17.1.9-2", "/var/log/dpkg.log"),
        ("2026-11-23 00:04:13", EventKind.PACKAGE, "removed sendmail-bin 8.17.1.9-2", "/var/log/dpkg.log"),
        (
            "2026-11-23 00:09:55",
            EventKind.PACKAGE,
            "installed linux-image-6.1.0-28-amd64 6.1.119-1",
            "/var/log/dpkg.log",
        ),
        ("2026-11-23 00:12:30", EventKind.FILE, "/etc/network/interfaces changed", "/etc/network/interfaces"),
        ("2026-11-23 09:40:51", EventKind.BOOT, "boot -1: Linux 6.1.0-28-amd64, networking.service failed", "journal"),
        ("2026-11-23 09:41:08", EventKind.FAILURE, "networking.service failed: exit status 1", "journal"),
        ("2026-11-23 18:20:20", EventKind.BOOT, "boot 0: Linux 6.1.0-28-amd64, networking.service failed", "journal"),
        ("2026-11-23 18:20:32", EventKind.FAILURE, "networking.service failed: exit status 1", "journal"),
        ("2026-11-23 18:28:02", EventKind.LOGIN, "root on ttyS0", "/var/log/wtmp"),
        (
            "2026-11-23 18:31:00",
            EventKind.CHANGE,
            "applied 1-restart-network: it did not help",
            "change 1-restart-network",
        ),
        ("2026-11-23 18:31:09", EventKind.CHANGE, "undone 1-restart-network", "change 1-restart-network"),
        ("2026-11-23 18:36:12", EventKind.CHANGE, "applied 2-resolv-conf", "change 2-resolv-conf"),
    )
    return tuple(Event(when(time), kind, text, source) for time, kind, text, source in told)


def since_when() -> Attachment:
    """As agent/ticket/since.py writes it."""
    text = (
        "Since the boot of 2026-11-23 09:40 UTC at the latest: networking.service failed.\n"
        "The boot before it that went better was that of 2026-11-21 06:02 UTC: the network came up.\n"
        "Its first sign in the logs is of 2026-11-23 09:41 UTC (6 in all, the last at 2026-11-23 18:20 UTC).\n"
        f"\n{CHANGED}\n"
        "2026-11-23 00:12  /etc/network/interfaces changed\n"
        "2026-11-23 00:09  installed linux-image-6.1.0-28-amd64 6.1.119-1\n"
        "2026-11-23 00:04  removed sendmail-base 8.17.1.9-2\n"
    )
    return Attachment(PATH, "boots, logs, package history and file times of the host", text)


def ticket() -> Ticket:
    """All of it."""
    return Ticket(
        when("2026-11-23 18:45:30"),
        "0.1.0",
        scan(),
        changes(),
        timeline(),
        (losing(), dying(), healthy()),
        (
            Attachment(
                "etc/network/interfaces",
                "/etc/network/interfaces",
                "auto eth0\niface eth0 inet static\n  address 192.0.2.123/24\n",
            ),
            since_when(),
            Attachment("commands/dmesg.txt", "dmesg", "[    0.000000] Linux version 6.1.0-28-amd64\n"),
            Attachment("mtr/from-outside.txt", "agent mtr", "HOST: desk.home.example Loss% Snt\n"),
        ),
        (
            Removed("/etc/network/interfaces", "password", 1),
            Removed("/etc/ppp/chap-secrets", "password", 4),
            Removed("/etc/ssh/ssh_host_ed25519_key", "private key", 1),
        ),
    )
