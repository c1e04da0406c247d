"""The command line: `tau2-gym`."""
