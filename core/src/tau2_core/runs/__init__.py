"""Runs: tasks times trials, played side by side, recorded as they finish, graded and summed up."""
