"""A sandbox for the shell commands of agents, by bubblewrap."""
