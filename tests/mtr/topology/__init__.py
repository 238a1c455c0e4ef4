"""Real routers in namespaces of this process: S - R1 - R2 - R3 - R4 - D."""
