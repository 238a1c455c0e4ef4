"""The parts of a pasted text: each line belongs to the output of one program, or to none.

The kind of each part is told by its own form, its family and table by the words before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from agent.firewall import pasted_managers
from agent.firewall.model import Family
from agent.firewall.pasted_lines import Line
from agent.firewall.xtables.tables import TABLES


class Kind(Enum):
    SAVE = "iptables-save"
    RULES = "iptables -S"
    LISTING = "iptables -L"
    NFT = "nft list ruleset"
    UFW = "ufw status"
    FIREWALLD = "firewall-cmd --list-all"
    SCRIPT = "a shell script"


TABLE = re.compile(r"\s*\*(\w+)\s*$")
_SAVED = re.compile(
    r"\s*(?::[\w.-]+[ \t]+[\w-]+|COMMIT\s*$"
    r"|(?:\[\d+:\d+\]\s*)?(?:-t\s+\w+\s+)?-(?:[AIDRNPFXZE]|-append|-insert|-policy|-delete|-new)[\w-]*\s)"
)
CHAIN = re.compile(r"\s*Chain \S+ \((?:policy \w+|\d+ references)")
_RULE = re.compile(
    r"\s*(?:\[\d+:\d+\]\s*)?(?:-t\s+\w+\s+)?(?:-[AIPN]|--append|--insert|--policy|--new-chain)\s+[\w.-]+(?:\s|$)"
)
_NFT = re.compile(
    r"\s*(?:table\s+(?:(?:ip6?|inet|arp|bridge|netdev)\s+)?[\w.-]+\s*\{?\s*$"
    r"|table\s+(?:(?:ip6?|inet|arp|bridge|netdev)\s+)?[\w.-]+\s*\{"
    r"|(?:add|insert|create|delete|destroy|flush)\s+(?:table|chain|rule|set|map|element|ruleset)\b"
    r"|define\s+[\w.-]+\s*=|include\s+\")"
)
_UFW = re.compile(
    r"\s*(?:Status|Estado|Statut|Stato|Stav|Status firewalla):\s+"
    r"(?:(?:in)?acti(?:ve|vo|f)|(?:in)?aktiv|(?:in)?attivo|(?:in)?ativo|neaktivn\S+|aktivn\S+)\s*$",
    re.IGNORECASE,
)
_ZONE = re.compile(r"\s+(?:target|interfaces|icmp-block-inversion):")
_STATUS = re.compile(r"\s*Table: (\w+)\s*$")  # of `service iptables status`
_COMMAND = re.compile(
    r"\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/|\$\{?\w+\}?\s)?\s*(?:ip6?tables(?:-legacy|-nft)?(?:-restore)?|nft|ipset)\s+(?!v\d)\S"
)
_CALLED = re.compile(r"\s*\$\{?\w*(?:IPT|ipt|IPTABLES|iptables|FW|NFT)\w*\}?\s+-")
_SHEBANG = re.compile(r"#!\s*\S*/(?:env\s+)?(?:ba|da|a|k|z)?sh\b")
# Lines of a shell script, and not of the prose around it.
_SHELL = re.compile(
    r"\s*(?:#|(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/)?(?:ip6?tables\S*|nft|ipset)\s|\$\{?\w+\}?\s+-|(?:export\s+)?\w+=\S*"
    r"|(?:for|while)\s.*(?:;\s*do\b|$)|(?:do|done|fi|else|then|if\s.*)\b|-{1,2}\w|\w[^'\"]*\\$)"
)
_SIX = re.compile(r"ip6tables|rules\.v6|\bIPv6\b|ip6t|user6\.rules|before6\.rules", re.IGNORECASE)
_FOUR = re.compile(r"iptables|rules\.v4|\bIPv4\b", re.IGNORECASE)
OF_TABLE = re.compile(r"(?:-t|--table)[ =](\w+)")
_CONTINUES = re.compile(r"\s*(?:-[jmpsdgio]\s|--[a-z]|!\s|ACCEPT\b|DROP\b|REJECT\b)")


@dataclass
class Part:
    """A part of one kind; ``family`` and ``table`` by the words before it, None and "" where there are none."""

    kind: Kind
    family: Family | None = None
    table: str = ""
    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """With the lines at their number."""
        found = [""] * (self.lines[-1].number if self.lines else 0)
        for line in self.lines:
            found[line.number - 1] = line.text.strip() if self.kind in (Kind.SAVE, Kind.RULES) else line.text
        return "\n".join(found)


def parts(lines: Sequence[Line]) -> list[Part]:
    if _is_script(lines):
        whole = bool(_SHEBANG.match(next(line.text for line in lines if line.text.strip())))
        kept = [line for line in lines if whole or _SHELL.match(line.text) or line.command]
        return [Part(Kind.SCRIPT, lines=kept)]
    return [part for part in _Splitter().parts(lines) if part.lines]


def _is_script(lines: Sequence[Line]) -> bool:
    """Commands, and not their output."""
    first = next((line.text for line in lines if line.text.strip()), "")
    if any(TABLE.match(line.text) or CHAIN.match(line.text) for line in lines) and not _SHEBANG.match(first):
        return False
    if _SHEBANG.match(first):
        return True
    orders = [line.text for line in lines if _COMMAND.match(line.text) or _CALLED.match(line.text)]
    return any(
        re.search(r"\s(?:-[AIPFNXD]|--append|--insert|--policy|add|insert|flush|create)\s", f"{one} ") for one in orders
    )


class _Splitter:
    """Walks over the lines, and opens a part where one begins."""

    def __init__(self) -> None:
        self._found: list[Part] = []
        self._part: Part | None = None
        self._family: Family | None = None
        self._table = ""
        self._depth = 0  # of nft's braces
        self._saved = False  # between *table and COMMIT
        self._chains: set[str] = set()

    def parts(self, lines: Sequence[Line]) -> list[Part]:
        for index, line in enumerate(lines):
            self._take(line, lines[index + 1].text if index + 1 < len(lines) else "")
        return self._found

    def _take(self, line: Line, after: str) -> None:
        text = line.text
        if line.command:
            self._heading(text)
            self._close()
        elif self._depth:
            self._nft(line)
        elif text.startswith("# Generated by") and "tables" in text:
            self._heading(text)
            self._open(Kind.SAVE, again=True).lines.append(line)
        elif TABLE.match(text):
            self._open(Kind.SAVE).lines.append(line)
            self._saved = True
        elif self._saved:
            self._in_save(line)
        elif CHAIN.match(text):
            self._chain(line)
        elif _NFT.match(text):
            self._open(Kind.NFT)
            self._nft(line)
        elif _UFW.match(text):
            self._open(Kind.UFW, again=True).lines.append(line)
        elif pasted_managers.is_zone(text) and _ZONE.match(after):
            self._open(Kind.FIREWALLD).lines.append(line)
        elif _RULE.match(text):
            self._open(Kind.RULES).lines.append(line)
        elif re.match(r"\s*:(?:INPUT|FORWARD|OUTPUT|PREROUTING)\s+\w+", text):
            self._open(Kind.SAVE).lines.append(line)
            self._saved = True
        elif text.strip():
            self._other(line)

    def _other(self, line: Line) -> None:
        part = self._part
        if part is not None and part.kind is Kind.RULES and _CONTINUES.match(line.text) and part.lines:
            part.lines[-1] = Line(part.lines[-1].number, f"{part.lines[-1].text} {line.text.strip()}")
        elif part is not None and part.kind in (Kind.LISTING, Kind.UFW, Kind.FIREWALLD):
            if _HEADING.match(line.text):
                self._heading(line.text)
                self._close()
            else:
                part.lines.append(line)
        elif part is not None and part.kind is Kind.NFT and line.text.lstrip().startswith("#"):
            part.lines.append(line)
        else:
            self._heading(line.text)

    def _heading(self, text: str) -> None:
        """Which family and table the words before a part speak of."""
        if _SIX.search(text):
            self._family = Family.IP6
        elif _FOUR.search(text):
            self._family = Family.IP
        table = OF_TABLE.search(text) or _STATUS.match(text)
        if table and table[1] in TABLES:
            self._table = table[1]
        elif _FOUR.search(text) or _SIX.search(text):
            self._table = ""

    def _open(self, kind: Kind, again: bool = False) -> Part:
        part = self._part
        if part is None or part.kind is not kind or again:
            self._close()
            part = self._part = Part(kind, self._family, self._table)
            self._found.append(part)
        return part

    def _close(self) -> None:
        self._part, self._saved, self._depth = None, False, 0
        self._chains = set()

    def _in_save(self, line: Line) -> None:
        part = self._open(Kind.SAVE)
        text = line.text
        if text.strip() == "COMMIT":
            part.lines.append(line)
            self._saved = False
        elif not text.strip() or text.lstrip().startswith("#") or _SAVED.match(text):
            part.lines.append(line)
        elif _CONTINUES.match(text) and part.lines and part.lines[-1].text.lstrip().startswith(("-", "[")):
            part.lines[-1] = Line(part.lines[-1].number, f"{part.lines[-1].text} {text.strip()}")
        else:
            self._heading(text)

    def _chain(self, line: Line) -> None:
        name = line.text.split()[1]
        if name in self._chains or (name == "PREROUTING" and self._chains):
            if (
                name in ("INPUT", "FORWARD")
                and self._part is not None
                and self._part.family is not Family.IP6
                and not self._table
            ):
                self._family = Family.IP6  # the second listing of the same chains is the other family's
            self._close()
        self._open(Kind.LISTING).lines.append(line)
        self._chains.add(name)

    def _nft(self, line: Line) -> None:
        part = self._open(Kind.NFT)
        part.lines.append(line)
        bare = re.sub(r"\"[^\"]*\"|#.*", "", line.text)
        self._depth = max(0, self._depth + bare.count("{") - bare.count("}"))


_HEADING = re.compile(r"\s*(?:#|=|-{3,}|\*{2,}|IPv[46]|ip6?tables\b|Table: \w)")
