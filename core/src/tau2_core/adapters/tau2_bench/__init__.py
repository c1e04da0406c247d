"""The `tau2-bench` adapter: a checkout of the official repository, or its data alone, read and never executed."""
