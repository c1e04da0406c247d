"""Packs: reading a domain's manifest, tools, prompts, data and tasks, and binding them to its code."""
