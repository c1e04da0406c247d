"""Messages of a conversation, in the official JSON shape (spec/evaluation.md, 8.4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tau2_core.json_values import writable

Requestor = Literal["assistant", "user"]
JsonObject = Annotated[dict[str, Any], AfterValidator(writable)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="constants")

    turn_idx: int | None = None


class ToolCall(BaseModel):
    """A tool call by one side; `arguments` is a JSON object."""

    model_config = ConfigDict(extra="ignore")

    id: str = ""
    name: str
    arguments: JsonObject
    requestor: Requestor = "assistant"


class SystemMessage(_Message):
    role: Literal["system"] = "system"
    content: str | None = None


class _ParticipantMessage(_Message):
    """A message of either side. `finish_reason` is the provider's, if a model wrote the message."""

    content: str | None = None
    tool_calls: list[ToolCall] | None = None
    cost: float | None = None
    usage: JsonObject | None = None
    finish_reason: str | None = None
    provider_message: JsonObject | None = None

    def has_text(self) -> bool:
        return bool(self.content and self.content.strip())


class AssistantMessage(_ParticipantMessage):
    role: Literal["assistant"] = "assistant"


class UserMessage(_ParticipantMessage):
    role: Literal["user"] = "user"


class ToolMessage(_Message):
    """The result of one tool call. `skipped`: a plugin answered, and the call never reached the world."""

    role: Literal["tool"] = "tool"
    id: str
    content: str | None = None
    requestor: Requestor = "assistant"
    error: bool = False
    skipped: bool | None = None


Message = Annotated[SystemMessage | AssistantMessage | UserMessage | ToolMessage, Field(discriminator="role")]
ParticipantMessage = AssistantMessage | UserMessage
