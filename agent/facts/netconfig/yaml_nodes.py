"""PyYAML's nodes; where PyYAML is not installed, classes of which nothing is an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
else:
    try:
        from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
    except ImportError:  # Finnix before 125 has none

        class Node: ...

        class MappingNode(Node): ...

        class ScalarNode(Node): ...

        class SequenceNode(Node): ...


__all__ = ["MappingNode", "Node", "ScalarNode", "SequenceNode"]
