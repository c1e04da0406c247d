"""The name under which Inspect finds our tasks: it takes it from the package that a task is defined in."""
