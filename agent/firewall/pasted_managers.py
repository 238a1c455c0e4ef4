"""What ufw status and firewall-cmd --list-all say, as the rules that they stand for.

Both print a digest. It is put into the words of iptables-save as the programs themselves would order it; what it leaves
out (a profile's ports, a rich rule) becomes a rule that can't be judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SERVICES = {
    "ssh": "22/tcp", "http": "80/tcp", "https": "443/tcp", "http3": "443/udp", "dns": "53/tcp 53/udp", "ftp": "21/tcp",
    "smtp": "25/tcp", "smtps": "465/tcp", "smtp-submission": "587/tcp", "imap": "143/tcp", "imaps": "993/tcp",
    "pop3": "110/tcp", "pop3s": "995/tcp", "mysql": "3306/tcp", "postgresql": "5432/tcp", "redis": "6379/tcp",
    "cockpit": "9090/tcp", "dhcpv6-client": "546/udp", "dhcp": "67/udp", "mdns": "5353/udp", "ntp": "123/udp",
    "samba": "139/tcp 445/tcp 137/udp 138/udp", "samba-client": "137/udp 138/udp", "openvpn": "1194/udp",
    "wireguard": "51820/udp", "nfs": "2049/tcp", "ipp-client": "631/udp", "snmp": "161/tcp 161/udp", "rdp": "3389/tcp",
    "vnc-server": "5900:5903/tcp", "mosh": "60000:61000/udp", "git": "9418/tcp", "ldap": "389/tcp", "ldaps": "636/tcp",
    "syslog": "514/udp", "tftp": "69/udp", "telnet": "23/tcp", "zabbix-agent": "10050/tcp", "squid": "3128/tcp",
}  # fmt: skip
_PROFILES = {
    "openssh": "22/tcp", "ssh": "22/tcp", "apache": "80/tcp", "apache secure": "443/tcp", "apache full": "80,443/tcp",
    "nginx http": "80/tcp", "nginx https": "443/tcp", "nginx full": "80,443/tcp", "www": "80/tcp",
    "www secure": "443/tcp", "www full": "80,443/tcp", "www cache": "8080/tcp", "postfix": "25/tcp",
    "postfix smtps": "465/tcp", "postfix submission": "587/tcp", "dovecot imap": "143/tcp",
    "dovecot secure imap": "993/tcp", "dovecot pop3": "110/tcp", "dovecot secure pop3": "995/tcp", "bind9": "53",
    "samba": "137,138/udp 139,445/tcp", "lighttpd http": "80/tcp", "lighttpd https": "443/tcp",
    "lighttpd full": "80,443/tcp", "cups": "631", "mosh": "60000:61000/udp", "dns": "53", "smtp": "25/tcp",
}  # fmt: skip
# Columns stand apart by two spaces or more, unless a web page made one of them.
_ROW = (
    r"^\s*(?:\[\s*\d+\]\s*)?(?P<to>\S.*?)\s{GAP}(?P<action>ALLOW|DENY|REJECT|LIMIT)(?: (?P<way>IN|OUT|FWD))?"
    r"\s+(?P<of>\S.*?)\s*(?:#.*)?$"
)
_UFW_ROW = re.compile(_ROW.replace("GAP", "2,"))
_UFW_ROW_COLLAPSED = re.compile(_ROW.replace("GAP", "1,"))
_TARGETS = {"ALLOW": "ACCEPT", "DENY": "DROP", "REJECT": "REJECT", "LIMIT": "ACCEPT"}
_POLICIES = {"allow": "ACCEPT", "deny": "DROP", "reject": "DROP"}
_HIDDEN = "-m not-shown-by-this-listing"  # a match that nobody knows: the rule can't be judged

_HEAD = {
    4: ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p icmp --icmp-type echo-request -j ACCEPT"),
    6: ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p ipv6-icmp -j ACCEPT"),
}  # fmt: skip


def ufw(lines: Sequence[str], family: int) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    """The filter table of one family, each rule with the index of its line (-1: none), and what is not certain."""
    policy, said = "", ["ufw status is a digest: before.rules and after.rules are taken to be as installed"]
    rows: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        default = re.match(r"\s*Default: (\w+) \(incoming\)", line)
        if default:
            policy = _POLICIES.get(default[1], "DROP")
        row = _UFW_ROW.match(line) or _UFW_ROW_COLLAPSED.match(line)
        if row:
            rows += ((index, rule) for rule in _ufw_rules(row, family))
    if not policy:
        policy = "DROP"
        said.append("ufw's default for incoming packets is not shown (ufw status verbose does): deny is assumed")
    head = [(-1, f":INPUT {policy} [0:0]"), (-1, ":OUTPUT ACCEPT [0:0]"), *((-1, rule) for rule in _HEAD[family])]
    return [*head, *rows], tuple(said)


def _ufw_rules(row: re.Match[str], family: int) -> Iterator[str]:
    to, sender, target = row["to"], row["of"], _TARGETS[row["action"]]
    if row["way"] in ("OUT", "FWD"):
        return
    six = "(v6)" in to or "(v6)" in sender or ":" in sender
    words = re.sub(r"\(v6\)|\((?:out|log|log-all)\)", "", f"{to}|{sender}").split("|")
    to, sender = words[0].strip(), words[1].strip()
    if six != (family == 6) and not (re.search(r"[0-9a-f]*:[0-9a-f:]*", sender) is None and "Anywhere" not in sender):
        return
    start = "-A INPUT"
    place = re.match(r"(.*?)\s+on\s+(\S+)$", to)
    if place:
        to, start = place[1].strip(), f"{start} -i {place[2]}"
    if not sender.startswith("Anywhere"):
        address, _, port = sender.partition(" ")
        start += f" -s {address}"
        if port:
            start += f" {_HIDDEN}"
    own = re.match(r"(\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9a-fA-F]*:[0-9a-fA-F:.]+(?:/\d+)?)(?:\s+(.*))?$", to)
    if own and "/tcp" not in to.split(" ")[0] and "/udp" not in to.split(" ")[0]:
        start, to = f"{start} -d {own[1]}", (own[2] or "Anywhere")
    if to.startswith("Anywhere"):
        protocol = re.search(r"/(tcp|udp|esp|ah)", to)
        yield f"{start}{f' -p {protocol[1]}' if protocol else ''} -j {target}"
        return
    for ports in _PROFILES.get(to.lower(), to).split():
        found = re.fullmatch(r"([\d,:]+)(?:/(tcp|udp))?", ports)
        if not found:
            yield f"{start} {_HIDDEN} -j {target}"
            continue
        for protocol_name in [found[2]] if found[2] else ["tcp", "udp"]:
            yield f"{start} -p {protocol_name} {_ports(found[1])} -j {target}"


def _ports(text: str) -> str:
    return f"-m multiport --dports {text}" if "," in text else f"--dport {text}"


def firewalld(lines: Sequence[str], family: int) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    """The zone of a listing as the filter table of one family; of several the active default one, else the first."""
    said = ["firewall-cmd --list-all is a digest: policies and direct rules are not in it"]
    rules: list[tuple[int, str]] = [(-1, ":INPUT ACCEPT [0:0]"), (-1, ":OUTPUT ACCEPT [0:0]")]
    head = _HEAD[family]
    rules += ((-1, rule) for rule in head[:2])
    target, end = "default", -1
    blocked_icmp = False
    late: list[tuple[int, str]] = []
    start = _zone(lines)
    for index in range(start, len(lines)):
        line = lines[index]
        if index > start and re.match(r"\S", line):
            break
        key, _, value = line.strip().partition(":")
        words = value.split()
        if key == "target":
            target, end = value.strip(), index
        elif key == "icmp-blocks":
            blocked_icmp = "echo-request" in words
        elif key == "services":
            late += ((index, _opened(ports)) for word in words for ports in _SERVICES.get(word, "?").split(" "))
        elif key == "ports":
            late += ((index, _opened(word.replace("-", ":").rstrip(","))) for word in words)
        elif key == "protocols":
            late += ((index, f"-A INPUT -p {word} -j ACCEPT") for word in words if re.fullmatch(r"[\w-]+", word))
        elif key in ("source-ports", "forward-ports") and words:
            late.append((index, f"-A INPUT {_HIDDEN} -j ACCEPT"))
        elif line.strip().startswith("rule "):
            rules.append((index, _rich(line.strip(), family)))
    if blocked_icmp and family == 4:
        rules.append((-1, f"{head[2].rpartition(' -j ')[0]} -j REJECT"))
    rules += late
    rules.append((-1, head[2]))
    final = {"ACCEPT": "ACCEPT", "DROP": "DROP"}.get(target, "REJECT")
    return [*rules, (end, f"-A INPUT -j {final}")], tuple(said)


def _zone(lines: Sequence[str]) -> int:
    """The line at which the zone that counts begins: the default one where it says so, else the first active."""
    heads = [(index, line) for index, line in enumerate(lines) if is_zone(line)]
    for wanted in ("default", "active"):
        for index, line in heads:
            if re.search(rf"\(.*\b{wanted}\b.*\)", line):
                return index
    return heads[0][0] if heads else 0


def is_zone(line: str) -> bool:
    """A heading of firewall-cmd --list-all(-zones)."""
    return bool(
        re.fullmatch(
            r"[A-Za-z][\w/-]{0,40}(?: \((?:default|active|default, active|active, default)\))?:?", line.rstrip()
        )
    )


def _opened(ports: str) -> str:
    number, _, protocol = ports.partition("/")
    if not re.fullmatch(r"[\d:]+", number) or protocol not in ("tcp", "udp"):
        return f"-A INPUT {_HIDDEN} -j ACCEPT"
    return f"-A INPUT -p {protocol} --dport {number} -j ACCEPT"


def _rich(line: str, family: int) -> str:
    """A rich rule of the plain kind: source, port or service, and an action."""
    of = re.search(r'family="?(ipv[46])"?', line)
    if of and of[1] != f"ipv{family}":
        return f"-A INPUT -s {'255.255.255.255' if family == 4 else '::2'} -j DROP"
    target = {"accept": "ACCEPT", "drop": "DROP", "reject": "REJECT"}.get(
        (re.findall(r"\b(accept|drop|reject)\b", line) or [""])[-1]
    )
    words = ["-A INPUT"]
    source = re.search(r'source (NOT )?address="?([^" ]+)"?', line)
    if source:
        words.append(f"{'! ' if source[1] else ''}-s {source[2]}")
    port = re.search(r'\bport port="?([\d-]+)"? protocol="?(tcp|udp)"?', line)
    service = re.search(r'service name="?([\w-]+)"?', line)
    known = _SERVICES.get(service[1], "") if service else ""
    if port:
        words.append(f"-p {port[2]} --dport {port[1].replace('-', ':')}")
    elif known and " " not in known:
        number, _, protocol = known.partition("/")
        words.append(f"-p {protocol} --dport {number}")
    elif service or re.search(r"\b(?:protocol|icmp|masquerade|forward-port|destination|limit|ipset|mac)\b", line):
        words.append(_HIDDEN)
    return f"{' '.join(words)} -j {target or 'ACCEPT'}" if target else f"-A INPUT {_HIDDEN} -j ACCEPT"
