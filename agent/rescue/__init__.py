"""Rescue: the disks of the machine, their filesystems checked and mounted, and everything put back again."""
