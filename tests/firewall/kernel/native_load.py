"""Loading of nft's own rule-sets in the lab, and reading them back as nft lists them."""

from __future__ import annotations

import json
from typing import Any

from agent.firewall.model import Ruleset
from agent.firewall.nft import json_reader
from tests.firewall.kernel.lab import command
from tests.firewall.kernel.native import PREFIX, NativeRules


def listed() -> list[dict[str, Any]]:
    """The objects of our own tables, as ``nft -j list ruleset`` prints them."""
    found = json.loads(command("nft", "-j", "list", "ruleset"))["nftables"]
    return [item for item in found if _table(item).startswith(PREFIX)]


def _table(item: dict[str, Any]) -> str:
    for name, inner in item.items():
        return str(inner.get("name" if name == "table" else "table", ""))
    return ""


def clear() -> None:
    """Take our tables away."""
    tables = [item["table"] for item in listed() if "table" in item]
    if tables:
        command("nft", "-f", "-", text="".join(f"delete table {one['family']} {one['name']}\n" for one in tables))


def load(rules: NativeRules) -> str:
    """What nft said against it, "" when it took it."""
    out = command("nft", "-f", "-", text=rules.text, check=False)
    return " / ".join(line.strip() for line in out.split("\n")[:3]) if out.startswith("error") else ""


def shown() -> str:
    return "\n".join(
        command("nft", "list", "table", item["table"]["family"], item["table"]["name"])
        for item in listed()
        if "table" in item
    )


def read(rules: NativeRules) -> Ruleset:
    """As the reader of JSON has it. nft 1.0.6 does not print the device of a netdev chain: it is put in here."""
    items = listed()
    for item in items:
        chain = item.get("chain", {})
        if chain.get("table") in rules.devices and "hook" in chain:
            chain["dev"] = rules.devices[chain["table"]]
    return json_reader.read({"nftables": items})
