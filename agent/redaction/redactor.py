"""Takes secrets out of texts and remembers how many of which kind came from where, never what they were."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from agent.redaction import keys, lines
from agent.redaction.addresses import Addresses
from agent.redaction.model import Removed
from agent.redaction.shapes import SHAPES
from agent.redaction.words import KEY, harmless_value, secret_name

# A secret that goes on on further lines: a YAML block, an open quote, a backslash at the end of the line.
_BLOCK = re.compile(rf"(?i)^(?P<indent>[ \t]*)(?:- )?[\"']?(?P<key>{KEY})[\"']?\s*:\s*[|>][+-]?\d?\s*(?:#.*)?$")
_LISTED = re.compile(r"(?i)^(?P<indent>[ \t]*)[\"']?(?:[\w-]{0,30}(?:passwords|tokens|secrets))[\"']?\s*:\s*$")
_ITEM = re.compile(r"^(?P<lead>[ \t]*- +)(?P<value>\S.*)$")
_CHPASSWD = re.compile(r"^(?P<indent>[ \t]*)chpasswd:\s*$")
_ACCOUNT = re.compile(
    r"^(?P<lead>[ \t]*(?:- )?[\"']?[a-z_][\w.-]{0,31}:)(?P<value>[^\s:\"'][^\s\"']{0,200})(?P<rest>[\"']?\s*)$"
)
_OPEN = re.compile(rf"(?i)(?<![\w/-])(?:{KEY})[\"']?\s*[=:]\s*(?P<quote>[\"'])\[removed: [^\]]*\]$")


class Redactor:
    """One for a whole ticket: the same address becomes the same everywhere. ``names``: host names to replace with
    the addresses."""

    def __init__(self, addresses: bool = False, names: Iterable[str] = ()) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._addresses = Addresses(names) if addresses else None

    @property
    def removed(self) -> tuple[Removed, ...]:
        """What was taken out, by place and kind."""
        counts: Counter[tuple[str, str]] = Counter()
        for (place, kind), count in self._counts.items():
            counts[self._named(place), kind] += count
        return tuple(Removed(place, kind, count) for (place, kind), count in sorted(counts.items()))

    def _named(self, place: str) -> str:
        """A place, which may hold a secret itself: the command line of a program."""
        clean = Redactor().text(place, "")
        return clean if self._addresses is None else self._addresses.replaced(clean)

    def text(self, text: str, place: str, key: str = "") -> str:
        """The text without secrets. ``place``: the file or command that it is from; ``key``: the name of the setting
        whose value it is."""
        if not text:
            return text

        def removed(kind: str) -> str:
            self._counts[place, kind] += 1
            return f"{lines.MARK}{kind}]"

        if key and secret_name(key) and not harmless_value(text) and not text.startswith(lines.MARK):
            return removed(lines.kind_of(key))
        text = keys.without(text, removed)
        for shape in SHAPES:
            if any(hint in text for hint in shape.hints):
                text = shape.expression.sub(lambda match: _cut(match, removed(shape.kind)), text)  # noqa: B023
        text = "\n".join(self._lines(text.split("\n"), place, removed))
        return text if self._addresses is None else self._addresses.replaced(text)

    def _lines(self, found: list[str], place: str, removed: lines.Remove) -> Iterable[str]:
        block = listed = accounts = -1  # the indentation of a key whose secret goes on below it
        said = False
        quote = ""
        continued = False
        for line in found:
            if quote:
                _, ends, line = line.partition(quote)
                if not ends:
                    yield ""
                    continue
                quote = ""
            bare = line.rstrip("\r")
            indent = len(bare) - len(bare.lstrip())
            if continued:
                continued = bare.endswith("\\")
                yield ""
                continue
            if block >= 0:
                if not bare.strip() or indent > block:
                    yield "" if said or not bare.strip() else bare[:indent] + removed("secret")
                    said = said or bool(bare.strip())
                    continue
                block = -1
            if listed >= 0:
                item = _ITEM.match(bare)
                if item and indent >= listed and not item["value"].startswith(lines.MARK):
                    yield item["lead"] + removed("secret")
                    continue
                listed = listed if item and indent >= listed else -1
            if accounts >= 0 and bare.strip():
                if indent <= accounts:
                    accounts = -1
                else:
                    account = _ACCOUNT.match(bare)
                    word = bare.strip("- \t").partition(":")[0]
                    if account and word not in ("expire", "list", "users", "name", "type", "password"):
                        yield account["lead"] + removed("password") + account["rest"]
                        continue
            begins = _BLOCK.match(bare)
            if begins and secret_name(begins["key"]):
                block, said = len(begins["indent"]), False
                yield line
                continue
            starts = _LISTED.match(bare)
            if starts:
                listed = len(starts["indent"])
                yield line
                continue
            chpasswd = _CHPASSWD.match(bare)
            accounts = len(chpasswd["indent"]) if chpasswd else accounts
            clean = lines.without(line, place, removed)
            if clean != line:
                opened = _OPEN.search(clean)
                quote = opened["quote"] if opened and bare.count(opened["quote"]) % 2 else ""
                continued = bare.endswith("\\") and not clean.endswith("\\")
            yield clean


def _cut(match: re.Match[str], mark: str) -> str:
    if "secret" not in match.re.groupindex:
        return mark
    begin, end = match.start("secret") - match.start(), match.end("secret") - match.start()
    return match[0][:begin] + mark + match[0][end:]
