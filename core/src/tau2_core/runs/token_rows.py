"""Rows for training from a run's token traces: prompt and completion ids with a mask, one row per sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tau2_core.errors import RunError
from tau2_core.model.episodes import Slot
from tau2_core.model.llm import ModelRole
from tau2_core.model.tokens import TracedCall
from tau2_core.records.journal import TOKENS, Journal
from tau2_core.records.reader import RecordedRun
from tau2_core.runs.export import write_lines
from tau2_core.runs.parquet import PARQUET, write_parquet

_COLUMNS = {
    "task_id": "string",
    "trial": "int32",
    "role": "string",
    "sequence": "int32",
    "forked_at": "int32",
    "prompt_ids": "list<int32>",
    "completion_ids": "list<int32>",
    "mask": "list<int8>",
    "logprobs": "list<float64>",
    "reward": "float64",
    "turns": "list<int32>",
    "finish_reasons": "list<string>",
    "models": "list<string>",
    "weight_versions": "list<string>",
    "template": "string",
}


class TokenRow(BaseModel):
    """One sequence of one role in one episode.

    `prompt_ids` are those of its first call. `completion_ids` are all later ones: sampled by the model where `mask` is
    1, and from other messages where it is 0. `logprobs` are None where nothing was sampled, and where the engine sent
    none. `reward` is None if that side has no usable reward. `turns` are the indexes of the sampled messages,
    `weight_versions` those reported by the engine. `forked_at` is the position at which the first prompt differs from
    the previous sequence, None for the first one.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str
    trial: int
    role: ModelRole
    sequence: int
    forked_at: int | None
    prompt_ids: list[int]
    completion_ids: list[int]
    mask: list[int]
    logprobs: list[float | None]
    reward: float | None
    turns: list[int]
    finish_reasons: list[str | None]
    models: list[str | None]
    weight_versions: list[str | None]
    template: str | None


@dataclass(frozen=True)
class _Line:
    number: int
    call: TracedCall


def token_rows(run: RecordedRun) -> list[TokenRow]:
    """Return a run's rows, by slot, role and sequence.

    Raises RunError for a run without traces, and with file and line where one is damaged or calls are missing.
    """
    journal = Journal(run.folder, resume=True)
    if not (run.folder / TOKENS).exists():
        raise RunError(f"{run.folder} has no {TOKENS}: run it with --token-traces")
    attempts: dict[tuple[Slot, ModelRole], list[_Line]] = {}
    for number, call in journal.validated(TOKENS, TracedCall):
        of_role = attempts.setdefault((Slot(call.task_id, call.trial), call.role), [])
        if call.call == 0:
            of_role.clear()  # interrupted attempts and infrastructure errors are played again
        of_role.append(_Line(number, call))
    rows: list[TokenRow] = []
    order = {task_id: index for index, task_id in enumerate(run.tasks)}
    for slot in sorted(run.records, key=lambda slot: (order[slot.task_id], slot.trial)):
        grade = run.grades.get(slot)
        for role in ("agent", "user"):
            lines = attempts.get((slot, role), [])
            _refuse_gaps(run.folder / TOKENS, lines)
            for _, sequence in groupby(lines, key=lambda line: line.call.sequence):
                reward = None if grade is None else grade.reward_for("agent" if role == "agent" else "customer")
                rows.append(_row(run.folder / TOKENS, list(sequence), reward))
    return rows


def _refuse_gaps(file: Path, lines: Sequence[_Line]) -> None:
    for wanted, line in enumerate(lines):
        if line.call.call != wanted:
            raise RunError(
                f"{file}:{line.number}: call {line.call.call} of the {line.call.role} in {line.call.task_id} follows "
                f"call {wanted - 1}; a call is missing, so this episode cannot be used; play it again"
            )


def _row(file: Path, lines: Sequence[_Line], reward: float | None) -> TokenRow:
    first = lines[0].call
    completion: list[int] = []
    mask: list[int] = []
    logprobs: list[float | None] = []
    length = 0
    for place, line in enumerate(lines):
        call = line.call
        where = f"{file}:{line.number}"
        if call.logprobs is not None and len(call.logprobs) != len(call.completion_ids):
            raise RunError(
                f"{where}: {len(call.logprobs)} logprobs for {len(call.completion_ids)} sampled tokens; mismatched "
                "positions must not be used for training"
            )
        if call.start != length:
            raise RunError(f"{where}: the call begins at position {call.start}, but {length} tokens came before it")
        if place:
            completion += call.prompt_ids
            mask += [0] * len(call.prompt_ids)
            logprobs += [None] * len(call.prompt_ids)
        completion += call.completion_ids
        mask += [1] * len(call.completion_ids)
        logprobs += [None] * len(call.completion_ids) if call.logprobs is None else call.logprobs
        length += len(call.prompt_ids) + len(call.completion_ids)
    calls = [line.call for line in lines]
    return TokenRow(
        task_id=first.task_id,
        trial=first.trial,
        role=first.role,
        sequence=first.sequence,
        forked_at=first.forked_at,
        prompt_ids=first.prompt_ids,
        completion_ids=completion,
        mask=mask,
        logprobs=logprobs,
        reward=reward,
        turns=[call.turn for call in calls],
        finish_reasons=[call.finish_reason for call in calls],
        models=[call.model for call in calls],
        weight_versions=[call.weight_version for call in calls],
        template=first.template,
    )


def write_token_rows(file: Path, rows: Sequence[TokenRow]) -> None:
    """Write rows into a new file: JSON lines, or Parquet if its name says so. Raises RunError, UsageError."""
    if file.suffix == PARQUET:
        write_parquet(file, _COLUMNS, _lines(rows))
    else:
        write_lines(file, _lines(rows))


def _lines(rows: Sequence[TokenRow]) -> Iterator[dict[str, Any]]:
    return (row.model_dump(mode="json") for row in rows)
