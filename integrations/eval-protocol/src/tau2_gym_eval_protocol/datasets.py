"""Datasets: convert tasks to lines, lines to rows, and rows to tasks (spec/evaluation_test.md, 9).

A line's keys are eval-protocol's, with additions that its readers ignore: `task_id` in `environment_context` (for our
server's compatibility route), the reward basis, environment assertions and the customer's gold calls in
`evaluation_criteria`, and the rest of the task under `task`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tau2_core.agents.llm import system_prompt as prompt_of
from tau2_core.episode.tool_lists import agent_tools
from tau2_core.errors import DatasetError
from tau2_core.model.exports import Export
from tau2_core.model.participants import AgentContext
from tau2_core.model.tasks import EvaluationCriteria, Task, UserScenario
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.validation_errors import first_wrong_part

from tau2_gym_eval_protocol.rows import EvaluationRow, InputMetadata, Message

TEMPLATE = "{observation}"
CUSTOMER_MODEL = "gpt-4.1"
ALWAYS = ("actions", "communicate_info", "nl_assertions", "reward_basis")


def row_id(domain: str, task_id: str) -> str:
    """Return the id of the row for a task, such as `airline_task_0`."""
    return f"{domain}_task_{task_id}"


def as_line(export: Export, task: Task) -> dict[str, Any]:
    """Return a task as one line of a dataset; the export's `user_model` plays the customer."""
    context: dict[str, Any] = {"domain": export.domain, "task_id": task.id}
    if export.variant:
        context["variant"] = export.variant
    if export.variant_options:
        context["variant_options"] = dict(export.variant_options)
    if export.solo:
        context["solo"] = True
    criteria = task.evaluation_criteria
    return {
        "id": row_id(export.domain, task.id),
        "user_prompt_template": TEMPLATE,
        "environment_context": context,
        "user_simulation": {
            "enabled": not export.solo,
            "llm": export.user_model or CUSTOMER_MODEL,
            "system_prompt": task.user_scenario.text(),
        },
        "evaluation_criteria": _criteria(criteria) if criteria else None,
        "task": task.model_dump(mode="json", exclude_none=True, exclude={"evaluation_criteria"}),
    }


def _criteria(criteria: EvaluationCriteria) -> dict[str, Any]:
    content = criteria.model_dump(mode="json")
    for action in content["actions"] or []:
        if action["requestor"] == "assistant":
            del action["requestor"]
        if action["compare_args"] is None:
            del action["compare_args"]
    return {key: value for key, value in content.items() if value is not None or key in ALWAYS}


def as_task(name: str, row: Mapping[str, Any], known: Mapping[str, Task]) -> Task:
    """Return the task of a row: the one that it contains, or the one of the `known` tasks that it refers to.

    The row's own scenario and criteria take precedence, as they may have been edited. Criteria without a
    `reward_basis` count DB and COMMUNICATE, as eval-protocol does. Raises DatasetError.

    Args:
        name: the row's id.
        row: its other keys.
        known: tasks of the domain by id.
    """
    context = row.get("environment_context") or {}
    simulation = row.get("user_simulation") or {}
    own = row.get("task")
    text, criteria = simulation.get("system_prompt"), row.get("evaluation_criteria")
    try:
        task = Task.model_validate(own) if own else known.get(_task_id(name, context))
        if task is None:
            task = Task(id=_task_id(name, context), user_scenario=UserScenario(instructions=text or ""))
        elif text is not None and text != task.user_scenario.text():
            task = task.model_copy(update={"user_scenario": UserScenario(instructions=text)})
        if criteria is not None:
            task = task.model_copy(update={"evaluation_criteria": EvaluationCriteria.model_validate(criteria)})
    except ValidationError as error:
        raise DatasetError(f"row {name!r}: {first_wrong_part(error)}; correct the dataset") from error
    return task


def _task_id(name: str, context: Mapping[str, Any]) -> str:
    named = context.get("task_id")
    return str(named) if named is not None else name.removeprefix(row_id(str(context.get("domain", "")), ""))


def dataset_rows(lines: Sequence[dict[str, Any]], system: str | None = None) -> list[EvaluationRow]:
    """Return the rows of a dataset, whose lines are tasks (spec/evaluation_test.md, 9) or rows (`EvaluationRow`).

    `system` is the system prompt of a task's agent, by default the pack's. Raises DatasetError.
    """
    return [_row(number, line, system) for number, line in enumerate(lines, 1)]


def _row(number: int, line: dict[str, Any], system: str | None) -> EvaluationRow:
    if "environment_context" not in line:
        try:
            return EvaluationRow.model_validate(line)
        except ValidationError as error:
            raise DatasetError(f"row {number} of the dataset: {first_wrong_part(error)}") from error
    if "id" not in line:
        raise DatasetError(f"row {number} of the dataset has no `id`")
    about = {key: value for key, value in line.items() if key != "id"}
    messages = [Message(role="system", content=system)] if system else []
    return EvaluationRow(messages=messages, input_metadata=InputMetadata(row_id=str(line["id"]), dataset_info=about))


@lru_cache
def system_prompt(
    domain: str,
    *,
    variant: str = "",
    variant_options: tuple[tuple[str, Any], ...] = (),
    packs: tuple[str | Path, ...] = (),
) -> str:
    """Return the system prompt of a domain's agent: instructions and the pack's policy.

    `variant_options` are pairs of name and value. `packs` are folders of packs that are not installed. Raises
    UsageError, PackError.
    """
    catalogue = open_catalogue([Path(pack) for pack in packs])
    setting = load_setting(catalogue, domain, variant=variant, variant_options=dict(variant_options))
    return prompt_of(AgentContext(setting.domain, setting.policy_text, agent_tools(setting), seed=0))
