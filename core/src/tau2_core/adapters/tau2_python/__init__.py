"""Domains written in Python for tau2-bench, as packs that call them."""
