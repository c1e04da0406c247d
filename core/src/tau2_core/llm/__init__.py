"""Language models: one small protocol, two clients behind it, and what makes a run survive bad days of a provider."""
