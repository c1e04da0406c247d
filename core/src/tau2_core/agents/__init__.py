"""Agents that need no model: a perfect one, and baselines that a sound task must not let pass."""
