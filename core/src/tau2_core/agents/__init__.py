"""Agents: the oracle, a language model, a person, and baselines that must not pass a sound task."""
