"""The checks of "will it boot?", one file a noun; agent/diagnosis/bootable.py puts them together."""
