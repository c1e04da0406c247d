"""Readers of datasets, one package each, registered as plugins."""
