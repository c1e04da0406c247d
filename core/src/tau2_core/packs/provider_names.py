"""Names that model providers accept for tools and parameters."""

from __future__ import annotations

import re

LONGEST = 64
# Accepted by OpenAI, Anthropic, Google, Mistral and Bedrock; Google requires a letter or underscore first.
_TOOL = re.compile(rf"[A-Za-z_][A-Za-z0-9_-]{{0,{LONGEST - 1}}}\Z")
TOOL_RULE = f"letters A to Z, digits, `_` and `-`, up to {LONGEST}, the first a letter or `_`"


def is_provider_name(name: str) -> bool:
    """Tell whether every provider accepts a name for a tool or a parameter."""
    return _TOOL.match(name) is not None
