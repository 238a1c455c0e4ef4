"""Logs by the gigabyte, the same from the same seed: what hosts say all day, and rarely a line that a rule knows."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

EPOCH = 1_795_000_000  # seconds: when the first line was written
ADDRESSES = ("192.0.2.%d", "198.51.100.%d", "203.0.113.%d")
USERS = ("root", "admin", "test", "oracle", "ubuntu", "git", "postgres", "deploy", "www-data", "nobody")
PATHS = ("/", "/index.html", "/wp-login.php", "/robots.txt", "/api/v1/items", "/static/app.css", "/favicon.ico")
UNITS = ("cron", "ssh", "nginx", "rsyslog", "systemd-logind", "systemd-timesyncd", "unattended-upgrades", "postgresql")
TIMERS = ("apt-daily", "man-db", "logrotate", "fstrim", "e2scrub_all", "motd-news", "dpkg-db-backup", "certbot")


class Kind(NamedTuple):
    """What a program says: its tag, how often among others, and the text, where @ names what differs."""

    ident: str
    weight: int
    text: str


KINDS = (
    Kind("sshd", 90, "Failed password for invalid user @user from @address port @port ssh2"),
    Kind("sshd", 40, "Invalid user @user from @address port @port"),
    Kind("sshd", 40, "Received disconnect from @address port @port:11: Bye Bye [preauth]"),
    Kind("sshd", 30, "Connection closed by authenticating user @user @address port @port [preauth]"),
    Kind("sshd", 8, "Accepted publickey for @user from @address port @port ssh2: ED25519 SHA256:@hex"),
    Kind("sshd", 8, "pam_unix(sshd:session): session opened for user @user(uid=@number) by (uid=0)"),
    Kind("sshd", 6, "banner exchange: Connection from @address port @port: invalid format"),
    Kind("kernel", 120, "[UFW BLOCK] IN=eth0 OUT= MAC=@mac SRC=@address DST=192.0.2.9 LEN=@small PROTO=TCP DPT=@port"),
    Kind("kernel", 6, "audit: type=1400 audit(@number.123:@small): apparmor=\"STATUS\" operation=\"profile_load\""),
    Kind("kernel", 3, "docker0: port @small(veth@hex) entered forwarding state"),
    Kind("kernel", 3, "IPv6: ADDRCONF(NETDEV_CHANGE): veth@hex: link becomes ready"),
    Kind("kernel", 2, "EXT4-fs (sda): mounted filesystem with ordered data mode. Quota mode: none."),
    Kind("kernel", 2, "TCP: request_sock_TCP: Possible SYN flooding on port @port. Sending cookies."),
    Kind("CRON", 40, "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
    Kind("CRON", 30, "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
    Kind("CRON", 30, "pam_unix(cron:session): session closed for user root"),
    Kind("CRON", 10, "(www-data) CMD (   [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean)"),
    Kind("systemd", 30, "Starting @timer.service - Daily @timer activities..."),
    Kind("systemd", 30, "@timer.service: Deactivated successfully."),
    Kind("systemd", 30, "Finished @timer.service - Daily @timer activities."),
    Kind("systemd", 20, "Started session-@number.scope - Session @number of User @user."),
    Kind("systemd", 10, "session-@number.scope: Deactivated successfully."),
    Kind("systemd", 6, "Started @unit.service - The @unit service."),
    Kind("systemd", 6, "Stopping @unit.service - The @unit service..."),
    Kind("systemd", 4, "@unit.service: Consumed @small.123s CPU time."),
    Kind("systemd", 3, "Reached target timers.target - Timer Units."),
    Kind("systemd-logind", 20, "New session @number of user @user."),
    Kind("systemd-logind", 20, "Session @number logged out. Waiting for processes to exit."),
    Kind("systemd-logind", 20, "Removed session @number."),
    Kind("systemd-timesyncd", 3, "Contacted time server @address:123 (2.debian.pool.ntp.org)."),
    Kind("systemd-networkd", 2, "eth0: DHCPv6 address fd00::@hex/128 timeout preferred @number valid @number"),
    Kind("systemd-resolved", 4, "Using degraded feature set UDP instead of UDP+EDNS0 for DNS server @address."),
    Kind("dhclient", 6, "DHCPREQUEST for 192.0.2.9 on eth0 to 192.0.2.1 port 67"),
    Kind("dhclient", 6, "DHCPACK of 192.0.2.9 from 192.0.2.1"),
    Kind("dhclient", 6, "bound to 192.0.2.9 -- renewal in @number seconds."),
    Kind("nginx", 60, "@address - - \"GET @path HTTP/1.1\" 200 @number \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""),
    Kind("nginx", 30, "@address - - \"POST @path HTTP/1.1\" 404 @small \"-\" \"curl/7.88.1\""),
    Kind("postfix/smtpd", 20, "connect from unknown[@address]"),
    Kind("postfix/smtpd", 20, "disconnect from unknown[@address] ehlo=1 auth=0/1 quit=1 commands=2/3"),
    Kind("postfix/smtpd", 10, "warning: unknown[@address]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"),
    Kind("postfix/qmgr", 10, "@hex: from=<@user@example.com>, size=@number, nrcpt=1 (queue active)"),
    Kind("postfix/smtp", 10, "@hex: to=<@user@example.net>, relay=mx1[@address]:25, delay=@small, status=sent"),
    Kind("dovecot", 10, "imap-login: Login: user=<@user>, method=PLAIN, rip=@address, lip=192.0.2.9, TLS"),
    Kind("named", 8, "client @@0x7f@hex @address#@port (example.com): query (cache) 'example.com/A/IN' denied"),
    Kind("fail2ban.filter", 10, "INFO    [sshd] Found @address - 2026-11-23 10:00:00"),
    Kind("fail2ban.actions", 4, "NOTICE  [sshd] Ban @address"),
    Kind("mariadbd", 5, "@number [Warning] Aborted connection @number to db: 'shop' user: '@user' host: 'localhost'"),
    Kind("postgres", 5, "[@number] LOG:  checkpoint complete: wrote @number buffers (0.1%); write=@small.012 s"),
    Kind("dockerd", 4, "time=\"2026-11-23T10:00:00Z\" level=info msg=\"ignoring event\" container=@hex module=lib"),
    Kind("snapd", 2, "storehelpers.go:923: cannot refresh: snap has no updates available: \"core20\", \"lxd\""),
    Kind("rsyslogd", 1, "[origin software=\"rsyslogd\" swVersion=\"8.2302.0\" x-pid=\"@number\"] rsyslogd was HUPed"),
    Kind("sudo", 4, "    @user : TTY=pts/0 ; PWD=/home/@user ; USER=root ; COMMAND=/usr/bin/apt update"),
    Kind("su", 2, "pam_unix(su:session): session closed for user @user"),
    Kind("apt-daily", 2, "Unpacking lib@user@small:amd64 (1.@small.@small-1) over (1.@small.0-1) ..."),
    Kind("collectd", 2, "plugin_read_thread: read-function of the `df' plugin took @small.123 seconds, too long"),
    Kind("dbus-daemon", 4, "[system] Successfully activated service 'org.freedesktop.hostname1'"),
    Kind("chronyd", 2, "Selected source @address (2.debian.pool.ntp.org)"),
    Kind("smartd", 1, "Device: /dev/sda [SAT], Attribute: 194 Temperature_Celsius changed from @small to @small"),
)  # fmt: skip
NEEDLES = (
    ("kernel", "virtio_net virtio0 ens3: renamed from eth0"),
    ("run-parts", "run-parts: /etc/network/if-up.d/sendmail exited with return code 2"),
    ("systemd", "networking.service: Failed with result 'exit-code'."),
    ("dhclient", "No DHCPOFFERS received."),
    ("kernel", "Out of memory: Killed process 812 (mysqld) total-vm:1793420kB, anon-rss:801120kB"),
    ("kernel", "EXT4-fs error (device sda): ext4_lookup:1785: inode #131: comm sshd: deleted inode referenced: 142"),
    ("systemd-networkd", "eth0: Could not set DHCPv4 address: Connection timed out"),
    ("kernel", "nf_conntrack: nf_conntrack: table full, dropping packet"),
)


class Said(NamedTuple):
    """One message, and when: seconds since the epoch."""

    when: float
    ident: str
    pid: int
    text: str


def messages(seed: int, apart: int) -> Iterator[Said]:
    """Without an end: one in ``apart`` is a needle."""
    chance = random.Random(seed)
    draw: dict[str, Callable[[], str]] = {
        "address": lambda: chance.choice(ADDRESSES) % chance.randrange(1, 255),
        "user": lambda: chance.choice(USERS),
        "port": lambda: str(chance.randrange(1024, 65536)),
        "number": lambda: str(chance.randrange(100_000)),
        "small": lambda: str(chance.randrange(100)),
        "hex": lambda: f"{chance.getrandbits(48):012x}",
        "mac": lambda: ":".join(f"{chance.randrange(256):02x}" for _ in range(14)),
        "path": lambda: chance.choice(PATHS),
        "unit": lambda: chance.choice(UNITS),
        "@": lambda: "@",
        "timer": lambda: chance.choice(TIMERS),
    }
    kinds = [(kind.ident, _pieces(kind.text)) for kind in KINDS]
    weights = [kind.weight for kind in KINDS]
    when, count = float(EPOCH), 0
    while True:
        for ident, (fixed, names) in chance.choices(kinds, weights, k=1000):
            when += chance.random()
            count += 1
            if count % apart == apart // 2:
                ident, text = chance.choice(NEEDLES)
                yield Said(when, ident, chance.randrange(300, 60_000), text)
                continue
            parts = [fixed[0]]
            for name, following in zip(names, fixed[1:]):
                parts += (draw[name](), following)
            yield Said(when, ident, chance.randrange(300, 60_000), "".join(parts))


_DRAWN = re.compile(r"@(@|address|user|port|number|small|hex|mac|path|unit|timer)")


def _pieces(text: str) -> tuple[list[str], list[str]]:
    """What stays, and the names of what stands between."""
    parts = _DRAWN.split(text)
    return parts[::2], parts[1::2]


def syslog(out: BinaryIO, size: int, seed: int = 1, apart: int = 1_000_000) -> int:
    """Writes so many bytes of it, whole lines; gives their number."""
    lines, written, stamp, second = 0, 0, "", 0
    batch: list[str] = []
    for said in messages(seed, apart):
        if int(said.when) != second:
            second = int(said.when)
            stamp = time.strftime("%b %e %H:%M:%S", time.gmtime(second))
        pid = "" if said.ident == "kernel" else f"[{said.pid}]"
        uptime = f"[{said.when - EPOCH:12.6f}] " if said.ident == "kernel" else ""
        batch.append(f"{stamp} web1 {said.ident}{pid}: {uptime}{said.text}\n")
        if len(batch) == 10_000:
            data = "".join(batch).encode()
            batch.clear()
            lines += 10_000
            written += out.write(data)
            if written >= size:
                return lines
    raise AssertionError("messages() has no end")


def export(out: BinaryIO, entries: int, seed: int = 1, apart: int = 1_000_000, boots: int = 4) -> None:
    """So many entries in the format that systemd-journal-remote reads."""
    for number, said in zip(range(1, entries + 1), messages(seed, apart)):
        boot = f"{number * boots // (entries + 1) + 1:032x}"
        kernel = said.ident == "kernel"
        fields = {
            "__REALTIME_TIMESTAMP": int(said.when * 1e6),
            "__MONOTONIC_TIMESTAMP": int((said.when - EPOCH) * 1e6) + 1,
            "_BOOT_ID": boot,
            "_MACHINE_ID": "0123456789abcdef0123456789abcdef",
            "_HOSTNAME": "web1",
            "PRIORITY": 4 if kernel else 6,
            "_TRANSPORT": "kernel" if kernel else "syslog",
            "SYSLOG_FACILITY": 0 if kernel else 3,
            "SYSLOG_IDENTIFIER": said.ident,
            "MESSAGE": said.text if number % 100 else said.text + " and so on" * 60,  # one in 100 is compressed
            "_SOURCE_REALTIME_TIMESTAMP": int(said.when * 1e6) - 17,
        }
        if not kernel:
            unit = "init.scope" if said.ident == "systemd" else f"{said.ident.lower().replace('/', '-')}.service"
            fields |= {
                "_PID": 1 if said.ident == "systemd" else said.pid,
                "_UID": 0,
                "_GID": 0,
                "_COMM": said.ident[:15],
                "_EXE": f"/usr/sbin/{said.ident}",
                "_CMDLINE": f"/usr/sbin/{said.ident} -D",
                "_CAP_EFFECTIVE": "1ffffffffff",
                "_SYSTEMD_CGROUP": f"/system.slice/{unit}",
                "_SYSTEMD_UNIT": unit,
                "_SYSTEMD_SLICE": "system.slice",
                "SYSLOG_PID": said.pid,
            }
        out.write("".join(f"{name}={value}\n" for name, value in fields.items()).encode() + b"\n")
