"""The official domain `mock` as its description says, in the form of tau2-bench, on the official data."""
