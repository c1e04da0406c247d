"""Evaluators of the set `tau2`: the official arithmetic with its quirks (spec/evaluation.md)."""
