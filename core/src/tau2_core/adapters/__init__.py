"""Readers of other people's datasets, one package each; they are registered as plugins, like everybody's."""
