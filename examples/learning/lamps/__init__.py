"""Lamps and who switches them: a pack to learn on."""
