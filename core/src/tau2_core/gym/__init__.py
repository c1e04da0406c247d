"""The MCP gym: private worlds behind unguessable URLs, on a control, a data and a conversation plane that never mix."""
