"""The plan that a customer's model writes before each answer, in a format that is read strictly.

<plan>
open: a refund for the mug; a new address
revealed: order number
agreed: -
</plan>
What the agent reads.

Entries are separated by semicolons; `-` stands for none. If a model writes something else, still no part of a plan
reaches the agent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tau2_core.model.customer_turns import CustomerPlan

_STRICT = re.compile(
    r"\s*<plan>[ \t]*\nopen:(?P<open>[^\n]*)\nrevealed:(?P<revealed>[^\n]*)\nagreed:(?P<agreed>[^\n]*)\n</plan>"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_ANY_BLOCK = re.compile(r"<plan[^>]*>.*?</plan[^>]*>", re.DOTALL | re.IGNORECASE)
_PLAN_LINE = re.compile(r"^[ \t]*(?:</?plan[^\n]*|(?:open|revealed|agreed):[^\n]*)\n?", re.MULTILINE | re.IGNORECASE)
_BARE_LINES = re.compile(
    r"^[ \t]*open:[^\n]*\n[ \t]*revealed:[^\n]*\n[ \t]*agreed:[^\n]*(?:\n|\Z)", re.MULTILINE | re.IGNORECASE
)
_TAG = re.compile(r"</?plan", re.IGNORECASE)
NO_PLAN = "the answer has no plan"
WRONG_FORM = "the plan is not in the format"


@dataclass(frozen=True)
class PlannedText:
    """What a model wrote: its plan, or why there is none, and the text for the agent."""

    text: str
    plan: CustomerPlan | None = None
    problem: str = ""


def read_plan(written: str) -> PlannedText:
    """Separate the plan from the text for the agent. A text without a plan is taken as it is."""
    found = _STRICT.fullmatch(written)
    if found is not None and not _TAG.search(found["rest"]):
        plan = CustomerPlan(**{name: _entries(found[name]) for name in ("open", "revealed", "agreed")})
        return PlannedText(found["rest"].strip(), plan)
    if not _TAG.search(written) and not _BARE_LINES.search(written):
        return PlannedText(written, problem=NO_PLAN)
    rest = _BARE_LINES.sub("", _ANY_BLOCK.sub("", written))
    if _TAG.search(rest):  # a block that is not closed, or not opened
        rest = _PLAN_LINE.sub("", rest)
        rest = _TAG.split(rest)[0]
    return PlannedText(rest.strip(), problem=WRONG_FORM)


def _entries(line: str) -> list[str]:
    entries = [entry.strip() for entry in line.split(";")]
    return [entry for entry in entries if entry and entry != "-"]
