"""Diagnosis: rules, proofs, findings, the ladder and the verdict."""
