"""Reader of nft's text: what ``nft list ruleset`` prints, and files for ``nft -f``.

The text is brought into the form of ``nft -j list ruleset`` (libnftables-json(5)), which ``json_reader`` understands.
Each rule also carries its text and line; what is not understood stays in its place as ``lish_unknown``; and
``lish_problems`` lists what nft itself would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.firewall.model import Problem, Ruleset, Table
from agent.firewall.nft.text_commands import read as commands
from agent.firewall.nft.text_stream import Opener, Stream
from agent.firewall.xtables.values import SERVICES


def parse(
    text: str, *, name: str = "", opener: Opener | None = None, services: Mapping[str, int] = SERVICES
) -> dict[str, object]:
    """The text as the JSON object that nft prints. ``opener`` gives the text of a file that is included, by the path
    that is written (patterns, too), and raises OSError or gives Unknown when it can't.

    Nothing is raised: ``lish_problems`` are rows of line, text, why, and ``refused`` (nft would not load the text;
    otherwise it is only this program that can't tell what it does). Lines are of this text; what is wrong in an
    included file has the line of its ``include``."""
    stream = Stream(text, name, opener, services)
    draft = commands(stream)
    return {"nftables": list(draft.rows()), "lish_problems": stream.problems}


def read(text: str, *, name: str = "", opener: Opener | None = None, services: Mapping[str, int] = SERVICES) -> Ruleset:
    """The rule-set of a text, with its problems."""
    from agent.firewall.nft import json_reader

    document = parse(text, name=name, opener=opener, services=services)
    ruleset = json_reader.read(document)
    tables = tuple(_doubted(table, _spoilt(document)) for table in ruleset.tables)
    return replace(ruleset, tables=tables, problems=(*ruleset.problems, *_problems(document)))


def _problems(document: Mapping[str, object]) -> Iterator[Problem]:
    rows = document["lish_problems"]
    for row in rows if isinstance(rows, list) else []:
        yield Problem(row["line"], row["text"], row["why"], bool(row.get("refused")))


def _spoilt(document: Mapping[str, object]) -> dict[tuple[str, str, str, str], str]:
    """Chains and sets that have a line which can't be read: kind, family, table and name; and why."""
    found: dict[tuple[str, str, str, str], str] = {}
    rows = document["nftables"]
    for row in rows if isinstance(rows, list) else []:
        for word, item in row.items():
            if "lish_unknown" in item and word in ("chain", "set", "map"):
                kind = "chain" if word == "chain" else "set"
                unknown = item["lish_unknown"]
                why = f"a line of it can't be read: {unknown['text']}"
                found[kind, item["family"], item["table"], item["name"]] = why
    return found


def _doubted(table: Table, spoilt: Mapping[tuple[str, str, str, str], str]) -> Table:
    """What has a line that can't be read may hold more than was read."""

    def why(kind: str, name: str) -> str:
        return spoilt.get((kind, table.family.value, table.name, name), "")

    if not spoilt:
        return table
    return replace(
        table,
        chains=tuple(replace(item, truncated=item.truncated or why("chain", item.name)) for item in table.chains),
        sets=tuple(replace(item, incomplete=item.incomplete or why("set", item.name)) for item in table.sets),
    )
