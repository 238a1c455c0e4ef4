"""MTR reports: reading any, judging them, comparing two, making one."""
