"""Values and headers of fuzzed requests."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

META = '{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}'
MCP = {"accept": "application/json", "content-type": "application/json"}
MODERN = {**MCP, "mcp-protocol-version": "2026-07-28"}
ENOUGH: dict[str, Any] = {
    "max_examples": settings().max_examples // 3,
    "suppress_health_check": list(HealthCheck),
    "deadline": None,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
