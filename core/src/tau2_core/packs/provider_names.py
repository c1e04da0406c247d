"""Names that models' providers take for tools and parameters."""

from __future__ import annotations

import re

LONGEST = 64
# What OpenAI, Anthropic, Google, Mistral and Bedrock all take; Google's begin with a letter or an underscore.
_TOOL = re.compile(rf"[A-Za-z_][A-Za-z0-9_-]{{0,{LONGEST - 1}}}\Z")
TOOL_RULE = f"letters A to Z, digits, `_` and `-`, up to {LONGEST}, the first a letter or `_`"


def is_provider_name(name: str) -> bool:
    """Tell whether every provider takes a name for a tool or a parameter."""
    return _TOOL.match(name) is not None
