"""Changes: operations that each know what undoing them needs, the journal of changes, and undo."""
