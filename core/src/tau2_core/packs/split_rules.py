"""The rules of splits: which tasks a split takes, and from which other splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place
from tau2_core.problem_kinds import ProblemKind


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Range(_Section):
    """How many blocks a task may have, both ends included."""

    min: int = Field(default=0, ge=0, description="The minimum number.")
    max: int | None = Field(default=None, ge=0, description="The maximum number.")

    def holds(self, number: int) -> bool:
        return self.min <= number and (self.max is None or number <= self.max)


class Rule(_Section):
    """The tasks of a split: a source, filters, and a random draw.

    The source is all tasks of families, with `all` the hand-written ones too, or another split (`of`). Filters keep
    family tasks with a number of `blocks`, and remove the split `without`. Then up to `sample` tasks, or a `share`, are
    drawn from each bin with `random.Random(seed)`; bins are formed `by` family, number of blocks and persona.
    """

    all: Literal[True] | None = Field(default=None, description="Start from all tasks, including hand-written ones.")
    of: str | None = Field(default=None, description="Start from another split.")
    blocks: Range | None = Field(default=None, description="Only tasks with this number of blocks.")
    without: str | None = Field(default=None, description="Leave out the tasks of another split.")
    sample: int | None = Field(default=None, ge=1, description="Draw up to this number of tasks from each bin.")
    share: float | None = Field(default=None, gt=0, lt=1, description="Draw this share of each bin's tasks.")
    by: list[Literal["family", "blocks", "persona"]] | None = Field(
        default=None, description="The properties that form the bins."
    )
    seed: int | None = Field(default=None, description="The seed of the draw.")

    def names(self) -> dict[str, str]:
        """Return the splits that the rule refers to, each under its key."""
        return {key: name for key, name in (("of", self.of), ("without", self.without)) if name is not None}


def check_rule(
    name: str, rule: Rule, declared: Mapping[str, list[str] | Rule], place: Place, problems: Problems
) -> None:
    """Note the errors of a rule: contradictions, and other splits that are not declared or refer back to it."""
    draws = rule.sample is not None or rule.share is not None
    wrong = {
        "all": rule.all and rule.of is not None and "`all` and `of` exclude each other",
        "share": rule.share is not None and rule.sample is not None and "`sample` and `share` exclude each other",
        "by": rule.by is not None and not draws and "`by` has no effect without `sample` or `share`",
        "seed": rule.seed is not None and not draws and "`seed` has no effect without `sample` or `share`",
    }
    for key, what in wrong.items():
        if what:
            problems.at(
                place.source(key),
                ProblemKind.SPLIT_RULE,
                f"split {name!r}: {what}",
                hint="remove one, or add what is missing",
            )
    if not rule.model_fields_set:
        problems.at(
            place.source(),
            ProblemKind.SPLIT_RULE,
            f"split {name!r} is an empty rule",
            hint="{all: true} takes every task",
        )
    span = rule.blocks
    if span is not None and span.max is not None and span.max < span.min:
        what = f"split {name!r}: no number of blocks is from {span.min} to {span.max}"
        problems.at(place.source("blocks"), ProblemKind.SPLIT_RULE, what, hint="swap them")
    for key, other in rule.names().items():
        if other not in declared:
            hint = did_you_mean(other, declared.keys() - {name})
            problems.at(
                place.source(key),
                ProblemKind.SPLIT_RULE,
                f"split {name!r} refers to {other!r}, which is not declared",
                hint=hint,
            )
        elif name in _behind(other, declared):
            what = "itself" if other == name else f"{other!r}, which refers to {name!r}"
            problems.at(
                place.source(key),
                ProblemKind.SPLIT_RULE,
                f"split {name!r} refers to {what}",
                hint="start from tasks or from another split",
            )


def _behind(name: str, declared: Mapping[str, list[str] | Rule]) -> set[str]:
    """Return a split and all splits that it refers to, directly or indirectly."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        entry = declared.get(each)
        if each not in found:
            found.add(each)
            waiting += entry.names().values() if isinstance(entry, Rule) else []
    return found
