"""Starting a pack: its files from templates, its schemas for editors, its tools from what a company has."""
