"""Proofs of the links rules."""

from __future__ import annotations

from agent.diagnosis.model import ProofFunction

PROOFS: dict[str, ProofFunction] = {}
