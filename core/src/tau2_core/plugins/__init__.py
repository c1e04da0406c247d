"""Plugins: discovery, blocking, and the catalogue of what they provide."""
