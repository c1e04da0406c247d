"""The `tau2-bench` adapter: it reads a checkout of the official repository, or its data alone, and executes nothing."""
