"""lish-agent: names the first broken layer of a Linux host, with its proof."""

__version__ = "0.1.0"
