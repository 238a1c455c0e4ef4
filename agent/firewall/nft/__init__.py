"""Readers of nft: its JSON, its text, and the files that it loads."""
