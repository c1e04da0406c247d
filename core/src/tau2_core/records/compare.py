"""Comparing two runs of the same tasks, paired by task, with a gate for CI. Runs that differ otherwise are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from tau2_core.errors import UsageError
from tau2_core.model.llm import ADDRESSES, decides
from tau2_core.name_suggestions import did_you_mean
from tau2_core.records.customer_faults import (
    CustomerFaults,
    WithoutCustomerFaults,
    customer_faults,
    difference_without_faults,
)
from tau2_core.records.judge_trust import JudgeTrust
from tau2_core.records.statistics import Estimate, clustered_rate, paired_difference, sign_flip_test
from tau2_core.records.tally import Tally

# The agent is compared, with its model and prompt. Seeds, the location of a dataset, and what a judge decides besides
# the reward should not matter. Only the tasks of a split matter, which are compared separately.
MAY_DIFFER = (
    *("agent", "models.agent", "digests.prompts.agent", "digests.plugins.agent"),
    *("plugins", "seed", "seeds", "split", "dataset.folder", "judge_all"),
)
_SHOWN = 60


class Gate(StrEnum):
    """The result for run B against run A. `NOT_WORSE` is possible only with a margin."""

    BETTER = "better"
    NOT_WORSE = "not worse"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class ConfigurationDifference(BaseModel):
    """One difference between the configurations of two runs, by its name in run.json."""

    model_config = ConfigDict(extra="forbid")

    name: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.name}: {_short(self.a)} in A, {_short(self.b)} in B"


class ComparedRun(BaseModel):
    """One of the two runs, over the tasks and trials that both have. `judge` is what is known about its judge."""

    model_config = ConfigDict(extra="forbid")

    name: str
    folder: str
    agent: str
    model: str | None
    strict_rate: Estimate
    coverage: float
    customer: CustomerFaults | None = None
    judge: JudgeTrust | None = None


class TaskChange(BaseModel):
    """A task with the share of its trials that each run solved."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    a: float
    b: float
    difference: float


class Comparison(BaseModel):
    """Run B against run A. `difference` is B's strict rate less A's; `changed` lists tasks, largest change first."""

    model_config = ConfigDict(extra="forbid")

    a: ComparedRun
    b: ComparedRun
    gate: Gate
    alpha: float
    margin: float | None
    difference: Estimate
    p_value: float
    without_customer_faults: WithoutCustomerFaults | None = None
    tasks: int
    trials: int
    changed: list[TaskChange]
    ignored: list[ConfigurationDifference]
    differs: list[ConfigurationDifference]


class ComparableRun(Protocol):
    """What a comparison needs of a run; `RecordedRun` describes each part."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def tasks(self) -> list[str]: ...
    @property
    def trials(self) -> int: ...
    @property
    def evaluators(self) -> str: ...
    @property
    def judge(self) -> str | None: ...
    def task_contents(self) -> dict[str, Any]: ...
    def tally_of_grades(self, tasks: Sequence[str], trials: int) -> Tally: ...


def compare_runs(
    a: ComparableRun, b: ComparableRun, *, alpha: float = 0.05, margin: float | None = None, ignore: Sequence[str] = ()
) -> Comparison:
    """Compare two runs over the tasks and trials that both have in their inventory.

    Args:
        a: the run to compare with.
        b: the run to be judged.
        alpha: the rate of false alarms; intervals have confidence 1 - alpha.
        margin: the loss of strict rate that is still acceptable, None without a margin.
        ignore: names of differences, or of groups of them (`limits`), that are accepted.

    Raises UsageError if the runs differ otherwise, naming each difference, or have no task in common.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"--alpha must be between 0 and 1, not {alpha:g}")
    if margin is not None and not 0 < margin < 1:
        raise UsageError(f"--margin must be between 0 and 1, not {margin:g}")
    found = configuration_differences(a, b)
    names = _with_parents([*_leaves(a.config), *_leaves(b.config), "judge"])
    for name in ignore:
        if name not in names:
            raise UsageError(f"--ignore: runs have no {name!r} ({did_you_mean(name, names)})")
    differs = [each for each in found if _within(each.name, MAY_DIFFER)]
    ignored = [each for each in found if each not in differs and _within(each.name, ignore)]
    refused = [each for each in found if each not in differs and each not in ignored]
    if refused:
        listed = "\n".join(f"  {each}" for each in refused)
        raise UsageError(
            f"{a.name} and {b.name} were not played under the same conditions:\n{listed}\n"
            "run one of them again, or accept a difference with --ignore NAME"
        )
    of_b = set(b.tasks)
    tasks = [task for task in a.tasks if task in of_b]
    if not tasks:
        raise UsageError(f"{a.name} and {b.name} have no task in common")
    trials = min(a.trials, b.trials)
    before, after = a.tally_of_grades(tasks, trials), b.tally_of_grades(tasks, trials)
    solved = list(zip(before.solved.values(), after.solved.values(), strict=True))
    gate, difference, p_value = decide([y - x for x, y in solved], trials, alpha=alpha, margin=margin)
    changed = [
        TaskChange(task_id=task, a=x / trials, b=y / trials, difference=(y - x) / trials)
        for task, (x, y) in zip(tasks, solved, strict=True)
        if x != y
    ]
    return Comparison(
        a=_compared(a, before, alpha),
        b=_compared(b, after, alpha),
        gate=gate,
        alpha=alpha,
        margin=margin,
        difference=difference,
        p_value=p_value,
        without_customer_faults=difference_without_faults(before, after, alpha),
        tasks=len(tasks),
        trials=trials,
        changed=sorted(changed, key=lambda change: -abs(change.difference)),
        ignored=ignored,
        differs=differs,
    )


def decide(
    changes: Sequence[int], trials: int, *, alpha: float, margin: float | None = None
) -> tuple[Gate, Estimate, float]:
    """Return the gate's result, the difference of rates with its interval, and the p-value of the sign-flip test.

    The result is better or worse if the p-value is at most alpha. So at most the share alpha of identical runs is
    distinguished, half of it as worse. With a margin, B is not worse if the interval of confidence 1 - alpha is above
    -margin, even if B is significantly lower.

    Args:
        changes: by task, how many more of its trials B solved than A.
        trials: how many trials each task had in each run.
        alpha: the rate of false alarms.
        margin: the loss of strict rate that is still acceptable.
    """
    difference, p_value = paired_difference(changes, trials, confidence=1 - alpha), sign_flip_test(changes)
    told_apart = p_value <= alpha
    if told_apart and difference.value > 0:
        gate = Gate.BETTER
    elif margin is not None and difference.low > -margin:
        gate = Gate.NOT_WORSE
    else:
        gate = Gate.WORSE if told_apart else Gate.INCONCLUSIVE
    return gate, difference, p_value


def configuration_differences(a: ComparableRun, b: ComparableRun) -> list[ConfigurationDifference]:
    """Return all differences between the configurations of two runs, including permitted ones."""
    sides = [_leaves(run.config | {"evaluators": run.evaluators, "judge": run.judge}) for run in (a, b)]
    same_tasks = sides[0].pop("tasks") == sides[1].pop("tasks")
    found = [] if same_tasks else list(_task_differences(a, b))
    replayed = any(name.startswith("models.") and name.endswith(".replayed") for side in sides for name in side)
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        if name.startswith("models.") and _decides_nothing(name, [side.get(name) for side in sides], replayed):
            continue
        before, after = (_shown(side.get(name)) for side in sides)
        if before != after and (same_tasks or name != "digests.tasks"):
            found.append(ConfigurationDifference(name=name, a=before, b=after))
    return found


def _decides_nothing(name: str, values: Sequence[Any], replayed: bool) -> bool:
    """Tell whether a difference in a model's entry cannot affect its answers; `replayed`: a cassette gave them."""
    _, _, what, *argument = name.split(".")
    if what == "takes_seed":
        return None in values  # unknown for a cassette, which replays the recorded answers
    if what == "args":  # a model of the same name at another address may differ, but not if a cassette answers
        return bool(argument) and not decides(argument[0]) and (replayed or argument[0] not in ADDRESSES)
    return what in ("from_dataset", "replayed")  # it does not matter where an argument comes from


def _task_differences(a: ComparableRun, b: ComparableRun) -> Iterator[ConfigurationDifference]:
    """Yield how two lists of tasks differ, and which common tasks differ in content; order does not matter."""
    common = set(a.tasks) & set(b.tasks)
    if len(common) < max(len(a.tasks), len(b.tasks)):
        in_both = f" ({len(common)} in both)"
        yield ConfigurationDifference(name="tasks", a=f"{len(a.tasks)}{in_both}", b=f"{len(b.tasks)}{in_both}")
    contents = a.task_contents(), b.task_contents()
    changed = sorted(task for task in common if contents[0].get(task) != contents[1].get(task))
    if changed:
        listed = f"{len(changed)} of {len(common)} tasks ({', '.join(changed)})"
        yield ConfigurationDifference(name="digests.tasks", a=listed, b="other content")


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return the values in nested objects by dotted names; a list counts as one value."""
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= _leaves(part, f"{name}.{key}" if name else key)
    return found


def _with_parents(names: Sequence[str]) -> list[str]:
    return sorted({".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)})


def _within(name: str, places: Sequence[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _compared(run: ComparableRun, tally: Tally, alpha: float) -> ComparedRun:
    solved = list(tally.solved.values())
    rate = clustered_rate(solved, [tally.trials] * len(solved), confidence=1 - alpha)
    assert rate is not None
    model = run.config["models"].get("agent")
    return ComparedRun(
        name=run.name,
        folder=str(run.folder),
        agent=run.config["agent"]["name"],
        model=model["model"] if model else None,
        strict_rate=rate,
        coverage=tally.coverage,
        customer=customer_faults(tally, confidence=1 - alpha),
    )
