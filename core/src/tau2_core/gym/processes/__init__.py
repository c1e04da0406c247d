"""A server of several processes: a front that owns the port and the runs, and workers that host episodes."""
