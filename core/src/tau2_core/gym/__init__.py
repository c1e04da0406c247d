"""The MCP gym: private worlds behind unguessable URLs, on separate control, data and conversation planes."""
