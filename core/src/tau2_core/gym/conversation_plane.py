"""The conversation plane: an agent in any language talks to the simulated customer over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tau2_core.gym.errors import RefusedError, answer, unknown_episode
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.request_json import parse_body
from tau2_core.llm.chat import as_chat
from tau2_core.model.messages import Message, UserMessage
from tau2_core.validation_errors import first_wrong_part


class Utterance(BaseModel):
    """A message of the agent to the customer."""

    model_config = ConfigDict(extra="forbid")

    content: str

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: str) -> str:
        if not content.strip():
            raise ValueError("should not be empty")
        return content


class ConversationPlane:
    """`GET` returns the conversation so far, including the customer's first message; `POST {"content": …}` answers."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def __call__(self, request: Request) -> Response:
        try:
            episode, role = self.registry.by_key(request.path_params["key"])
            if role != "agent":
                raise unknown_episode()
            said_now = _utterance(await request.body()).content if request.method == "POST" else None
            said = await self.registry.use(episode, episode.converse(said_now))
        except RefusedError as refusal:
            return answer(request.scope, refusal)
        return JSONResponse(_answer(episode, said))


def _utterance(body: bytes) -> Utterance:
    try:
        return Utterance.model_validate(parse_body(body))
    except ValidationError as error:
        raise RefusedError(422, "invalid_request", first_wrong_part(error)) from error


def _answer(episode: HostedEpisode, said: list[Message]) -> dict[str, Any]:
    """Return the conversation in chat-completions form; `reply` is the last message if it is the customer's."""
    last = said[-1] if said else None
    return {
        "status": "ended" if episode.ended else "open",
        "reply": last.content if isinstance(last, UserMessage) else None,
        "messages": as_chat(said, "assistant"),
    }
