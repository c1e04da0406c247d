"""The JSON that OpenEnv's clients send and receive. Its own models are in `openenv.core.env_server.types`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from tau2_core.gym.control_models import ID, MOST_OPTIONS
from tau2_core.model.episodes import ArgumentMode


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ResetOptions(_Strict):
    """The options of a reset: which task to play, and how."""

    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="The episode's seed; it also decides which task is drawn."
    )
    episode_id: str | None = Field(default=None, pattern=ID, description="An id of your own.")
    task_id: str | None = Field(default=None, description="The task; default: one drawn from the split.")
    split: str | None = Field(default=None, description="The split of the task; default: the domain's.")
    variant: str = ""
    variant_options: dict[str, Any] = Field(
        default_factory=dict, max_length=MOST_OPTIONS, description="Values of options that the variant declares."
    )
    solo: bool = False
    dataset: str | None = Field(default=None, description="A dataset's name, or `pack` for the domain's own data.")
    user: str | None = Field(default=None, description="Who plays the customer.")
    mode: ArgumentMode | None = None


class ListTools(_Strict):
    """The action that returns the agent's tools. It does not count as a step of the episode."""

    type: Literal["list_tools"]
    metadata: dict[str, Any] = Field(default_factory=dict)


class CallTool(_Strict):
    """The action that calls a tool. `send_message_to_user` sends text to the customer."""

    type: Literal["call_tool"] = "call_tool"
    tool_name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


def _kind(action: Any) -> str | None:
    """Return the type of an action. As in OpenEnv's own models, it may be omitted for a call."""
    kind = action.get("type", "call_tool") if isinstance(action, dict) else getattr(action, "type", None)
    return kind if isinstance(kind, str) else None


Action = Annotated[
    Annotated[ListTools, Tag("list_tools")] | Annotated[CallTool, Tag("call_tool")],
    Discriminator(
        _kind,
        custom_error_type="invalid_action",
        custom_error_message='an action is {"type": "call_tool", "tool_name": …, "arguments": {…}} or '
        '{"type": "list_tools"}',
    ),
]
ACTION: TypeAdapter[ListTools | CallTool] = TypeAdapter(Action)


class HttpStep(_Strict):
    """The body of `POST /step`. Over HTTP each request names its episode."""

    action: Action
    episode_id: str = Field(description="The id in the metadata that `POST /reset` returned.")
    request_id: str | None = Field(default=None, max_length=255)


class _Observation(_Strict):
    metadata: dict[str, Any] = Field(default_factory=dict)


class FirstObservation(_Observation):
    """The observation after a reset: the policy, and the conversation up to the customer's last message."""

    policy: str
    messages: list[dict[str, Any]]
    ticket: str | None = Field(default=None, description="The work to do in solo play.")


class ToolsObservation(_Observation):
    """The observation of the action `list_tools`."""

    tools: list[dict[str, Any]]


class CallError(_Strict):
    """Why a call was not carried out, with OpenEnv's error type."""

    error_type: Literal["tool_not_found", "invalid_args", "execution_error"]
    message: str


class CallObservation(_Observation):
    """The observation after a call: the text that it returned, with `error` if the call itself was wrong."""

    tool_name: str
    result: str | None
    error: CallError | None = None


class Stepped(_Strict):
    """The answer to a reset or a step. `reward` is null until the episode has ended, and if it must not be used."""

    observation: FirstObservation | ToolsObservation | CallObservation
    reward: float | None = None
    done: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)


class State(_Strict):
    """The state of a session's episode; default values if there is no episode."""

    episode_id: str | None = None
    step_count: int = 0
    domain: str | None = None
    task_id: str | None = None
    done: bool = False


class OfSplit(_Strict):
    """Names a split of the tasks."""

    split: str


class OneTask(OfSplit):
    """Names a task by its index in a split."""

    index: int


class TaskRange(OfSplit):
    """Names tasks by their indexes in a split; `stop` is exclusive."""

    start: int | None = None
    stop: int | None = None


class RpcRequest(_Strict):
    """A JSON-RPC 2.0 request."""

    jsonrpc: Literal["2.0"]
    method: str
    params: dict[str, Any] = Field(default_factory=dict)
    id: str | int | None = None


def schemas() -> dict[str, Any]:
    """Return the JSON Schemas of actions, observations and states."""
    step: TypeAdapter[Any] = TypeAdapter(ToolsObservation | CallObservation)
    return {
        "action": ACTION.json_schema(),
        "observation": step.json_schema(),
        "reset_observation": FirstObservation.model_json_schema(),
        "state": State.model_json_schema(),
    }
