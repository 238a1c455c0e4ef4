"""Facts: what is read from the target; each a pure parser of what the target gave."""
