"""How the messages of simulated customers came about over a run: checked drafts, and plans."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.customer_turns import CustomerTurn
from tau2_core.records.figures import EpisodeFigures


class CustomerTurns(BaseModel):
    """Counts over all messages of the customers of a run.

    Attributes:
        messages: how many messages they sent.
        asked_again: how many of them were requested again, because a fault was found in the draft.
        still_faulty: in how many of these the second draft, which was sent, had a fault too.
        found_by: by detector, the drafts in which it found something.
        with_plan: how many came with a plan.
        without_plan: how many had no plan in the format although the prompt asks for one.
    """

    model_config = ConfigDict(extra="forbid")

    messages: int = 0
    asked_again: int = 0
    still_faulty: int = 0
    found_by: dict[str, int] = Field(default_factory=dict)
    with_plan: int = 0
    without_plan: int = 0


def turn_lines(turn: CustomerTurn) -> list[str]:
    """Return lines about a customer's turn: its plan, the rejected draft, and why that was not sent."""
    lines = []
    if turn.plan is not None:
        parts = {"open": turn.plan.open, "revealed": turn.plan.revealed, "agreed": turn.plan.agreed}
        lines += [f"plan, {name}: {'; '.join(entries) or '-'}" for name, entries in parts.items()]
    if turn.plan_problem:
        lines.append(f"plan: {turn.plan_problem}")
    if turn.faults:
        lines.append(f"not sent: {turn.draft or 'a call'}")
        lines += [f"because {each.found_by}: {each.why}" for each in turn.faults]
    if turn.remaining:
        lines.append(f"sent in spite of {', '.join(turn.remaining)}")
    if turn.spoken is not None:
        lines.append(f"spoken: {turn.spoken}")
    return lines


class CustomerTurnCounts:
    """Counts messages of customers, episode by episode."""

    def __init__(self) -> None:
        self._found = CustomerTurns()
        self._found_by: Counter[str] = Counter()

    def add(self, episode: EpisodeFigures) -> None:
        found = self._found
        found.messages += episode.said_by_user
        for turn in episode.customer_turns:
            found.asked_again += bool(turn.faults)
            found.still_faulty += bool(turn.remaining)
            found.with_plan += turn.plan is not None
            found.without_plan += bool(turn.plan_problem)
            self._found_by.update({fault.found_by for fault in turn.faults})

    def summed_up(self) -> CustomerTurns:
        return self._found.model_copy(update={"found_by": dict(sorted(self._found_by.items()))})
