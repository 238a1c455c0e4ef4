"""Proofs of the address rules."""

from __future__ import annotations

from agent.diagnosis.model import ProofFunction

PROOFS: dict[str, ProofFunction] = {}
