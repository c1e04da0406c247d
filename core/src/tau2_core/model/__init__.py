"""Pure data: messages, tasks, tools, datasets. No behaviour, no imports from the rest of the core."""
