"""What the MCP conformance suite expects of a server under test, as far as a pack can have it."""
