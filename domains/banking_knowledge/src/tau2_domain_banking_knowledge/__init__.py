"""The banking domain: a service desk with a knowledge base and hidden tools."""
