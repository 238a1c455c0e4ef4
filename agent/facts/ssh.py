"""sshd: is it installed, which ports does it want, what listens."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class Sshd:
    installed: bool
    ports: tuple[int, ...]  # from sshd_config and its includes, ssh.socket's drop-ins, default 22
    listening: Maybe[tuple[str, ...]]  # live: "0.0.0.0:22"; empty: nothing listens on its ports
    addresses: tuple[str, ...] = ()  # ListenAddress lines


def read(target: Target) -> Sshd:
    raise NotImplementedError
