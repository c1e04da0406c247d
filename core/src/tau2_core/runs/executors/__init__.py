"""Where the episodes of a run are played and graded: in its own process, or by workers."""
