"""The options of `evaluate`: those of the command line, with the same refusals."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from tau2_core import (
    Message,
    PackError,
    RunOptions,
    Task,
    Tau2GymError,
    UsageError,
    evaluate,
    installed_domains,
    load_domain,
)
from tau2_core.cli.run import run as run_command

from tests.api.agents import RIGHT, TASK

pytestmark = pytest.mark.domain("mock")


def test_an_invalid_task_of_a_program_is_refused() -> None:
    gold = {"action_id": "1", "name": "update_task_statu", "arguments": RIGHT}
    made = Task.model_validate(
        {"id": "mine", "user_scenario": {"instructions": ""}, "evaluation_criteria": {"actions": [gold]}}
    )
    with pytest.raises(PackError, match="did you mean 'update_task_status'") as error:
        evaluate("mock", tasks=[made])
    assert "tasks.mine.evaluation_criteria.actions.0" in str(error.value)


async def print_later(*_finished: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": "mok"}, "did you mean 'mock'"),
        ({"domain": "no/such/pack"}, "no/such/pack"),
        ({"domain": 7}, "give a domain's name or a pack's folder, not 7"),
        ({"agnt": "oracle"}, "no option 'agnt' \\(did you mean 'agent'\\?\\)"),
        ({"agent": "orcle"}, "did you mean 'oracle'"),
        ({"agent": object()}, "cannot play; give a registered name"),
        ({"agent": int}, "the class int has no method `reply`"),
        ({"agent": "external"}, "open_episode"),
        ({"agent": ""}, "no agent ''"),
        ({"agent": {"modle": "x"}}, "agent: there is no key 'modle' \\(did you mean 'model'"),
        ({"user": "llm"}, "needs a model"),
        ({"judge": 7}, "judge: give a model's name"),
        ({"judge": {"name": "gpt"}}, "judge: 'gpt' names no model"),
        ({"progress": print_later}, "called, not awaited"),
        ({"progress": 7}, "called, not awaited"),
        ({"tasks": []}, "tasks: the list is empty"),
        ({"tasks": 7}, "tasks: give a list of ids or tasks, not 7"),
        ({"tasks": [7]}, "tasks.0: .* not 7"),
        ({"tasks": TASK}, "give a list, such as \\['complete_task'\\]"),
        ({"tasks": ["complete_tas"]}, "did you mean 'complete_task'"),
        ({"split": "tset"}, "no split 'tset'"),
        ({"trials": 0}, "--trials must be at least 1, not 0"),
        ({"trials": "many"}, "trials: .* not 'many'"),
        ({"trials": 10**30}, "a run has at most"),
        ({"max_steps": 0}, "max-steps must be at least 1"),
        ({"faults": {"tool-error": 2}}, "between 0 and 1"),
        ({"resume": True}, "name the run to continue with --name"),
        ({"name": "a/b"}, "folder name without a path"),
        ({"config": "nowhere.yaml"}, "nowhere.yaml"),
        ({"config": {}}, "config: give a configuration file, not {}"),
        ({"evaluators": "tau3"}, "tau3"),
        ({"evaluators": ""}, "no evaluator set ''"),
        ({"dataset": "nowhere"}, "no such folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Tau2GymError, match=words):
        evaluate(**{"domain": "mock", **options})
    assert not Path("runs").exists()


def test_every_option_of_the_command_line_is_there() -> None:
    """Options about exit codes or printing are excluded; all others have the same name, or its plural."""
    only_there = {"ctx", "domain", "show_config", "json_output", "fail_under", "min_coverage"}
    only_there |= {"min_judge_accuracy", "max_customer_faults"}
    same = {
        "judge_model": "judge",
        "agent_args": "agent",
        "user_args": "user",
        "judge_args": "judge",
        "no_plugin": "blocked",
        "pack_tau2": "packs",  # as `tau2:MODULE`
    }
    options = set(get_type_hints(RunOptions))
    for name in set(inspect.signature(run_command).parameters) - only_there:
        assert options & {name, f"{name}s", same.get(name, name)}, name


def test_a_string_is_not_a_list() -> None:
    mock = load_domain("mock")
    for read in (
        lambda: load_domain("mock", packs="mock"),
        lambda: load_domain("mock", blocked="retail"),
        lambda: installed_domains("retail"),
        lambda: mock.select(ids=TASK),
    ):
        with pytest.raises(UsageError, match="give a list, such as \\['"):
            read()
    with pytest.raises(UsageError, match="limit: give a number of tasks from 1, not 0"):
        mock.select(limit=0)
    with pytest.raises(UsageError, match="role: give 'agent' or 'user', not 'judge'"):
        mock.database("judge")  # type: ignore[arg-type]


class Unawaited:
    def reply(self, _history: Sequence[Message]) -> str:
        return "Hello"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (Unawaited(), "`reply` should be `async def`, but it returned str"),
        (lambda _history: "Hello", "returned 'Hello', which has no method `reply`; give a registered name"),
    ],
)
def test_an_agent_that_is_not_awaitable_is_a_clear_error(agent: Any, words: str) -> None:
    (episode,) = evaluate("mock", agent=agent, tasks=[TASK], name="wrong")
    assert words in (episode.record.error or "")
