"""Words of ``iptables -L``: what its last column says, turned back into the options of the rule.

Each match and target prints its own kind of prose. What is here is turned into the options that -S would show; what
is left over makes the rule a question without an answer, never a rule without that condition.
Source: the print functions of iptables' extensions, and their output by 1.8.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_Turn = Callable[["re.Match[str]"], "list[str]"]

_NUMBERED = r"(?:(?:spt|dpt)s?:\S+|option=\S+|flags:\S+)"


def _bang(sign: str | None) -> list[str]:
    return ["!"] if sign and "!" in sign else []


def _port(found: re.Match[str]) -> list[str]:
    return [*_bang(found.group(2)), "--sport" if found.group(1) == "s" else "--dport", found.group(3)]


def _flags(found: re.Match[str]) -> list[str]:
    return [*_bang(found.group(1)), "--tcp-flags", found.group(2), found.group(3)]


def _icmp(found: re.Match[str]) -> list[str]:
    six, sign, kind, code = found.groups()
    name, option = ("icmp6", "--icmpv6-type") if six else ("icmp", "--icmp-type")
    return ["-m", name, *_bang(sign), option, kind + (f"/{code}" if code else "")]


def _conntrack(found: re.Match[str]) -> list[str]:
    return ["-m", "conntrack", *_bang(found.group(1)), f"--{found.group(2)}", found.group(3)]


def _address_type(found: re.Match[str]) -> list[str]:
    words = ["-m", "addrtype"]
    if found.group(2):
        words += [*_bang(found.group(1)), "--src-type", found.group(2)]
    if found.group(4):
        words += [*_bang(found.group(3)), "--dst-type", found.group(4)]
    return words + [f"--limit-iface-{side}" for side in re.findall(r"limit-(in|out)", found.group(5) or "")]


def _ttl(found: re.Match[str]) -> list[str]:
    name = found.group(1).lower()
    how = {"==": "eq", "!=": "eq", "<": "lt", ">": "gt"}[found.group(2)]
    return ["-m", name, *(["!"] if found.group(2) == "!=" else []), f"--{name}-{how}", found.group(3)]


def _recent(found: re.Match[str]) -> list[str]:
    return ["-m", "recent", *_bang(found.group(1)), {"SET": "--set"}.get(found.group(2), "--rcheck")]


def _chance(found: re.Match[str]) -> list[str]:
    mode, sign, what, value = found.groups()
    return ["-m", "statistic", "--mode", mode, *_bang(sign), f"--{what}", value]


def _in_set(found: re.Match[str]) -> list[str]:
    extra = ["--return-nomatch"] if "return-nomatch" in found.group(4) else []
    return ["-m", "set", *_bang(found.group(1)), "--match-set", found.group(2), found.group(3), *extra]


def _owner(found: re.Match[str]) -> list[str]:
    if found.group(2) is None:
        return ["-m", "owner", *_bang(found.group(1)), "--socket-exists"]
    return ["-m", "owner", *_bang(found.group(1)), f"--{found.group(2).lower()}-owner", found.group(3)]


def _option(module: str, option: str) -> _Turn:
    """A match with one option: its sign and its value."""
    return lambda found: ["-m", module, *_bang(found.group(1)), option, found.group(2)]


def _fixed(*words: str) -> _Turn:
    return lambda found: list(words)


MATCHES: tuple[tuple[re.Pattern[str], _Turn], ...] = tuple(
    (re.compile(pattern + r"(?=\s|$)"), turn)
    for pattern, turn in (
        (r"/\* .*? \*/", _fixed()),
        (r"\[goto\]", _fixed()),
        (rf"(tcp|udp|udplite|sctp|dccp)(?=\s+{_NUMBERED}|\s*$)", lambda found: ["-m", found.group(1)]),
        (r"([sd])pts?:(!?)(\S+)", _port),
        (r"option=(!?)(\d+)", lambda found: [*_bang(found.group(1)), "--tcp-option", found.group(2)]),
        (r"flags:(!?)([^\s/]+)/(\S+)", _flags),
        (r"(ipv6-)?icmp ?(!?)type (\d+)(?: code (\d+))?", _icmp),
        (r"(ipv6-)?icmp (!?)([A-Za-z][\w-]+)()", _icmp),
        (
            r"multiport ([sd]?)ports\s+(!?)\s*(\S+)",
            lambda found: ["-m", "multiport", *_bang(found.group(2)), f"--{found.group(1)}ports", found.group(3)],
        ),
        (
            r"(! )?(ctstate|ctproto|ct(?:orig|repl)(?:src|dst)(?:port)?|ctstatus|ctexpire|ctdir) (\S+)",
            _conntrack,
        ),
        (r"(! )?state (\S+)", _option("state", "--state")),
        (r"limit: avg \S+ burst \d+", _fixed("-m", "limit")),
        (
            r"limit: (?:up to|above) \S+(?: burst \S+)?(?: mode \S+)?(?: (?:htable-\w+|srcmask|dstmask) \d+)*",
            _fixed("-m", "hashlimit"),
        ),
        (r"(?i:mark) match (!)? ?(\S+)", _option("mark", "--mark")),
        (r"(?i:connmark) match (!)? ?(\S+)", _option("connmark", "--mark")),
        (r"source IP range (! )?(\S+)", _option("iprange", "--src-range")),
        (r"destination IP range (! )?(\S+)", _option("iprange", "--dst-range")),
        (r"MAC ?(! )?((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})", _option("mac", "--mac-source")),
        (r"PKTTYPE (!?)= (\w+)", _option("pkttype", "--pkt-type")),
        (
            r"ADDRTYPE match(?: src-type (!?)(\S+))?(?: dst-type (!?)(\S+))?((?: limit-\w+)*)",
            _address_type,
        ),
        (r"length (!?)(\S+)", _option("length", "--length")),
        (r"(TTL|HL) match (?:TTL|HL) (==|!=|<|>) (\d+)", _ttl),
        (r"tos match(!?)(0x\S+)", _option("tos", "--tos")),
        (r"DSCP match (!?)(\S+)", _option("dscp", "--dscp")),
        (r"ECN match (!?)ECT=(\d)", _option("ecn", "--ecn-ip-ect")),
        (r"(! )?recent: (SET|CHECK|UPDATE|REMOVE).*? side: \w+(?: mask: \S+)?", _recent),
        (r"#conn (?:src|dst)/\d+ (?:>|<=) \d+", _fixed("-m", "connlimit")),
        (r"statistic mode (\w+) (! )?(probability|every) (\S+)(?: packet \d+)?", _chance),
        (r"(?:! )?quota: \d+ bytes", _fixed("-m", "quota")),
        (r"policy match dir (in|out) pol (none|ipsec)", lambda found: ["-m", "policy", "--pol", found.group(2)]),
        (
            r"PHYSDEV match((?: (?:! )?--physdev-(?:is-\w+|in \S+|out \S+))+)",
            lambda found: ["-m", "physdev", *found.group(1).split()],
        ),
        (
            r"(! )?match-set (\S+) (\S+)((?: return-nomatch| ! update-(?:sub)?counters)*)",
            _in_set,
        ),
        (r"(! )?owner (?:(UID|GID) match (\S+)|socket exists)", _owner),
        (
            r"rpfilter((?: (?:loose|validmark|accept-local|invert))*)",
            lambda found: ["-m", "rpfilter", *(f"--{word}" for word in found.group(1).split())],
        ),
        (r"rt type:\d+|frag id:\d+|hbh|dst", _fixed("-m", "rt")),
    )
)


def _mark(found: re.Match[str]) -> list[str]:
    how = {"set": "set-mark", "xset": "set-xmark"}.get(found.group(1), f"{found.group(1)}-mark")
    return [f"--{how}", found.group(2)]


_TO = r"to:(\S+)(?: random)?(?: persistent)?"
_SET_MARK = r"MARK (set|xset|and|or|xor) (\S+)"

# What a target prints at the end of the line, and its options; targets that are not here print nothing that matters.
TARGETS: dict[str, tuple[tuple[re.Pattern[str], _Turn], ...]] = {
    name: tuple((re.compile(rf"(?:^|(?<=\s)){pattern}\s*$"), turn) for pattern, turn in patterns)
    for name, patterns in {
        "REJECT": ((r"reject-with (\S+)", lambda found: ["--reject-with", found.group(1)]),),
        "DNAT": ((_TO, lambda found: ["--to-destination", found.group(1)]),),
        "SNAT": ((_TO, lambda found: ["--to-source", found.group(1)]),),
        "NETMAP": ((_TO, lambda found: ["--to", found.group(1)]),),
        "REDIRECT": ((r"redir ports (\S+)(?: random)?", lambda found: ["--to-ports", found.group(1)]),),
        "MASQUERADE": ((r"masq ports: \S+|random(?:-fully)?", _fixed()),),
        "MARK": ((_SET_MARK, _mark),),
        "CONNMARK": (
            (rf"CONN{_SET_MARK}", _mark),
            (r"CONNMARK (save|restore)", lambda found: [f"--{found.group(1)}-mark"]),
        ),
        "CT": ((r"(?:CT notrack|NOTRACK)", _fixed("--notrack")), (r"CT (?:zone|helper).*", _fixed("--zone", "1"))),
        "TTL": ((r"TTL set to (\d+)", lambda found: ["--ttl-set", found.group(1)]),),
        "HL": ((r"HL set to (\d+)", lambda found: ["--hl-set", found.group(1)]),),
        "TOS": ((r"TOS set (\S+)", lambda found: ["--set-tos", found.group(1)]),),
        "DSCP": ((r"DSCP set (\S+)", lambda found: ["--set-dscp", found.group(1)]),),
        "SET": ((r"(add|del)-set (\S+) (\S+).*", lambda found: [f"--{found.group(1)}-set", *found.group(2, 3)]),),
        "LOG": ((r"LOG (?:flags|level) .*", _fixed()),),
        "NFLOG": ((r"nflog-\w+ .*", _fixed()),),
        "ULOG": ((r"ULOG .*", _fixed()),),
        "CLASSIFY": ((r"CLASSIFY set \S+", _fixed()),),
        "TCPMSS": ((r"TCPMSS (?:clamp to PMTU|set \d+)", _fixed()),),
        "NFQUEUE": ((r"NFQUEUE .*", _fixed()),),
        "TPROXY": ((r"TPROXY .*", _fixed()),),
    }.items()
}

_WANTED = ("MARK", "CONNMARK", "TOS", "DSCP", "TTL", "HL", "DNAT", "SNAT", "NETMAP", "SET", "CT")


def options(target: str, text: str) -> tuple[list[str], list[str], str]:
    """A last column as options of matches, options of the target, and what is left over that nobody understood.

    A target whose own words were expected and not found has the word "?" among its options, which no reader takes.
    """
    given: list[str] = []
    for pattern, turn in TARGETS.get(target, ()):
        found = pattern.search(text)
        if found:
            given, text = turn(found), text[: found.start()]
            break
    else:
        if target in _WANTED:
            given = ["?"]
    wanted: list[str] = []
    module = ""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        for pattern, turn in MATCHES:
            found = pattern.match(text, at)
            if found:
                words = turn(found)
                if words[:1] == ["-m"]:  # what one match prints in several pieces stays one match
                    again = words[1] == module == "conntrack"
                    module = words[1]
                    words = words[2:] if again else words
                wanted += words
                at = found.end()
                break
        else:
            return wanted, given, text[at:].strip()
    return wanted, given, ""
