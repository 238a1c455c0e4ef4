"""The fixes, one file each; they are listed in agent/fixes/registry.py."""
