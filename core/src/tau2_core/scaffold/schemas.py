"""JSON schemas of the YAML files that people write, generated from the models that read these files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tau2_core.api.study.declaration import StudyFile
from tau2_core.errors import UsageError
from tau2_core.model.customers import CustomersFile
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.declarations import FunctionEntry, ToolEntry
from tau2_core.packs.families import Block, Family
from tau2_core.packs.manifest import Manifest
from tau2_core.packs.split_rules import Rule
from tau2_core.packs.task_texts import TaskTextsFile
from tau2_core.packs.variant_texts import ToolTextEntry
from tau2_core.runs.evaluator_sets import EvaluationFile
from tau2_core.runs.options import Options

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SHIPPED = Path(__file__).parents[1] / "schemas"


class FamiliesFile(BaseModel):
    """A file of task families. The contents of several files are merged."""

    model_config = ConfigDict(extra="forbid")

    blocks: dict[str, Block] = Field(default_factory=dict, description="The blocks: what can go wrong.")
    personas: dict[str, str | None] = Field(
        default_factory=dict, description="The personas of customers; null adds nothing to the scenario."
    )
    families: dict[str, Family] = Field(
        default_factory=dict, description="The families, by name: which blocks go together."
    )


@dataclass(frozen=True)
class SchemaSource:
    """The model of a schema, and a description of its files."""

    about: str
    content: Any


SOURCES: dict[str, SchemaSource] = {
    "domain": SchemaSource("The manifest of a pack: domain.yaml.", Manifest),
    "tools": SchemaSource("Tools of one side, by name: tools/agent.yaml, tools/user.yaml.", dict[str, ToolEntry]),
    "functions": SchemaSource(
        "Set-up calls and assertions that tasks may name, by name: tools/functions.yaml.", dict[str, FunctionEntry]
    ),
    "customers": SchemaSource(
        "Prompts and personas of the simulated customer: the file that `customers` of the manifest names.",
        CustomersFile,
    ),
    "tool_texts": SchemaSource(
        "Other descriptions of the tools, by tool: the file named by a variant.", dict[str, ToolTextEntry]
    ),
    "task_texts": SchemaSource("Other texts of the tasks: the file that a variant names.", TaskTextsFile),
    "tasks": SchemaSource("Hand-written tasks: data/tasks/*.yaml.", list[Task]),
    "families": SchemaSource("Task families with their blocks and personas: data/families/*.yaml.", FamiliesFile),
    "splits": SchemaSource(
        "Splits by name, each a list of task ids or a rule: splits.yaml.", dict[str, list[str] | Rule]
    ),
    "policy_checks": SchemaSource("Rules of the policy that records are checked against.", list[PolicyRule]),
    "evaluation": SchemaSource("The evaluators of a run: evaluation.yaml.", EvaluationFile),
    "config": SchemaSource("Options of `tau2-gym run` and `serve`, models among them: --config FILE.", Options),
    "study": SchemaSource("A study: an agent over a grid of conditions, for `tau2-gym study`.", StudyFile),
}


def json_schema(name: str, option_help: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON schema of a kind of file. Raises UsageError for an unknown name.

    `option_help` holds the descriptions of command-line options, for the schemas `config` and `study`.
    """
    if name not in SOURCES:
        raise UsageError(f"no schema {name!r} ({did_you_mean(name, SOURCES)})")
    source = SOURCES[name]
    made = _tidied(TypeAdapter(source.content).json_schema())
    options = made if source.content is Options else made.get("$defs", {}).get("Options", {"properties": {}})
    for option, text in (option_help or {}).items():
        if option in options["properties"]:
            options["properties"][option].setdefault("description", text)
    return {"$schema": DIALECT, "title": f"tau2-gym {name}", **made, "description": source.about}


def schema_text(name: str, option_help: Mapping[str, str] | None = None) -> str:
    """Return a schema as the text of a file."""
    return json.dumps(json_schema(name, option_help), indent=2, ensure_ascii=False) + "\n"


def shipped_schema(name: str) -> str:
    """Return the text of a schema that this package ships, equal to the output of `tau2-gym schema`."""
    return (SHIPPED / f"{name}.json").read_text(encoding="utf-8")


def _tidied(part: Any, *, names: bool = False) -> Any:
    """Forbid unknown keys in every object, and remove titles and formats that only disturb editors.

    `names` is true if the keys of `part` are chosen by the user instead of JSON schema's keywords.
    """
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    if names:
        return {key: _tidied(value) for key, value in part.items()}
    tidy = {
        key: _tidied(value, names=key in ("properties", "$defs")) if key not in ("default", "enum", "const") else value
        for key, value in part.items()
        if key != "title" and (key, value) != ("format", "date-time")  # JSON schema's format requires a time zone
    }
    if "properties" in tidy:
        tidy.setdefault("additionalProperties", False)
    return tidy
