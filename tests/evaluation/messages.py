"""Messages and gold calls of hand-written episodes on the mock domain."""

from __future__ import annotations

from typing import Any

Call = tuple[str, dict[str, Any]]
COMPLETE: Call = ("update_task_status", {"task_id": "task_1", "status": "completed"})
COMPLETE_2: Call = ("update_task_status", {"task_id": "task_2", "status": "completed"})
WRONG: Call = ("update_task_status", {"task_id": "task_99", "status": "completed"})
LOOK: Call = ("get_users", {})


def made(call: Call, role: str = "assistant", content: str = "recorded", **fields: Any) -> list[dict[str, Any]]:
    """Return the two messages of a call as a conversation records them."""
    calls = [{"id": "1", "name": call[0], "arguments": call[1], "requestor": role}]
    return [
        {"role": role, "tool_calls": calls, **fields},
        {"role": "tool", "id": "1", "content": content, "requestor": role},
    ]


def gold(*calls: Call, **fields: Any) -> list[dict[str, Any]]:
    return [{"action_id": f"g{n}", "name": name, "arguments": given, **fields} for n, (name, given) in enumerate(calls)]
