"""A study's file: the options that all runs share, and the factors with their levels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tau2_core.api.options import NAMES, RunOptions
from tau2_core.errors import UsageError
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Document
from tau2_core.redaction import without_assigned_secrets
from tau2_core.runs.options import ROLES, Options, merged

MOST_RUNS = 1000
_SAME_TASKS = frozenset({"task", "split", "num_tasks", "sample", "trials"})
_OF_ONE_RUN = frozenset({"record", "replay", "resume", "shard", "name"})
_NOT_A_RESULT = frozenset(
    {"out", "executor", "workers", "executor_option", "concurrency", "pack", "no_plugin", "token_traces", "config"}
    | {"judge_calibration"}
)
#: Factors that are a part of a role's options: the role, and the part.
_ROLE_PARTS = {**{f"{role}_model": (role, "model") for role in ROLES}, "judge_rule": ("judge", "rule")}
#: The possible factors: every option of a run that can change a result.
FACTORS = frozenset({NAMES.get(name, name) for name in get_type_hints(RunOptions)} | set(_ROLE_PARTS)) - (
    _SAME_TASKS | _OF_ONE_RUN | _NOT_A_RESULT
)


class StudyFile(BaseModel):
    """A study: the options that all runs share, and the levels of each factor, which are played in all combinations."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, description="The study's folder; default: the file's name.")
    run: Options = Field(description="The options that all runs share, as in a --config file.")
    factors: dict[str, list[Any] | dict[str, Any]] = Field(
        min_length=1,
        description="The levels of each factor, by option: a list of values, or a mapping of names to values. "
        "`agent_model`, `user_model` and "
        "`judge_model` stand for the model of a role.",
    )


Level = tuple[str, Any]  # its name and its value


def read_study(file: Path) -> tuple[StudyFile, dict[str, dict[str, Any]]]:
    """Read a study's file; return it, and the levels of each factor by name.

    Raises UsageError with file and line for an unknown option, an option that cannot be a factor, or an invalid value.
    """
    problems = Problems("study")
    document = problems.read(file)
    found = None
    if document is not None:
        found = problems.validate(StudyFile, document, {} if document.value is None else document.value)
    if found is None or document is None or problems.found:
        raise UsageError(without_assigned_secrets("\n".join(map(str, problems.found))))
    _refuse_options_of_one_run(found, document)
    levels = {name: _levels(name, given, document) for name, given in found.factors.items()}
    size = 1
    for each in levels.values():
        size *= len(each)
    if size > MOST_RUNS:
        raise UsageError(f"{file}: the grid has {size} runs; the maximum is {MOST_RUNS}: give fewer levels")
    for name, each in levels.items():
        for level, value in each.items():
            try:
                with_levels(found.run, {name: value})
            except ValidationError as error:
                detail = error.errors(include_url=False)[0]
                where = ".".join([name, level, *map(str, detail["loc"][1:])])
                raise UsageError(f"{_place(document, name)}: {where}: {detail['msg']}") from error
    return found, levels


def with_levels(base: Options, values: Mapping[str, Any]) -> Options:
    """Return the options of one run: those that all share, with the values of its levels.

    Only the parts of a role that the level gives are replaced. Raises pydantic's ValidationError.
    """
    plain = {name: value for name, value in values.items() if name not in ROLES and name not in _ROLE_PARTS}
    roles: dict[str, dict[str, Any]] = {role: {} for role in ROLES}
    for role in ROLES:
        if role in values:
            roles[role] |= _validated(role, values[role])
    for name, (role, part) in _ROLE_PARTS.items():
        if name in values:
            roles[role] |= _validated(role, {part: values[name]})
    return merged(base, plain, roles)


def _validated(role: str, value: Any) -> dict[str, Any]:
    """Return the parts of a role's options that a value gives."""
    given = getattr(Options.model_validate({role: value}), role)
    return {name: getattr(given, name) for name in given.model_fields_set}


def _refuse_options_of_one_run(study: StudyFile, document: Document) -> None:
    for name in sorted(_OF_ONE_RUN & study.run.model_fields_set):
        line = document.line(("run", name))
        raise UsageError(f"{document.file}:{line}: {name} is for a single run, and a study has several; remove it")


def _levels(name: str, given: list[Any] | dict[str, Any], document: Document) -> dict[str, Any]:
    place = _place(document, name)
    if name in _SAME_TASKS:
        raise UsageError(f"{place}: {name} cannot be a factor, as all runs play the same slots; give it under `run`")
    if name not in FACTORS:
        raise UsageError(f"{place}: {name!r} cannot be a factor ({did_you_mean(name, FACTORS)})")
    levels = given if isinstance(given, dict) else {_level_name(value): value for value in given}
    if len(levels) < len(given):
        raise UsageError(f"{place}: {name}: two levels are equal; remove one, or give them names")
    if len(levels) < 2:
        raise UsageError(f"{place}: {name} has {len(levels)} level; a factor has at least two, others go under `run`")
    return levels


def _level_name(value: Any) -> str:
    """Return the name of a level that was given without one: its text, or the name of the model or participant."""
    if isinstance(value, dict) and isinstance(named := value.get("model") or value.get("name"), str):
        return named
    return value if isinstance(value, str) else json.dumps(value)


def _place(document: Document, name: str) -> str:
    return f"{document.file}:{document.line(('factors', name))}"
