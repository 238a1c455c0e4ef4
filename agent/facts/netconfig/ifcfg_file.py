"""One ifcfg file (RHEL's or SUSE's): its settings with their lines, and the addresses in numbered keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from agent.facts.netconfig.bash_settings import Broken, Setting, last_values, settings
from agent.facts.netconfig.model import AddressConfig, ConfigProblem, Origin, RouteConfig
from agent.facts.netconfig.text import address, by_helper, interface, network
from agent.target import Target
from agent.unknown import Maybe, Unknown

# without these an interface is not what it was meant to be
_ESSENTIAL = re.compile(r"(DEVICE|BOOTPROTO|ONBOOT|STARTMODE|(IPADDR|PREFIX|PREFIXLEN|NETMASK|GATEWAY)\d*)$")
YES = frozenset({"yes", "true", "t", "y", "1", "on"})


@dataclass(frozen=True)
class Ifcfg:
    """``name`` is what follows ifcfg- in the file's name."""

    path: str
    name: str
    values: Mapping[str, Setting]
    broken: tuple[Broken, ...] = ()
    helper: bool = False

    def get(self, key: str, default: str = "") -> str:
        found = self.values.get(key)
        return found.value.strip() if found is not None else default

    def yes(self, key: str, default: bool) -> bool:
        word = self.get(key).lower()
        return default if not word else word in YES

    def origin(self, key: str) -> Origin:
        found = self.values.get(key)
        return Origin(self.path, found.line if found is not None else 0)

    def plain(self) -> dict[str, str]:
        return {key: setting.value for key, setting in self.values.items()}

    def numbered(self, key: str) -> list[str]:
        """The suffixes under which a key stands: "" for IPADDR, "0" for IPADDR0, "_1" for IPADDR_1."""
        pattern = re.compile(rf"{key}(_?[A-Za-z0-9_]*)$")
        found = [match.group(1) for match in map(pattern.match, self.values) if match]
        return sorted((one for one in found if re.fullmatch(r"|\d+|_\w+", one)), key=_order)


def _order(suffix: str) -> tuple[int, str]:
    digits = suffix.lstrip("_")
    return (int(digits) + 1 if digits.isdecimal() and len(digits) < 9 else 0, suffix)


def load(target: Target, path: str, name: str) -> Maybe[Ifcfg]:
    text = target.text(path)
    if isinstance(text, Unknown):
        return text
    found, broken = settings(text)
    return Ifcfg(path, name, last_values(found), broken, by_helper(text))


def syntax_problems(file: Ifcfg, device: str) -> list[ConfigProblem]:
    """What the shell (and NetworkManager's reader of these files) does not take as meant."""
    out = []
    for broken in file.broken:
        origin = Origin(file.path, broken.line)
        if broken.code == "spaced-assignment":
            text = f"{file.path}: line {broken.line}: {broken.name}: command not found"
            fatal = _ESSENTIAL.match(broken.name) is not None
        elif broken.code == "unclosed-quote":
            text = f"{file.path}: line {broken.line}: unexpected EOF while looking for matching quote"
            fatal = True
        else:
            text, fatal = f"{origin}: the line ends in a carriage return", False
        out.append(ConfigProblem(broken.code, text, origin, fatal, device))
    return out


def prefix_length(mask: str) -> int | None:
    """A mask as bits: 24, /24 or 255.255.255.0; None when it is none."""
    word = mask.strip().lstrip("/")
    if re.fullmatch(r"\d{1,3}", word):
        return int(word) if int(word) <= 128 else None
    found = address(word)
    if not isinstance(found, IPv4Address):
        return None
    bits = f"{int(found):032b}"
    return bits.count("1") if "01" not in bits else None


def class_length(found: IPv4Address) -> int:
    """The prefix length of an address's class, which old tools assume."""
    first = int(found) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def with_length(word: str, mask: str, origin: Origin) -> AddressConfig | None:
    """An address with the length of its own, else of ``mask``, else of its class; None when it is none."""
    head, slash, tail = word.strip().partition("/")
    found = address(head)
    if found is None:
        return None
    length = prefix_length(tail) if slash else prefix_length(mask) if mask else None
    given = length is not None and length <= found.max_prefixlen
    if length is None or not given:
        length = class_length(found) if isinstance(found, IPv4Address) else 128
    whole = interface(f"{found}/{length}")
    return None if whole is None else AddressConfig(whole, origin, given)


def route_line(words: list[str], origin: Origin) -> RouteConfig | None:
    """A route in the words of ``ip route add``; None when it is none."""
    if words[:1] in (["unicast"], ["to"]):
        words = words[1:]
    if not words:
        return None
    place = destination(words[0])
    via = address(_after(words, "via").partition("%")[0] or "-")
    if place is None:
        return None
    metric = _after(words, "metric")
    return RouteConfig(
        place,
        via,
        origin,
        onlink="onlink" in words,
        metric=int(metric) if re.fullmatch(r"\d{1,9}", metric) else None,
        table=_after(words, "table") or "main",
    )


def destination(place: str, mask: str = "") -> str | None:
    """A route's destination as "default" or in CIDR form; None when it is none."""
    if place in ("default", "0.0.0.0/0", "::/0", "0/0", "any"):
        return "default"
    if mask and "/" not in place:
        length = prefix_length(mask)
        if length is None:
            return None
        place = f"{place}/{length}"
    if re.fullmatch(r"\d{1,3}(\.\d{1,3}){0,2}/\d{1,2}", place):  # 10/8: ip takes it
        head, _, tail = place.partition("/")
        place = f"{head}{'.0' * (3 - head.count('.'))}/{tail}"
    found = network(place)
    return "default" if found is not None and ip_network(found).prefixlen == 0 else found


def _after(words: list[str], word: str) -> str:
    return words[words.index(word) + 1] if word in words[:-1] else ""
