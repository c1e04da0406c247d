"""Plugins: finding them, blocking them, and telling who brought what."""
