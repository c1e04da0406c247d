"""Creating a new pack: its files from templates, and its schemas for editors."""
