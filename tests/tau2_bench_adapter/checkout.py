"""A small checkout of tau2-bench, written by the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import Dataset

TOOLS = '''
import a_package_that_nobody_has
raise SystemExit("sources are read, never run")

class CountTools(Toolkit):
    """Tools of the counter."""

    @is_tool(ToolType.READ)
    def count(self, shelf: str, deep: bool = False) -> int:
        """Count what lies on a shelf.

        Baskets are counted as one.
        Not what lies behind it.

        Args:
            shelf: The shelf's name, such as "A1".
            deep (bool): Whether to look
                into baskets as well.

        Returns:
            How many there are.

        Raises:
            ValueError: If there is no such shelf.
        """

    @toolkit.tool
    async def clear(self) -> None:
        """Clear every shelf."""

    @is_tool()
    def undocumented(self) -> None: ...

    @property
    def size(self) -> int:
        """Not a tool."""

    def helper(self) -> None:
        """Nor this."""
'''
USER_TOOLS = '''
class BagTools:
    @is_tool(ToolType.WRITE)
    def open_bag(self) -> str:
        """Open the bag."""
'''
AGENT = '''
import nothing_of_the_kind
PATTERN = "\\d"
AGENT_INSTRUCTION = """
Serve politely.
  Follow the rules.
""".strip()
SYSTEM_PROMPT = f"<instructions>{AGENT_INSTRUCTION}</instructions>"
'''
OPENING = """
DEFAULT_FIRST_AGENT_MESSAGE = AssistantMessage(
    role="assistant", content="Good day. " "What is it?", cost=0.0
)
"""


def task(task_id: Any, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "user_scenario": {"instructions": "Ask what is on shelf A1."}, **fields}


def write(root: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")


SHOP = "data/tau2/domains/shop"
PHONE = "data/tau2/domains/phone"


def ids(dataset: Dataset) -> list[str]:
    return [each.id for each in dataset.load_tasks()]


def names(dataset: Dataset) -> list[str]:
    return [file.relative_to(dataset.root).as_posix() for file in dataset.files]


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DatasetError) as caught:
        action()
    return str(caught.value)
