"""Firewall: the rule-set that is in force, and the path of a packet through it."""
