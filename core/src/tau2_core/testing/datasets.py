"""From a dataset's lines to rows: the default adapter, and the system prompt that an adapter of one's own may want."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tau2_core.agents.llm import system_prompt as prompt_of
from tau2_core.episode.participants import agent_tools
from tau2_core.errors import DatasetError
from tau2_core.model.participants import AgentContext
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.rows import EvaluationRow, InputMetadata, Message


def dataset_rows(lines: Sequence[dict[str, Any]], system: str | None = None) -> list[EvaluationRow]:
    """Return the rows of a dataset's lines: a task's row (spec/evaluation_test.md, 9), or an `EvaluationRow` as it is.

    `system` is what a task's agent is told first; without it, what the pack says. Raises DatasetError.
    """
    return [_row(number, line, system) for number, line in enumerate(lines, 1)]


def _row(number: int, line: dict[str, Any], system: str | None) -> EvaluationRow:
    if "environment_context" not in line:
        try:
            return EvaluationRow.model_validate(line)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in detail["loc"])
            raise DatasetError(f"row {number} of the dataset: {place}: {detail['msg']}") from error
    if "id" not in line:
        raise DatasetError(f"row {number} of the dataset has no `id`")
    about = {key: value for key, value in line.items() if key != "id"}
    messages = [Message(role="system", content=system)] if system else []
    return EvaluationRow(messages=messages, input_metadata=InputMetadata(row_id=str(line["id"]), dataset_info=about))


@lru_cache
def system_prompt(domain: str, *, variant: str = "", packs: tuple[str | Path, ...] = ()) -> str:
    """Return what an agent of a domain is told before the first message: instructions and the pack's policy.

    `packs` are folders of packs that are not installed. Raises UsageError, PackError.
    """
    setting = load_setting(open_catalogue([Path(pack) for pack in packs]), domain, variant=variant)
    return prompt_of(AgentContext(setting.domain, setting.policy_text, agent_tools(setting), seed=0))
