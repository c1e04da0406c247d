"""Runs: tasks times trials, played concurrently, recorded as they finish, graded and summarised."""
