"""A rule's own samples: texts that it must find, and texts that it must leave alone."""

from __future__ import annotations

import io
from collections.abc import Iterator

from agent.diagnosis.model import Rule
from agent.logs.console import search_console


def failures(rule: Rule) -> Iterator[str]:
    """What is wrong with the samples, a sentence each; nothing when all hold and both kinds are there."""
    for kind, samples in (("match", rule.matching), ("reject", rule.rejecting)):
        if not samples and rule.patterns:
            yield f"{rule.path}: no [[samples.{kind}]]: a rule shows what it finds and what it leaves alone"
    for sample in rule.matching:
        if not hits(rule, sample.text):
            yield f"{rule.path}: not found: {sample.text!r}"
    for sample in rule.rejecting:
        for name in hits(rule, sample.text):
            yield f"{rule.path}: pattern {name} finds what it must not: {sample.text!r} ({sample.why})"


def hits(rule: Rule, text: str) -> list[str]:
    """Names of the rule's patterns that a captured text shows, none when the text shows the repair too."""
    patterns = [pattern.pattern for pattern in rule.patterns]
    found = search_console("sample", io.BytesIO(text.encode("utf-8", "surrogateescape")), patterns)
    refuted = any(pattern.refutes and pattern.pattern.key in found.hits for pattern in rule.patterns)
    return [
        pattern.name
        for pattern in rule.patterns
        if (pattern.claims or pattern.tells) and pattern.pattern.key in found.hits and not refuted
    ]
