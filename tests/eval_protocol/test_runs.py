"""Experiments are runs: they have the options, retries, limits and participants of every run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.eval_protocol.conftest import lines

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate

GIVEN_BACK = """
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
# Tests of one row each, with processor options that are refused.
REFUSED = {
    "{'trials': 2}": "rollout_processor_kwargs: 'trials' is not an option of a processor: use num_runs",
    "{'out': 'x'}": "rollout_processor_kwargs: 'out' is not an option of a processor: use pytest's option --gym-out",
    "{'evaluator': 'strict'}": "rollout_processor_kwargs: there is no option 'evaluator' (did you mean 'evaluators'?)",
    "{'max_errors': 'many'}": "rollout_processor_kwargs: max_errors: ",
    "{'user': {'temperature': 0}}": "rollout_processor_kwargs: user: should name a `model`",
    "{'agent': 'external'}": "evaluate plays both sides itself",
}


def test_options_that_a_run_does_not_have_are_refused(evaluate: Evaluate) -> None:
    tests = "".join(
        f"""
@evaluation_test(input_rows=[rows(IDS[:1])], rollout_processor_kwargs={{**MOCK, "agent": "silent", **{kwargs}}})
def test_{number}(row: EvaluationRow) -> EvaluationRow:
    return row
"""
        for number, kwargs in enumerate(REFUSED)
    )
    ran = evaluate(tests)
    assert len(ran.failures) == len(REFUSED)
    for failure, why in zip(ran.failures.values(), REFUSED.values(), strict=True):
        assert why in failure
    assert "Traceback" not in ran.output
    assert not ran.runs()


def test_options_of_a_run_are_applied_and_recorded(evaluate: Evaluate) -> None:
    source = """
@evaluation_test(input_rows=[rows(["create_plain"])], completion_params=[ORACLE], num_runs=2, steps=50,
                 max_concurrent_rollouts=3, passed_threshold=0.5,
                 rollout_processor_kwargs={**MOCK, "faults": {"tool-error": 1.0}, "seed": 7, "evaluators": "strict"})
"""
    ran = evaluate(source + GIVEN_BACK)
    assert "rate 0.0000" in ran.failures["test_it[oracle-mock_task_create_plain]"]
    [folder] = ran.runs().values()
    told = json.loads((folder / "run.json").read_text())
    assert (told["trials"], told["seed"], told["evaluators"], told["faults"]) == (2, 7, "strict", ["tool-error=1.0"])
    assert told["limits"]["max_steps"] == 50
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["finished"], summary["slots"]) == (2, 2)


def test_unanswered_rollouts_are_retried_and_a_failing_run_stops(evaluate: Evaluate) -> None:
    source = """
from tau2_core.testing import ScriptedEndpoint, say
from tau2_core.testing.scripted_endpoint import Dropped

ENDPOINT = ScriptedEndpoint(lambda asked: Dropped() if asked.number else say("Good day."))
ENDPOINT.__enter__()
HANDLER = ExceptionHandlerConfig(backoff_config=BackoffConfig(base_delay=0.0, max_tries=2))
MODEL = {"model": "endpoint/none", "base_url": ENDPOINT.url, "api_key": "none"}

@evaluation_test(input_rows=[rows()], completion_params=[MODEL], exception_handler_config=HANDLER,
                 max_concurrent_rollouts=1, passed_threshold=0.5,
                 rollout_processor_kwargs={**MOCK, "attempts": 1, "max_infrastructure_errors": 2})
def test_it(row: EvaluationRow) -> EvaluationRow:
    row.execution_metadata.extra = {"asked": ENDPOINT.count}
    return row
"""
    ran = evaluate(source)
    [folder] = ran.runs().values()
    text = ran.failures["test_it[endpoint/none-rows-4]"]
    assert "rate 0.0000" in text
    assert "4 without a score because of errors, which count as 0" in text
    rows = lines(folder / "rows.jsonl")
    assert [row["rollout_status"]["code"] for row in rows] == [13] * 4
    said = [row["rollout_status"]["message"] for row in rows]
    assert not any(message.startswith("not played") for message in said[:2])
    assert all(message.startswith("not played: 2 episodes in a row ended with the same") for message in said[2:])
    asked = [row["execution_metadata"]["extra"]["asked"] for row in rows]
    assert asked[2:] == [7, 7]  # one answered rollout, then three attempts for each of the two that are played
    assert len(lines(folder / "episodes.jsonl")) == 2


def test_rows_may_specify_their_customer_and_system_prompt(evaluate: Evaluate) -> None:
    source = """
import pathlib
from tau2_core.testing import ScriptedEndpoint, say
from tau2_gym_eval_protocol import Message

def script(asked):
    with pathlib.Path("asked").open("a") as file:
        file.write(f"{asked.model}: {asked.system[:9]}\\n")
    return say("###STOP###" if "customer" in asked.model else "Good day.")

ENDPOINT = ScriptedEndpoint(script)
ENDPOINT.__enter__()
ARGS = {"base_url": ENDPOINT.url, "api_key": "none"}

def of(row, number):
    row.input_metadata.dataset_info["user_simulation"] = {
        "enabled": number < 3, "llm": f"endpoint/customer-{number % 2}", "llm_args": ARGS}
    row.messages = [Message(role="system", content=f"Prompt {number}.")] if number else []
    return row

ROWS = [of(row, number) for number, row in enumerate(rows())]

@evaluation_test(input_rows=[ROWS], completion_params=[{"model": "endpoint/agent", **ARGS}], steps=6,
                 max_concurrent_rollouts=1, rollout_processor_kwargs={"domain": "mock"})
"""
    ran = evaluate(source + GIVEN_BACK)
    assert ran.code == 0, ran.output
    asked = (ran.folder / "asked").read_text().splitlines()
    assert {line.split(":")[0] for line in asked} == {"agent", "customer-0", "customer-1"}
    prompts = {line for line in asked if line.startswith("agent: Prompt")}
    assert "agent: Prompt 3." in prompts  # the last row's customer is scripted, so its agent has something to answer
    [folder] = ran.runs().values()
    assert [row["rollout_status"]["code"] for row in lines(folder / "rows.jsonl")] == [100] * 4


def test_the_customers_prompt_and_persona_are_options_of_a_test(evaluate: Evaluate) -> None:
    source = """
from tau2_core.testing import ScriptedEndpoint, say

ENDPOINT = ScriptedEndpoint(lambda asked: say("###STOP###"))
ENDPOINT.__enter__()
USER = {"model": "endpoint/customer", "base_url": ENDPOINT.url, "api_key": "none"}
CUSTOMER = {"user": USER, "user_prompt": "careful", "persona": ["terse", "none"], "user_check": True}

@evaluation_test(input_rows=[rows(["create_plain"])], completion_params=[{"agent": "silent"}],
                 rollout_processor_kwargs={**MOCK, **CUSTOMER})
def test_it(row: EvaluationRow) -> EvaluationRow:
    assert "go through these questions" in ENDPOINT.asked[0].system
    return row
"""
    ran = evaluate(source)
    assert ran.code == 0, ran.output
    [folder] = ran.runs().values()
    told = json.loads((folder / "run.json").read_text())["user"]
    assert (told["prompt"], told["personas"], told["check"]) == ("careful", ["terse", "none"], True)
