"""The workbench: every run, every episode and every domain in a web page, while it happens."""
