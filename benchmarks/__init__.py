"""Measure speed and memory, and print figures and ratios. Nothing here passes or fails."""
