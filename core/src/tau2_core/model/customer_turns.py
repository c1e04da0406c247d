"""How a simulated customer's messages came about: its plan, and rejected drafts. The agent sees none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field


class CustomerPlan(BaseModel):
    """The state of the conversation as the customer's model keeps it.

    Attributes:
        open: its wishes that are neither fulfilled nor finally refused.
        revealed: the facts that it has told the agent.
        agreed: the things that it and the agent have agreed on.
    """

    model_config = ConfigDict(extra="forbid")

    open: list[str] = Field(default_factory=list)
    revealed: list[str] = Field(default_factory=list)
    agreed: list[str] = Field(default_factory=list)


class DraftFault(BaseModel):
    """Why a drafted message was not sent: the detector, the words, and the fault in them."""

    model_config = ConfigDict(extra="forbid")

    found_by: str
    words: str = ""
    why: str


class CustomerTurn(BaseModel):
    """One message of the customer, by its index in the record, and how it came about.

    Attributes:
        message: the index of the message, which the episode fills in.
        plan: the plan that came with it; None without one.
        plan_problem: why there is no plan although the prompt asks for one, "" otherwise.
        draft: the model's first text, if another one was sent; calls are left out.
        faults: why the model was asked again; [] if it was not.
        remaining: the detectors that still find a fault in the message that was sent.
        spoken: the text that the model wrote, if speech noise changed it.
    """

    model_config = ConfigDict(extra="forbid")

    message: int = -1
    plan: CustomerPlan | None = None
    plan_problem: str = ""
    draft: str | None = None
    faults: list[DraftFault] = Field(default_factory=list)
    remaining: list[str] = Field(default_factory=list)
    spoken: str | None = None

    def says_something(self) -> bool:
        """Tell whether there is anything to keep besides the index."""
        return self != CustomerTurn(message=self.message)


@dataclass
class TurnNotes:
    """Keeps the turns of one episode: each is about the message that follows `messages` when it is added."""

    messages: Sequence[object] = ()
    turns: list[CustomerTurn] = field(default_factory=list)

    def add(self, turn: CustomerTurn) -> None:
        """Keep a turn if there is anything to keep."""
        placed = turn.model_copy(update={"message": len(self.messages)})
        if placed.says_something():
            self.turns.append(placed)
