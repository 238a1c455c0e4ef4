"""What every match of a regex must hold: the literals that are searched before the regex is run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

if sys.version_info >= (3, 11):
    from re import _constants as constants
    from re import _parser as parser
else:
    import sre_constants as constants
    import sre_parse as parser

SHORTEST = 3  # bytes; shorter literals stand on nearly every line
UNBOUNDED = 1000  # repeats of more than this are as good as without bound

# Lines as healthy hosts write them all day: a literal that stands here would make every line a candidate.
ORDINARY = (
    b"systemd[1]: Started Session 1 of user root. systemd[1]: Starting Daily apt upgrade and clean activities... "
    b"systemd[1]: Finished logrotate.service - Rotate log files. systemd[1]: apt-daily.service: Deactivated "
    b"successfully. CRON[1]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0) "
    b"CRON[1]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly) sshd[1]: Failed password for invalid "
    b"user admin from 192.0.2.1 port 22 ssh2 sshd[1]: Connection closed by authenticating user root [preauth] "
    b"kernel: [UFW BLOCK] IN=eth0 OUT= MAC= SRC= DST= LEN=40 TOS=0x00 PROTO=TCP SPT=1 DPT=22 WINDOW=1024 "
    b"systemd-networkd[1]: eth0: Link UP eth0: Gained carrier systemd-resolved[1]: Using degraded feature set UDP "
    b"dhclient[1]: DHCPREQUEST for 192.0.2.1 on eth0 to 192.0.2.2 port 67 dhclient[1]: DHCPACK of 192.0.2.1 "
    b"NetworkManager[1]: <info> [1.1] device (eth0): state change: activated manager: NetworkManager state is now "
    b"postfix/smtpd[1]: connect from unknown[192.0.2.1] disconnect from network interface device error failed "
    b"dhclient[1]: bound to 192.0.2.1 -- renewal in 1 seconds. DHCP client failed to wait: Failed with result Started "
    b"Link is up, found installed removed enabled; is not a file, can't, cannot open; No such file or directory "
    b"named[1]: error (network unreachable) resolving kernel: EXT4-fs (sda): mounted filesystem with ordered data"
)

_BLANKS = ((constants.LITERAL, ord(" ")), (constants.IN, [(constants.CATEGORY, constants.CATEGORY_SPACE)]))

Node = tuple[object, object]  # (operation, argument) of CPython's regex parser
Choice = frozenset[bytes]  # a match holds at least one of these
Texts = frozenset[bytes]  # a match is one of these
EMPTY: Texts = frozenset([b""])
MOST_TEXTS = 48  # alternatives that are spelt out
END = b"\n"  # the end of what is searched
FEW = 4  # letters of a class, and times of a repeat, that are


class NoLiteral(ValueError):
    """The regex has an alternative without a literal of three bytes: it can't be searched for."""


@lru_cache(maxsize=4096)
def required_literals(regex: str) -> Choice:
    """The best set of literals of which every match holds one. NoLiteral when there is none.

    A literal with END at its end stands at the end of what is searched, but for white space. Case-insensitive parts
    give none. Source of the tree: CPython's own parser of regexes.
    """
    tree = parser.parse(regex)
    nodes: list[Node] = list(tree)  # type: ignore[call-overload]
    found = (_least(frozenset(map(_untagged, choice))) for choice in _choices(nodes, tree.state.flags))
    choices = [choice for choice in found if _worth(choice) >= SHORTEST and not any(END in one[:-1] for one in choice)]
    if not choices:
        raise NoLiteral(f"no literal of {SHORTEST} letters that every match must hold")
    return max(choices, key=_rank)


def _least(choice: Choice) -> Choice:
    """Without the literals that hold another one."""
    return frozenset(one for one in choice if not any(other in one for other in choice if other is not one))


def _untagged(literal: bytes) -> bytes:
    """A regex may match across the syslog tag ("ifup: failed"), where the log has "ifup[311]: failed":
    the longer side of such a joint is what the line surely holds."""
    tag, joint, text = literal.partition(b": ")
    return literal if not tag or not joint or b" " in tag else max(tag, joint + text, key=len)


def _rank(choice: AbstractSet[bytes]) -> tuple[bool, int, int, int]:
    """Rare literals first, then long ones, then few."""
    rare = not any(literal in ORDINARY for literal in choice)
    return rare, min(_worth(choice), 12), -len(choice), _worth(choice)


def _worth(choice: AbstractSet[bytes]) -> int:
    return min((len(literal.rstrip(END)) for literal in choice), default=0)


def _choices(nodes: Iterable[Node], flags: int) -> list[Choice]:
    """All the sets of literals that a sequence of nodes requires: of each, a match holds one."""
    found: list[Choice] = []
    run: Texts = EMPTY  # all that the nodes since the last gap can match

    def end() -> None:
        nonlocal run
        if run != EMPTY:
            found.append(run)
        run = EMPTY

    for node in _tidied(nodes):
        texts = _texts(node, flags)
        if texts is not None and len(run) * len(texts) <= MOST_TEXTS:
            if len(texts) > 1 and run != EMPTY:
                found.append(run)  # fewer literals, though shorter ones
            run = _joined(run, texts)
            continue
        end()
        found += _inside(node, flags)
    end()
    return found


def _tidied(nodes: Iterable[Node]) -> Iterable[Node]:
    """Without the white space that may stand before an end: END allows it."""
    listed = list(nodes)
    for node, after in zip(listed, [*listed[1:], None]):
        if after is None or after[0] is not constants.AT or not _is_blank(node):
            yield node


def _is_blank(node: Node) -> bool:
    """Any white space, or none."""
    operation, argument = node
    if operation not in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        return False
    least, _, inner = _three(argument)
    listed = list(inner)
    return least == 0 and len(listed) == 1 and listed[0] in _BLANKS


def _inside(node: Node, flags: int) -> list[Choice]:
    """What a node that is no plain text requires."""
    operation, argument = node
    if operation is constants.SUBPATTERN:
        _, added, removed, inner = _four(argument)
        return _choices(inner, (flags | added) & ~removed)
    if operation is constants.BRANCH:
        return _branch(argument, flags)
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        least, _, inner = _three(argument)
        return _choices(inner, flags) if least >= 1 else []
    return []


def _branch(argument: object, flags: int) -> list[Choice]:
    """One literal of each alternative, together; nothing when an alternative has none."""
    assert isinstance(argument, tuple)
    united: set[bytes] = set()
    for alternative in argument[1]:
        choices = [choice for choice in _choices(alternative, flags) if _worth(choice) >= SHORTEST]
        if not choices:
            return []
        united |= max(choices, key=_rank)
    return [frozenset(united)]


def _texts(node: Node, flags: int) -> Texts | None:
    """All texts that a node can match, when these are few and known; None else."""
    operation, argument = node
    if operation is constants.AT:
        return frozenset([END]) if argument in (constants.AT_END, constants.AT_END_STRING) else EMPTY
    if flags & re.IGNORECASE:
        return None
    if operation is constants.LITERAL:
        return frozenset([_encode(argument)])
    if operation is constants.IN:
        return _class(argument)
    if operation is constants.SUBPATTERN:
        _, added, removed, inner = _four(argument)
        return _sequence(inner, (flags | added) & ~removed)
    if operation is constants.BRANCH:
        assert isinstance(argument, tuple)
        united: set[bytes] = set()
        for alternative in argument[1]:
            texts = _sequence(alternative, flags)
            if texts is None or len(united) + len(texts) > MOST_TEXTS:
                return None
            united |= texts
        return frozenset(united)
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        least, most, inner = _three(argument)
        return _repeated(least, most, inner, flags)
    return None


def _class(argument: object) -> Texts | None:
    """A class of few letters, such as [Ff]."""
    assert isinstance(argument, list)
    if len(argument) > FEW or any(operation is not constants.LITERAL for operation, _ in argument):
        return None
    return frozenset(_encode(letter) for _, letter in argument)


def _repeated(least: int, most: object, inner: Iterable[Node], flags: int) -> Texts | None:
    """What may stand there or not, or so many times."""
    if not isinstance(most, int) or most > FEW:
        return None
    once = _sequence(inner, flags)
    texts: Texts = frozenset()
    power: Texts | None = EMPTY
    for times in range(most + 1):
        if power is None or len(texts) + len(power) > MOST_TEXTS:
            return None
        texts = texts | power if times >= least else texts
        power = None if once is None or len(power) * len(once) > MOST_TEXTS else _joined(power, once)
    return texts


def _sequence(nodes: Iterable[Node], flags: int) -> Texts | None:
    texts: Texts = EMPTY
    for node in _tidied(nodes):
        more = _texts(node, flags)
        if more is None or len(texts) * len(more) > MOST_TEXTS:
            return None
        texts = _joined(texts, more)
    return texts


def _joined(texts: Texts, more: Texts) -> Texts:
    return frozenset(one + other for one in texts for other in more)


def _encode(argument: object) -> bytes:
    assert isinstance(argument, int)
    return chr(argument).encode("utf-8", "surrogatepass")


def _four(argument: object) -> tuple[object, int, int, Iterable[Node]]:
    assert isinstance(argument, tuple)
    return argument[0], argument[1], argument[2], argument[3]


def _three(argument: object) -> tuple[int, object, Iterable[Node]]:
    assert isinstance(argument, tuple)
    return int(argument[0]), argument[1], argument[2]


def lint(regex: str) -> list[str]:
    """What could make a regex slow on a hostile line, a sentence each."""
    nodes: list[Node] = list(parser.parse(regex))  # type: ignore[call-overload]
    complaints: list[str] = []
    _lint(nodes, False, complaints)
    return complaints


def _lint(nodes: Iterable[Node], repeated: bool, complaints: list[str]) -> None:
    for operation, argument in nodes:
        if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            _, most, inner = _three(argument)
            unbounded = isinstance(most, int) and most > UNBOUNDED
            if unbounded and repeated:
                complaints.append("a repeat without bound inside another")
            if unbounded and _is_any(inner):
                complaints.append("'.' repeated without bound")
            _lint(inner, repeated or unbounded, complaints)
        elif operation is constants.SUBPATTERN:
            _lint(_four(argument)[3], repeated, complaints)
        elif operation is constants.BRANCH:
            assert isinstance(argument, tuple)
            for alternative in argument[1]:
                _lint(alternative, repeated, complaints)


def _is_any(nodes: Iterable[Node]) -> bool:
    listed: Sequence[Node] = list(nodes)
    return len(listed) == 1 and listed[0][0] is constants.ANY
