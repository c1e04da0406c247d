"""Run folders: writing and reading their files, figures, reports and comparisons. Nothing here plays episodes."""
