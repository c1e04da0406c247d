"""Every option of `run` works on a server too, is refused, or is absent for a reason that is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tau2_core.cli.app import app
from tau2_core.errors import UsageError
from typer.main import get_command
from typer.testing import CliRunner

if TYPE_CHECKING:
    from tests.gym.conftest import Start

PLACE = ("--user-args", '{"api_base": "http://127.0.0.1:9/v1"}')
ROOT = Path(__file__).parents[2]
CASSETTE = ROOT / "examples/cassettes/mock.jsonl"
# What decides results is in run.json, which is the same for one configuration in both commands.
RUNS = {
    "models": [
        *(
            "mock",
            "--task",
            "create_plain",
            "--task",
            "complete_task",
            "--trials",
            "2",
            "--seed",
            "5",
            "--mode",
            "tau2",
        ),
        *("--evaluators", "strict", "--max-steps", "50", "--max-errors", "3", "--timeout", "900", "--judge-all"),
        *("--user-model", "openai/customer", "--user-args", '{"temperature": 0.5}', "--fault", "latency=0.25"),
        *("--user-prompt", "careful", "--persona", "terse", "--persona", "none", "--user-check"),
        *("--judge-model", "openai/judge", "--judge-args", "{}", "--replay", str(CASSETTE)),
    ],
    "solo": ["telecom", "--split", "base", "--num-tasks", "2", "--solo", "--variant", "workflow", "--user", "none"],
    "documents": ["banking_knowledge", "--num-tasks", "1", "--variant", "bm25_grep", "--variant-option", "top_k=5"],
    "sample": ["mock", "--sample", "2", "--seed", "7", "--no-plugin", "airline"],
}
IN_RUN_JSON = {
    *("domain", "task", "split", "num_tasks", "sample", "trials", "seed", "mode", "variant", "variant_option", "solo"),
    *("user_prompt", "persona", "user_check"),
    *("user", "user_model", "user_args", "judge_model", "judge_args", "judge_all", "fault", "evaluators"),
    *("max_steps", "max_errors", "timeout", "replay", "no_plugin"),
}
SHOWN_BELOW = {  # and in test_served_limits.py
    *("max_cost", "run_timeout", "max_infrastructure_errors", "attempts", "config", "show_config", "record"),
    "token_traces",
}
SHOWN_ELSEWHERE = {  # file of the tests and a word of theirs
    "dataset": ("test_served_models.py", '"--dataset"'),
    "name": ("test_slots.py", '"--name"'),
    "shard": ("test_slots.py", '"--shard"'),
    "resume": ("test_slots.py", '"--resume"'),
    "out": ("test_slots.py", '"--out"'),
    "pack": ("test_served_grading.py", '"--pack"'),
    "judge_rule": ("test_served_models.py", '"--judge-rule"'),
    "pack_tau2": ("test_wrapped_domain.py", '"--pack-tau2"'),
    "workers": ("processes/test_many_processes.py", '"--workers"'),
}
FROM_THE_SAME_FUNCTION = {"turn_timeout", "call_timeout", "provider_limit", "provider_rate"}  # as `attempts`
ABSENT = {
    "agent",
    "agent_model",
    "agent_args",
    "user_first",
    "via",
    "concurrency",
    "executor",
    "executor_option",
    "min_coverage",
    "judge_calibration",
    "min_judge_accuracy",
    "max_customer_faults",
    "fail_under",
    "json_output",
}


def options_of(command: str) -> set[str]:
    return {str(option.name) for option in get_command(app).commands[command].params}  # type: ignore[attr-defined]


def test_every_option_of_run_is_classified() -> None:
    effective = IN_RUN_JSON | SHOWN_BELOW | SHOWN_ELSEWHERE.keys() | FROM_THE_SAME_FUNCTION
    assert options_of("run") == effective | ABSENT
    assert effective <= options_of("serve")
    assert not ABSENT & options_of("serve")
    text = (ROOT / "docs/reference/gym-server.md").read_text(encoding="utf-8")
    flags = {f"`--{name.replace('_', '-').removesuffix('-output')}`" for name in ABSENT}
    assert [flag for flag in flags if flag not in text] == []
    for file, word in SHOWN_ELSEWHERE.values():
        assert word in (Path(__file__).parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "options", [pytest.param(run, id=name, marks=pytest.mark.domain(run[0])) for name, run in RUNS.items()]
)
def test_a_served_run_has_the_configuration_of_a_run(start: Start, tmp_path: Path, options: list[str]) -> None:
    server = start(*options, "--name", "r", "--agent-name", "oracle")
    CliRunner().invoke(app, ["run", *options, "--name", "r", "--out", str(tmp_path)])
    served, local = (json.loads((folder / "r/run.json").read_text()) for folder in (server.folder / "runs", tmp_path))
    assert (served.pop("agent")["name"], local.pop("agent")["name"]) == ("oracle", "oracle")
    assert served == local
    assert served["tasks"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "5"], "--seed would have no effect: it is for a served run: also give --split, --task"),
        (["--solo"], "--solo would have no effect"),
        (["--variant-option", "top_k=5"], "--variant-option would have no effect"),
        (["--mode", "tau2"], "--mode would have no effect"),
        (["--run-timeout", "5"], "--run-timeout would have no effect"),
        (["--max-infrastructure-errors", "2"], "--max-infrastructure-errors would have no effect"),
        (["--slot-attempts", "2"], "--slot-attempts would have no effect"),
        (["--transport", "stdio", "--trials", "2"], "--trials would have no effect: stdio serves one episode"),
        (["--transport", "stdio", "--max-cost", "1"], "--max-cost would have no effect: stdio"),
        (["--transport", "stdio", "--name", "r"], "--name would have no effect: stdio"),
        (["--user", "human"], "is a person at a terminal, which a server does not have"),
        (["--user", "scirpted"], "did you mean"),
        (["--token-traces"], "--token-traces: only models at an endpoint return token ids"),
        (["--timeout", "0"], "--timeout must be more than 0"),
        (["--max-cost", "1", "--user-model", "endpoint/x", *PLACE], "--max-cost: the price of endpoint/x is not known"),
        (["--trials", "1", "--max-cost", "-1", "--port", "0"], "--max-cost must be more than 0"),
    ],
)
def test_options_without_effect_are_refused(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["serve", "mock", *options])
    assert done.exit_code != 0
    assert said in f"{done.exception}{done.output}"


def test_an_unusable_judge_leaves_no_run_folder(tmp_path: Path) -> None:
    judge = ["--judge-model", "openai/judge", "--judge-args", '{"temperature": 0.1}', "--replay", str(CASSETTE)]
    options = ["--name", "r", "--out", str(tmp_path / "runs"), "--port", "0"]
    done = CliRunner().invoke(app, ["serve", "mock", *judge, *options])
    assert "judge" in str(done.exception)
    assert str(done.exception).endswith("nothing was done")
    assert done.output == ""
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_file_of_run_is_accepted_and_ignored_keys_are_named(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    text = "domain: mock\nagent: {model: openai/agent}\nconcurrency: 3\nvia: mcp\nuser_first: true\n"
    text += "task: create_plain\nname: r\n"
    file.write_text(text)
    server = start("--config", file)
    for name in ("agent", "concurrency", "via", "user_first"):
        assert f"--config: {name} has no effect: " in server.log()
    assert json.loads((server.folder / "runs/r/run.json").read_text())["tasks"] == ["create_plain"]
    for name in ("fail_under", "min_coverage", "min_judge_accuracy", "max_customer_faults"):
        file.write_text(f"{text}{name}: 0.5\n")
        done = CliRunner().invoke(app, ["serve", "--config", str(file)])
        assert isinstance(done.exception, UsageError)
        assert f"--{name.replace('_', '-')} is an option of `tau2-gym run` only: " in str(done.exception)
    shown = CliRunner().invoke(app, ["serve", "mock", "--trials", "3", "--show-config"]).output
    assert "trials: 3" in shown
    assert "agent:" not in shown
