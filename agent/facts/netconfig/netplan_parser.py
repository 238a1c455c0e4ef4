"""The parser of netplan's YAML: PyYAML, with libyaml's words for what is no YAML, and bounds.

Nodes are composed and never built into objects, so that no tag can do anything; size, depth and aliases are bounded.
"""

from __future__ import annotations

from yaml import MarkedYAMLError, YAMLError
from yaml.composer import Composer, ComposerError
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner, ScannerError

from agent.facts.netconfig.netplan_yaml import Fault

MAX_DEPTH = 64
MAX_NODES = 40_000

_WORDING = (  # PyYAML's clause, libyaml's
    ("mapping values are not allowed", "mapping values are not allowed in this context"),
    ("sequence entries are not allowed", "block sequence entries are not allowed in this context"),
    ("mapping keys are not allowed", "mapping keys are not allowed in this context"),
    ("expected ',' or ']'", "did not find expected ',' or ']'"),
    ("expected ',' or '}'", "did not find expected ',' or '}'"),
    ("expected <block end>, but found '-'", "did not find expected '-' indicator"),
    ("expected <block end>", "did not find expected key"),
    ("expected the node content", "did not find expected node content"),
    ("expected '<document start>'", "did not find expected <document start>"),
    ("that cannot start any token", "found character that cannot start any token"),
    ("could not find expected ':'", "could not find expected ':'"),
    ("found undefined alias", "found undefined alias"),
    ("found duplicate anchor", "found duplicate anchor"),
    ("found unexpected end of stream", "found unexpected end of stream"),
    ("found unknown escape character", "found unknown escape character"),
    ("expected alphabetic or numeric", "did not find expected alphabetic or numeric character"),
)


class _TooMuch(YAMLError):
    pass


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    def __init__(self, data: bytes) -> None:
        Reader.__init__(self, data)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = 0
        self.nodes = 0

    def scan_to_next_token(self) -> None:
        """As libyaml does it: a tab may part tokens wherever no key can begin (``dhcp4:<tab>yes``)."""
        if self.index == 0 and self.peek() == "\ufeff":
            self.forward()
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0\r\n\x85\u2028\u2029":
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise _TooMuch
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse(data: bytes) -> Node | Fault | None:
    """The first document's root, None for an empty file."""
    loader: _Loader | None = None
    try:
        loader = _Loader(data)
        return loader.get_node() if loader.check_node() else None
    except _TooMuch:
        return Fault(1, 1, "too deep or too large to be judged", bound=True)
    except MarkedYAMLError as error:
        return _fault(loader, error)
    except ReaderError as error:
        before = data[: error.position] if isinstance(error.position, int) else b""
        text = "control characters are not allowed"
        if error.encoding in ("utf-8", "utf8"):
            text = "invalid leading UTF-8 octet" if "start byte" in error.reason else "invalid trailing UTF-8 octet"
        return Fault(before.count(b"\n") + 1, 1, f"Invalid YAML: {text}:")
    except (YAMLError, ValueError, RecursionError, AttributeError, IndexError):
        return Fault(1, 1, "Invalid YAML:")


def _fault(loader: _Loader | None, error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return Fault(line, column, f"Invalid YAML: {_wording(loader, error)}:")


def _wording(loader: _Loader | None, error: MarkedYAMLError) -> str:
    problem = error.problem or ""
    here = ""
    in_key = False
    if loader is not None:
        here = loader.peek()
        in_key = getattr(loader.state, "__name__", "") == "parse_block_mapping_key"
    if here == "\t":
        return "tabs are not allowed for indent"
    if isinstance(error, ComposerError) or (here in (" ", "\0") and isinstance(error, ScannerError)):
        return "aliases are not supported"  # what netplan makes of it, whatever it was
    if in_key:
        return "inconsistent indentation"
    for theirs, ours in _WORDING:
        if theirs in problem:
            return ours
    return problem
