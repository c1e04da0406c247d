"""The tools of both sides, the functions that tasks name, and the sync rule."""
