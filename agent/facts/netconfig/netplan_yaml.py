"""YAML as netplan reads it: one document of nodes with their lines, and its messages for what is no YAML.

netplan uses libyaml; PyYAML is the same parser in Python, and only words its errors otherwise (netplan_parser.py).
Without PyYAML every file is one that could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.facts.netconfig.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

LIMIT = 256 * 1024  # bytes; larger is not a network configuration


@dataclass(frozen=True)
class Fault:
    """Why a file is no YAML; places count from 1. ``bound``: it can't be judged here (past our own bounds, or
    no PyYAML), and netplan may well take it."""

    line: int
    column: int
    text: str
    bound: bool = False


def load(data: bytes) -> Node | Fault | None:
    """The first document's root, None for an empty file."""
    try:
        from agent.facts.netconfig import netplan_parser
    except ImportError:
        return Fault(1, 1, "not read: PyYAML is not installed (Debian's python3-yaml)", bound=True)
    return netplan_parser.parse(data)


def scalar(node: Node | None) -> str | None:
    """The text of a scalar node, None for others."""
    return node.value if isinstance(node, ScalarNode) else None


def pairs(node: Node | None) -> list[tuple[Node, Node]]:
    """Keys and values of a mapping, in order; nothing for other nodes. Keys may come twice."""
    return list(node.value) if isinstance(node, MappingNode) else []


def items(node: Node | None) -> list[Node]:
    return list(node.value) if isinstance(node, SequenceNode) else []


def get(node: Node | None, key: str) -> Node | None:
    """The value of the last such key of a mapping."""
    found = None
    for name, value in pairs(node):
        if scalar(name) == key:
            found = value
    return found


def line_of(node: Node) -> int:
    return int(node.start_mark.line) + 1 if node.start_mark is not None else 0
