"""A domain as third parties write it for tau2-bench."""
