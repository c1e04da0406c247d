"""Language models: one small protocol, litellm behind it, and what makes a run survive bad days of a provider."""
