"""Customers: a script, a language model, a person, and the placeholder of solo play."""
