"""Simulated customers that need no model."""
