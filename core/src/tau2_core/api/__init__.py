"""The Python API: open an episode and step it, evaluate an agent, read a run."""
