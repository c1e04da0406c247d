"""The JSON bodies of the control plane's requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.gym.slots import SlotStatus
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task

MOST_OPTIONS = 100
ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"


class NewEpisode(BaseModel):
    """An episode to create: a domain, and a task by id or in full. Without a task it is a free world."""

    model_config = ConfigDict(extra="forbid")

    domain: str
    task_id: str | None = None
    task: Task | None = None
    variant: str = ""
    variant_options: dict[str, Any] = Field(
        default_factory=dict, max_length=MOST_OPTIONS, description="Values of options that the variant declares."
    )
    solo: bool = False
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    dataset: str | None = Field(default=None, description="A dataset's name, or `pack` for the domain's own data.")
    user: str | None = Field(default=None, description="Who answers on the conversation plane.")
    mode: ArgumentMode | None = None
    conversation_tools: bool | None = Field(
        default=None, description="Whether the agent also talks to the customer by MCP tools; default: the server's."
    )
    id: str | None = Field(default=None, pattern=ID, description="An id of your own.")


class CreatedEpisode(BaseModel):
    """The URLs of a new episode. Give an agent only `mcp_url` and `conversation_url`.

    `wrapped`: plugins wrap its tool calls, so a call may be answered by a plugin alone.
    """

    id: str
    mcp_url: str
    user_mcp_url: str | None
    conversation_url: str | None
    control_url: str
    expires_at: datetime
    wrapped: bool


class ClaimedSlot(CreatedEpisode):
    """A claimed slot of the run, to be played until `deadline`. If it is not finished then, it is handed out again."""

    trial: int
    attempt: int
    deadline: datetime


class SlotState(BaseModel):
    """One slot: `status` is open, claimed, finished, or lost (its attempts are used up)."""

    task_id: str
    trial: int
    status: SlotStatus
    attempts: int


class RunProgress(BaseModel):
    """The progress of a run. `mean_reward` is over the graded episodes, of which `pending` ones await a judge.

    `stopped` says why no more slots are handed out, "" while they are.
    """

    run: str
    stopped: str
    counts: dict[SlotStatus, int]
    graded: int
    pending: int
    mean_reward: float | None
    slots: list[SlotState]


class EpisodeState(BaseModel):
    """The state of an episode. `digests` is null in lists and during a call.

    `unlocked` are the hidden tools that were unlocked so far, by side; null if there are none.

    `last_call_skipped`: a plugin answered the last call, and the environment never saw it.
    """

    id: str
    domain: str
    task_id: str
    status: str
    steps: int
    tool_calls: int
    termination: str | None
    expires_at: datetime
    last_call_skipped: bool
    digests: dict[str, str] | None = None
    unlocked: dict[str, list[str]] | None = None


class Reward(BaseModel):
    """The grade of the episode in its present state; `final` if it has ended."""

    reward: float | None
    final: bool
    grade: Grade


class Reset(BaseModel):
    """The options of a reset."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63, description="A new seed; 0 is a seed.")


class ErrorDetail(BaseModel):
    """Why a request was refused: a stable code for programs, a message for people."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The body of every refusal."""

    error: ErrorDetail
