"""Where the episodes of a run are played and graded: in the run's own process, or by workers."""
