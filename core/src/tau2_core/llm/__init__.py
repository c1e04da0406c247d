"""Language models: one small protocol, litellm or an endpoint behind it, and what makes a run survive bad days of a provider."""
