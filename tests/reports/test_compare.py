"""`tau2-gym compare`: what it refuses, what it lets pass, what it says, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from tau2_core.errors import UsageError

Command = Callable[..., Result]
Folders = Callable[..., Any]


def compared(tau2_gym: Command, *arguments: object) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(tau2_gym("compare", *arguments, "--json").stdout)
    return loaded


def test_a_better_and_a_worse_run(recorded: Folders, tau2_gym: Command) -> None:
    good, bad = recorded("disturbed"), recorded("refusing")
    for a, b, word, code in ((bad, good, "better", 0), (good, bad, "worse", 1)):
        done = tau2_gym("compare", a, b)
        assert done.exit_code == code
        assert f"B is {word}: " in done.stdout
        assert "p < 0.0001 (sign-flip test, alpha 0.05)" in done.stdout
        found = compared(tau2_gym, a, b)
        assert found["gate"] == word
        rates = [found[side]["strict_rate"]["value"] for side in ("a", "b")]
        assert found["difference"]["value"] == pytest.approx(rates[1] - rates[0])
        assert {each["name"] for each in found["differs"]} >= {"agent.name", "seed", "seeds"}


def test_the_same_agent_twice_is_inconclusive(recorded: Folders, tau2_gym: Command) -> None:
    runs = recorded("disturbed"), recorded("disturbed again")
    done = tau2_gym("compare", *runs)
    assert done.exit_code == 0
    assert "\ninconclusive: " in done.stdout
    assert tau2_gym("compare", *runs, "--conclusive").exit_code == 1
    found = compared(tau2_gym, *runs)
    solved = [dict.fromkeys(run.read("run")["tasks"], 0) for run in runs]
    for run, counts in zip(runs, solved, strict=True):
        for grade in run.lines("grades"):
            counts[grade["task_id"]] += grade["reward"] == 1.0
    changed = {task: (solved[1][task] - count) / 4 for task, count in solved[0].items() if solved[1][task] != count}
    assert changed
    assert {each["task_id"]: each["difference"] for each in found["changed"]} == pytest.approx(changed)
    sizes = [abs(each["difference"]) for each in found["changed"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_run_is_not_worse_than_itself(recorded: Folders, tau2_gym: Command) -> None:
    run = recorded("disturbed")
    assert "inconclusive: +0.0000, p = 1.0000" in tau2_gym("compare", run, run).stdout
    done = tau2_gym("compare", run, run, "--margin", 0.1, "--conclusive")
    assert done.exit_code == 0
    assert "B is not worse: +0.0000, p = 1.0000 (sign-flip test, alpha 0.05, margin 0.1)" in done.stdout


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mode": "tau2"}, "mode: strict in A, tau2 in B"),
        ({"solo": True}, "solo: False in A, True in B"),
        ({"user": {"name": "llm", "sees_gold": True}}, "user.name: scripted in A, llm in B"),
        ({"limits": {"max_steps": 9, "max_errors": 10, "timeout_seconds": None}}, "limits.max_steps: 200 in A, 9 in B"),
        ({"faults": ["latency=0.5"]}, "faults: [] in A, ['latency=0.5'] in B"),
        ({"models": {"user": {"model": "openai/x"}}}, "models.user.model: nothing in A, openai/x in B"),
        ({"models": {"judge": {"model": "openai/x"}}}, "judge: nothing in A, openai/x in B"),
        ({"domain": "airline"}, "domain: mock in A, airline in B"),
        ({"dataset": {"adapter": "x", "folder": "/d"}}, "dataset.adapter: nothing in A, x in B"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_different_conditions_are_refused_by_name(
    recorded: Folders, copied: Folders, tau2_gym: Command, change: dict[str, Any], named: str
) -> None:
    other = copied("silent")
    other.set_config(**change)
    if "domain" in change:  # an episode of another domain would be refused before
        other.write_lines("episodes", [line | change for line in other.lines("episodes")])
    with pytest.raises(UsageError, match="were not played under the same conditions") as refused:
        tau2_gym("compare", recorded("oracle"), other)
    assert f"\n  {named}\n" in str(refused.value)
    (option,) = change
    ignored = [option, "judge"] if "judge" in named else [option]
    done = tau2_gym("compare", recorded("oracle"), other, *(word for name in ignored for word in ("--ignore", name)))
    assert done.exit_code == 1
    assert f"accepted: {named}" in done.stdout


@pytest.mark.parametrize("which", ["pack", "policy", "opening", "dataset"])
def test_different_contents_are_refused_by_name(
    recorded: Folders, copied: Folders, tau2_gym: Command, which: str
) -> None:
    other = copied("silent")
    digests = other.read("run")["digests"]
    other.set_config(digests=digests | {which: "0" * 64})
    with pytest.raises(UsageError, match=rf"\n  digests\.{which}: \w+…? in A, 0{{40,64}}…? in B\n"):
        tau2_gym("compare", recorded("oracle"), other)
    assert "digests" in tau2_gym("compare", recorded("oracle"), other, "--ignore", f"digests.{which}").stdout


def test_every_difference_is_named_at_once(recorded: Folders, copied: Folders, tau2_gym: Command) -> None:
    other = copied("silent")
    other.set_config(mode="tau2", solo=True)
    for options in ([], ["--ignore", "solo"]):
        with pytest.raises(UsageError) as refused:
            tau2_gym("compare", recorded("oracle"), other, *options)
        assert ("solo: " in str(refused.value)) is not bool(options)
        assert "mode: " in str(refused.value)


def test_sets_of_evaluators_are_never_mixed(recorded: Folders, copied: Folders, tau2_gym: Command) -> None:
    other = copied("oracle")
    assert tau2_gym("grade", other, "--evaluators", "strict").exit_code == 0
    with pytest.raises(UsageError, match="evaluators: tau2 in A, strict in B"):
        tau2_gym("compare", recorded("oracle"), other)


def test_other_tasks(recorded: Folders, copied: Folders, tau2_gym: Command) -> None:
    """Common tasks are compared if the rest is let pass; a task of other content is named."""
    few, oracle = recorded("few"), recorded("oracle")
    with pytest.raises(UsageError) as refused:
        tau2_gym("compare", oracle, few)
    assert "tasks: 18 (6 in both) in A, 6 (6 in both) in B" in str(refused.value)
    assert "trials: 3 in A, 2 in B" in str(refused.value)
    found = compared(tau2_gym, oracle, few, "--ignore", "tasks", "--ignore", "trials")
    assert (found["tasks"], found["trials"]) == (6, 2)
    assert {each["name"] for each in found["ignored"]} == {"tasks", "trials"}

    other = copied("silent")
    tasks = other.lines("tasks")
    tasks[0]["user_scenario"] = {"instructions": "Something else."}
    other.write_lines("tasks", tasks)
    other.set_config(digests=other.read("run")["digests"] | {"tasks": "0" * 64}, tasks=other.read("run")["tasks"][:-1])
    with pytest.raises(UsageError, match=rf"digests\.tasks: 1 of 17 tasks \({tasks[0]['id']}\) in A, other content"):
        tau2_gym("compare", oracle, other)
    other.set_config(tasks=["elsewhere"])
    with pytest.raises(UsageError, match="have no task in common"):
        tau2_gym("compare", oracle, other, "--ignore", "tasks", "--ignore", "digests")


def test_allowed_differences_are_listed(recorded: Folders, copied: Folders, tau2_gym: Command) -> None:
    other = copied("silent")
    other.set_config(
        seed=1,
        split="all",
        judge_all=True,
        models={"agent": {"model": "openai/x", "args": {"temperature": 0}}},
        digests=other.read("run")["digests"] | {"prompts": {"agent": "0" * 64}},
        tasks=other.read("run")["tasks"][::-1],
    )
    found = compared(tau2_gym, recorded("oracle"), other)
    assert found["ignored"] == []
    assert found["b"]["model"] == "openai/x"


def test_a_stopped_run_is_compared_with_its_gaps(recorded: Folders, copied: Folders, tau2_gym: Command) -> None:
    part = copied("oracle")
    part.write_lines("grades", part.lines("grades")[:27])
    done = tau2_gym("compare", recorded("oracle"), part)
    assert done.exit_code == 1
    assert "coverage 50%: slots without a reward count as failed" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--alpha", 0], "--alpha must be between 0 and 1, not 0"),
        (["--alpha", 1.5], "--alpha must be between 0 and 1, not 1.5"),
        (["--margin", 0], "--margin must be between 0 and 1, not 0"),
        (["--ignore", "digest"], "--ignore: runs have no 'digest' .did you mean 'digests'"),
    ],
)
def test_wrong_options_are_named(recorded: Folders, tau2_gym: Command, options: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tau2_gym("compare", recorded("oracle"), recorded("silent"), *options)


def test_the_exit_code_is_2_without_anything_to_compare(gym: Any, recorded: Folders) -> None:
    oracle = recorded("oracle").path
    done = gym("compare", oracle, oracle.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {oracle.parent} contains no run")
    done = gym("compare", oracle, recorded("silent"))
    assert (done.returncode, done.stderr) == (1, "")
