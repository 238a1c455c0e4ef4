"""Listening sockets of the running host, from the target's record."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why


@dataclass(frozen=True)
class Listener:
    """One socket that waits for connections or datagrams. ``program`` is "" when it can't be seen."""

    protocol: str  # tcp or udp
    address: str  # 0.0.0.0, ::, 127.0.0.53 ...
    port: int
    program: str = ""
    pid: int | None = None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read(target: Target) -> Maybe[tuple[Listener, ...]]:
    """All listening sockets; Unknown when the target does not run."""
    record = target.query("sockets")
    if isinstance(record, Unknown):
        return record
    if not isinstance(record, (list, tuple)):
        return Unknown("sockets: the record is no list", Why.UNREADABLE)
    found: list[Listener] = []
    for item in record:
        if not isinstance(item, dict):
            continue
        address, port, pid = item.get("address"), item.get("port"), item.get("pid")
        if not isinstance(address, str) or not isinstance(port, int):
            continue
        program = item.get("name")
        found.append(
            Listener(
                str(item.get("type", "tcp")),
                address.partition("%")[0],
                port,
                program if isinstance(program, str) else "",
                pid if isinstance(pid, int) else None,
            )
        )
    return tuple(found)
