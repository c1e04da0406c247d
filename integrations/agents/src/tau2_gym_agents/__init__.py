"""Agents of other frameworks and protocols as agents of tau2-gym."""
