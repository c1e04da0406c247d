"""For tests: what packs, plugins and agents can be tried with."""
