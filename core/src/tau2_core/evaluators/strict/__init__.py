"""The set `strict`: it compares by meaning and not by spelling, and also requires the right outcome."""
