"""How a simulated customer came to its messages: its plan, and what it was asked again. The agent sees none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field


class CustomerPlan(BaseModel):
    """What the customer's model keeps in mind.

    Attributes:
        open: what it wants and that is neither done nor finally refused.
        revealed: what it has told the agent of what it knows.
        agreed: what it and the agent have agreed on.
    """

    model_config = ConfigDict(extra="forbid")

    open: list[str] = Field(default_factory=list)
    revealed: list[str] = Field(default_factory=list)
    agreed: list[str] = Field(default_factory=list)


class DraftFault(BaseModel):
    """Why a drafted message was not sent: what found the fault, the words, and what is wrong with them."""

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
        draft: what the model wrote first, if that is not what was sent; calls are left out.
        faults: why the model was asked again; [] if it was not.
        remaining: what is still wrong with the message that was sent, by the names of what found it.
        spoken: what the model wrote, if noise changed it on its way.
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
