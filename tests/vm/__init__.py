"""Real machines in QEMU: broken disks that do not boot, a rescue system, and the same disks reached again."""
