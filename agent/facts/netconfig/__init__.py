"""Readers of what the host is configured to do with its network: one file a manager."""
