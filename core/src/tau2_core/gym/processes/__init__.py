"""A server of several processes: the front owns the port and the runs, and workers host the episodes."""
