"""The workbench: runs, episodes and domains as web pages, updated live."""
