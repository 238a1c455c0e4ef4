"""The support ticket: what goes in, as text, JSON, a page, an archive."""
