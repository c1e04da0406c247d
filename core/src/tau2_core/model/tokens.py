"""Tokens of model calls as reported by the engine; nothing is tokenised again."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from tau2_core.model.llm import CallTokens, ModelRole

Ids = list[Annotated[StrictInt, Field(ge=0)]]


class TracedCall(BaseModel):
    """One call of a model: a line of `tokens.jsonl`.

    `turn` is the index of the message that the call was for, `call` counts a role's calls in an episode. The prompt of
    a call usually continues the previous call: prompt and completion then belong to the same `sequence`, and
    `prompt_ids` are only the new part from position `start` on. Otherwise a new sequence begins with the whole prompt,
    and `forked_at` is the first position that differs.

    `logprobs` is None if the engine sent none, and so is each single one that it omitted.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str
    trial: Annotated[StrictInt, Field(ge=0)]
    role: ModelRole
    turn: Annotated[StrictInt, Field(ge=0)]
    call: Annotated[StrictInt, Field(ge=0)]
    sequence: Annotated[StrictInt, Field(ge=0)]
    start: Annotated[StrictInt, Field(ge=0)]
    forked_at: Annotated[StrictInt, Field(ge=0)] | None = None
    prompt_ids: Ids
    completion_ids: Ids
    logprobs: list[float | None] | None = None
    finish_reason: str | None = None
    model: str | None = None
    weight_version: str | None = None
    template: str | None = None


class TokenTrace:
    """The calls of one role in one episode, each compared with the calls before it."""

    def __init__(self, role: ModelRole) -> None:
        self.role = role
        self.calls: list[TracedCall] = []
        self._so_far: list[int] = []

    def add(self, task_id: str, trial: int, turn: int, tokens: CallTokens, finish_reason: str | None) -> None:
        """Add a call. If its prompt does not begin with the whole previous sequence, begin a new one."""
        prompt, so_far = tokens.prompt_ids, self._so_far
        sequence = self.calls[-1].sequence if self.calls else 0
        goes_on = prompt[: len(so_far)] == so_far
        start = len(so_far) if goes_on else 0
        self.calls.append(
            TracedCall(
                task_id=task_id,
                trial=trial,
                role=self.role,
                turn=turn,
                call=len(self.calls),
                sequence=sequence if goes_on else sequence + 1,
                start=start,
                forked_at=None if goes_on else _first_difference(so_far, prompt),
                prompt_ids=prompt[start:],
                completion_ids=tokens.completion_ids,
                logprobs=tokens.logprobs,
                finish_reason=finish_reason,
                model=tokens.model,
                weight_version=tokens.weight_version,
                template=tokens.template,
            )
        )
        self._so_far = [*prompt, *tokens.completion_ids]


def _first_difference(one: list[int], other: list[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
