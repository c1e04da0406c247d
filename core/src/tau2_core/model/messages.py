"""Messages of a conversation, in the official JSON shape (spec/evaluation.md, 8.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from tau2_core.json_values import writable

Requestor = Literal["assistant", "user"]
JsonObject = Annotated[dict[str, Any], AfterValidator(writable)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="constants")

    turn_idx: int | None = Field(default=None, description="The message's place in the conversation.")


class ToolCall(BaseModel):
    """A tool call by one side; `arguments` is a JSON object."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(default="", description="A name that the call's result repeats.")
    name: str = Field(description="The tool.")
    arguments: JsonObject = Field(description="Its arguments.")
    requestor: Requestor = Field(default="assistant", description="Who makes the call: `assistant` or `user`.")


class SystemMessage(_Message):
    role: Literal["system"] = Field(default="system", description="Who writes.")
    content: str | None = Field(default=None, description="The text.")


class _ParticipantMessage(_Message):
    """A message of either side. `finish_reason` is the provider's, if a model wrote the message."""

    content: str | None = Field(default=None, description="The text.")
    tool_calls: list[ToolCall] | None = Field(default=None, description="The calls.")
    cost: float | None = Field(default=None, description="The cost of the model's answer, in US dollars.")
    usage: JsonObject | None = Field(default=None, description="The token counts of the provider.")
    finish_reason: str | None = Field(default=None, description="The provider's finish reason.")
    provider_message: JsonObject | None = Field(default=None, description="The message as the provider sent it.")

    def has_text(self) -> bool:
        return bool(self.content and self.content.strip())


class AssistantMessage(_ParticipantMessage):
    role: Literal["assistant"] = Field(default="assistant", description="Who writes.")


class UserMessage(_ParticipantMessage):
    role: Literal["user"] = Field(default="user", description="Who writes.")


class ToolMessage(_Message):
    """The result of one tool call. `skipped`: a plugin answered, and the call never reached the world."""

    role: Literal["tool"] = Field(default="tool", description="Who writes.")
    id: str = Field(description="The id of the call.")
    content: str | None = Field(default=None, description="The result.")
    requestor: Requestor = Field(default="assistant", description="Who made the call: `assistant` or `user`.")
    error: bool = Field(default=False, description="Whether the call failed.")
    skipped: bool | None = Field(default=None, description="Whether a plugin answered instead of the environment.")


Message = Annotated[SystemMessage | AssistantMessage | UserMessage | ToolMessage, Field(discriminator="role")]
ParticipantMessage = AssistantMessage | UserMessage

# What every step makes is made by the validators themselves, which skip the Python part of pydantic's `__init__`.
new_tool_call: Callable[[dict[str, Any]], ToolCall] = TypeAdapter(ToolCall).validator.validate_python
new_tool_message: Callable[[dict[str, Any]], ToolMessage] = TypeAdapter(ToolMessage).validator.validate_python
new_assistant_message: Callable[[dict[str, Any]], AssistantMessage] = TypeAdapter(
    AssistantMessage
).validator.validate_python
new_user_message: Callable[[dict[str, Any]], UserMessage] = TypeAdapter(UserMessage).validator.validate_python
