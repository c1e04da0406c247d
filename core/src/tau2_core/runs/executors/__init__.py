"""Executors play and grade the episodes of a run, in the run's own process or by workers."""
