"""The lines of the newest boot that a support engineer asks for: findings, network units, warnings of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.logs.model import Entry, Found, Pattern
from agent.logs.search import search
from agent.report.harmless import harmless
from agent.report.style import moment
from agent.target import Target

MOST = 1500  # lines
WIDTH = 1000  # characters of one
UNITS = (
    *("networking", "network", "ifup", "ifdown", "dhclient", "dhcpcd", "udhcpc", "avahi-autoipd", "systemd-networkd"),
    *("systemd-networkd-wait-online", "systemd-resolved", "NetworkManager", "nm-dispatcher", "wicked", "wickedd"),
    *("wickedd-dhcp4", "wickedd-dhcp6", "netplan", "cloud-init", "resolvconf", "systemd-udevd", "ifupdown-pre"),
    *("iptables", "ip6tables", "iptables-restore", "netfilter-persistent", "nft", "ufw-init", "firewalld", "connmand"),
)
TROUBLE = (
    r"(?:[Ff]ail|[Ee]rror|[Ww]arn|timed out|[Tt]imeout|[Uu]nable|[Cc]annot|[Cc]an't|refused|[Ii]nvalid|No DHCPOFFERS)"
)
SYSTEMD = (
    r"(?:Failed to start|Dependency failed|[Tt]imed out|entered failed state|Failed with result"
    r"|[Ee]mergency|ordering cycle)"
)
KERNEL = (
    r"(?:error|Error|rror,|I/O)",
    r"(?:fail|Fail|FAIL)",
    r"(?:renamed from|Link is|link becomes ready|carrier|virtio_net|NETDEV WATCHDOG)",
    r"(?:WARNING:|BUG:|Oops|panic|segfault|[Cc]all [Tt]race|blocked for more than|soft lockup)",
    r"(?:Out of memory|oom-kill|oom_reaper)",
    r"(?:EXT4-fs|XFS|BTRFS|[Rr]emounting filesystem|journal|recovery)",
    r"(?:[Ww]arning|nf_conntrack: table full|dropping packet)",
)
SSHD = r"(?:Server listening|[Bb]ad configuration|Cannot bind|fatal:|no hostkeys|Could not load host key|terminating)"


def patterns() -> tuple[Pattern, ...]:
    """Each keeps its newest lines; trouble is asked for apart, so that chatter does not push it out."""
    found: list[Pattern] = []
    for unit in UNITS:
        found.append(Pattern(f"ticket:{unit}", rf"^{unit}: ", idents=(unit,)))
        found.append(Pattern(f"ticket:{unit}:trouble", rf"^{unit}: .*{TROUBLE}", idents=(unit,)))
    found.append(Pattern("ticket:systemd", SYSTEMD, idents=("systemd",), comms=("systemd",)))
    found.append(Pattern("ticket:sshd", SSHD, idents=("sshd",), comms=("sshd", "sshd-session")))
    for number, regex in enumerate(KERNEL):
        found.append(Pattern(f"ticket:kernel:{number}", regex, idents=("kernel",), transports=("kernel",)))
    return tuple(found)


def lines(
    target: Target, found: Found, since: float | None = None, progress: Callable[[str], None] | None = None
) -> tuple[tuple[str, ...], int]:
    """The lines, oldest first, and how many more there were. ``found``: what the scan found with the rules."""
    own = search(target, patterns(), since=since, progress=progress)
    entries = {*_newest_boot(found), *_newest_boot(own)}
    ordered = sorted(entries, key=lambda entry: (entry.time or 0.0, entry.source, entry.line, entry.cursor))
    shown = list(dict.fromkeys(_line(entry) for entry in ordered))
    return tuple(shown[-MOST:]), max(0, len(shown) - MOST)


def _newest_boot(found: Found) -> Iterable[Entry]:
    for hits in found.hits.values():
        for match in hits.matches:
            if match.entry.boot in (0, None):
                yield match.entry


def _line(entry: Entry) -> str:
    when = moment(entry.time, "%Y-%m-%d %H:%M:%S") or "(no time)"
    tag = f"{entry.ident}: " if entry.ident else ""
    place = "" if entry.source == "journal" else f" [{entry.source}:{entry.line}]"
    return f"{harmless(f'{when} {tag}{entry.text}'[:WIDTH])}{harmless(place)}"
