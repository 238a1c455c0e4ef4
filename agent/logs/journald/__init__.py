"""journald's files, read by ourselves: also those that libsystemd gives up on."""
