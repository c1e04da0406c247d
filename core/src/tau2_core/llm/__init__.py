"""Language models: one small protocol with two clients, and retries, limits and cassettes around them."""
