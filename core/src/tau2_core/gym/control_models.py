"""The JSON bodies of the control plane's requests and answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.gym.slots import SlotStatus
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task

ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"


class NewEpisode(BaseModel):
    """What to create: a domain, and a task by id or written out; without either, a world with nothing to reach."""

    model_config = ConfigDict(extra="forbid")

    domain: str
    task_id: str | None = None
    task: Task | None = None
    variant: str = ""
    solo: bool = False
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    dataset: str | None = Field(default=None, description="A dataset's name, or `pack` for the domain's own data.")
    user: str | None = Field(default=None, description="Who answers on the conversation plane.")
    mode: ArgumentMode | None = None
    id: str | None = Field(default=None, pattern=ID, description="An id of your own.")


class CreatedEpisode(BaseModel):
    """Where to reach a new episode. Give an agent `mcp_url` and `conversation_url`, and nothing else.

    `wrapped` tells that plugins stand around its tool calls, so that one may have been answered by a plugin alone.
    """

    id: str
    mcp_url: str
    user_mcp_url: str | None
    conversation_url: str | None
    control_url: str
    expires_at: datetime
    wrapped: bool


class ClaimedSlot(CreatedEpisode):
    """A slot of the run, and where to play it until `deadline`. What is not finished then is handed out again."""

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
    """How far a run has come; `mean_reward` is over the graded episodes, of which `pending` ones await a judge.

    `stopped` says why no more slots are handed out, "" as long as they are.
    """

    run: str
    stopped: str
    counts: dict[SlotStatus, int]
    graded: int
    pending: int
    mean_reward: float | None
    slots: list[SlotState]


class EpisodeState(BaseModel):
    """How an episode stands. `digests` is null in lists, and while a call is being made.

    `last_call_skipped` tells that a plugin answered the last call, and the environment never saw it.
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


class Reward(BaseModel):
    """The grade as the episode stands; `final` tells that it has ended."""

    reward: float | None
    final: bool
    grade: Grade


class Reset(BaseModel):
    """What changes at a reset."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63, description="A new seed; 0 is one.")


class ErrorDetail(BaseModel):
    """Why a request is refused: a stable code for programs, a message for people."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The body of every refusal."""

    error: ErrorDetail
