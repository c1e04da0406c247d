"""Evaluators of the set `tau2`: the official arithmetic, quirks included (spec/evaluation.md)."""
