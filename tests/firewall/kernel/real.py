"""Real rule-sets: what ufw, firewalld, Docker, fail2ban, podman and libvirt have loaded, as recorded, and classics."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.firewall.kernel import classics

RECORDED = Path(__file__).parents[1] / "recorded"
XTABLES = {"raw", "mangle", "nat", "filter", "security"}
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Real:
    """``xtables`` by back end and family; ``document`` is nft's JSON, without the tables of iptables-nft."""

    name: str
    xtables: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    ipsets: str = ""
    document: tuple[Json, ...] = ()
    nft: str = ""  # a file for nft -f

    @property
    def families(self) -> tuple[int, ...]:
        """Those that it has rules for; all that it has of nft's own is for both."""
        if self.document or self.nft:
            return (4, 6)
        return tuple(sorted({family for texts in self.xtables.values() for family in texts}))


def recorded(name: str) -> Any:
    return json.loads(lzma.decompress((RECORDED / f"{name}.json.xz").read_bytes()))


def names(pattern: str) -> list[str]:
    return sorted(path.name[: -len(".json.xz")] for path in RECORDED.glob(f"{pattern}.json.xz"))


def rulesets() -> list[Real]:
    """All of them, and some that stand together on many hosts."""
    found = [*_ufw(), *_firewalld(), *_managers(), *_classics()]
    by_name = {one.name: one for one in found}
    return found + [
        _both(by_name[one], by_name[other])
        for one, other in (
            ("ufw-ssh nft", "docker-published legacy"),
            ("ufw-ssh legacy", "docker-published-new nft"),
            ("ufw-deny legacy", "fail2ban-nft nft"),
            ("firewalld-2.3.1 stock", "docker-published nft"),
            ("firewalld-1.3.3 rich", "fail2ban-ipset legacy"),
            ("redhat nft", "fail2ban-nft nft"),
            ("securing legacy", "server"),
        )
    ]


def _both(one: Real, other: Real) -> Real:
    assert not set(one.xtables) & set(other.xtables)
    return Real(
        f"{one.name} + {other.name}",
        {**one.xtables, **other.xtables},
        one.ipsets + other.ipsets,
        one.document + other.document,
        one.nft + other.nft,
    )


def _ufw() -> Iterator[Real]:
    for name in names("ufw-*"):
        case = recorded(name)
        yield Real(f"{name} nft", {"nft": {4: case["v4"], 6: case["v6"]}})
        yield Real(f"{name} legacy", {"legacy": {4: case["legacy-v4"], 6: case["legacy-v6"]}})


def _firewalld() -> Iterator[Real]:
    for name in names("firewalld-*"):
        for case, said in recorded(name)["cases"].items():
            if said["listing"]:
                yield Real(f"{name} {case}", document=tuple(_loadable(said["listing"])))


def _managers() -> Iterator[Real]:
    for name in names("real-*"):
        case = recorded(name)
        document = tuple(_loadable(case["nft-document"]))
        for backend in ("legacy", "nft"):
            if backend in case:
                texts = {family: case[backend][f"v{family}"] for family in (4, 6) if case[backend][f"v{family}"]}
                xtables = {backend: texts} if any("-A" in text for text in texts.values()) else {}
                yield Real(f"{name[len('real-') :]} {backend}", xtables, case["ipset"], document)


def _classics() -> Iterator[Real]:
    for name, texts in classics.XTABLES.items():
        for backend in ("legacy", "nft"):
            yield Real(f"{name} {backend}", {backend: texts})
    for name, text in classics.NFT.items():
        yield Real(name, nft=text)


def _loadable(document: Json) -> Iterator[Json]:
    """The objects of nft's own tables, as an older nft takes them, too."""
    for item in document["nftables"]:
        for kind, inner in item.items():
            if kind == "metainfo" or is_xtables(kind, inner):
                continue
            yield {kind: {key: value for key, value in inner.items() if (kind, key) != ("table", "flags")}}


def is_xtables(kind: str, inner: Json) -> bool:
    """Does this object belong to a table of iptables-nft?"""
    table = inner.get("name" if kind == "table" else "table", "")
    return inner.get("family") in ("ip", "ip6") and table in XTABLES
