"""The log of the customer's calls of tools that were handed over."""

import json
from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import rows
from tau2_domain_banking_knowledge.models import BankingDB


def noted(db: BankingDB, tool: str, **arguments: Any) -> None:
    """Log a call of a tool before the tool's own checks, as tau2-bench does. Refuse a tool that was not handed over."""
    if not any(row.get("tool_name") == tool for row in rows(db, "user_discoverable_tools").values()):
        raise Refusal(f"you have not been given {tool}")
    seed = f"user_discoverable_tool_call:{tool}:{json.dumps(arguments, sort_keys=True)}"
    call = {"tool_name": tool, "arguments": arguments, "called_at": TODAY, "status": "CALLED"}
    put(db.user_discoverable_tool_calls.data, digits(seed, 16), call)
