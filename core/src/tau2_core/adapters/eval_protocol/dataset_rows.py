"""Conversion between tasks and dataset rows.

The row's keys are eval-protocol's, with additions that its readers ignore: `task_id` in `environment_context` (for our
server's compatibility route), the reward basis, environment assertions and the customer's gold calls in
`evaluation_criteria`, and the rest of the task under `task`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tau2_core.episode.setting import Setting
from tau2_core.errors import DatasetError
from tau2_core.model.tasks import EvaluationCriteria, Task, UserScenario

TEMPLATE = "{observation}"
CUSTOMER_MODEL = "gpt-4.1"
ALWAYS = ("actions", "communicate_info", "nl_assertions", "reward_basis")


def row_id(domain: str, task_id: str) -> str:
    """Return the id of a task's row, such as `airline_task_0`."""
    return f"{domain}_task_{task_id}"


def as_row(setting: Setting, task: Task, customer_model: str = CUSTOMER_MODEL) -> dict[str, Any]:
    """Return a task as one row of a dataset; `customer_model` is the `llm` that plays the customer."""
    context: dict[str, Any] = {"domain": setting.domain, "task_id": task.id}
    if setting.variant:
        context["variant"] = setting.variant
    if setting.solo:
        context["solo"] = True
    criteria = task.evaluation_criteria
    return {
        "id": row_id(setting.domain, task.id),
        "user_prompt_template": TEMPLATE,
        "environment_context": context,
        "user_simulation": {
            "enabled": not setting.solo,
            "llm": customer_model,
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
    """Return the task of a row: the one that it contains, or the one of the `known` tasks that it names.

    The row's own scenario and criteria win, as they may have been edited. Criteria without a `reward_basis` count
    DB and COMMUNICATE, as eval-protocol does. Raises DatasetError.

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
        detail = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in detail["loc"])
        raise DatasetError(f"row {name!r}: {place}: {detail['msg']}; correct the dataset") from error
    return task


def _task_id(name: str, context: Mapping[str, Any]) -> str:
    named = context.get("task_id")
    return str(named) if named is not None else name.removeprefix(row_id(str(context.get("domain", "")), ""))
