"""Logs of the target: sources, entries, and the search for what the rules know."""
