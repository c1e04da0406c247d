"""The texts that a variant uses for tools instead of their own, for example in another language."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.datasets import ToolText
from tau2_core.model.tools import Role, Source, Tool
from tau2_core.name_suggestions import close_name, did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place
from tau2_core.problem_kinds import ProblemKind


class ToolTextEntry(BaseModel):
    """The texts of one tool. Texts that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(default=None, min_length=1, description="The description that models read.")
    parameters: dict[str, str] = Field(default_factory=dict, description="Descriptions by parameter.")


def read_tool_texts(
    file: Path, tools: Mapping[Role, Mapping[str, Tool]], unbound: Collection[str], named_by: Source, problems: Problems
) -> dict[str, ToolText]:
    """Read a variant's texts by tool; invalid entries are noted and left out."""
    document = problems.read(file, named_by=named_by)
    if document is None:
        return {}
    if not isinstance(document.value, dict):
        problems.add(file, ProblemKind.WRONG_SHAPE, "should be a mapping of tools to texts", line=1)
        return {}
    known = {name: tool for side in tools.values() for name, tool in side.items()}
    texts: dict[str, ToolText] = {}
    for name, value in document.value.items():
        place, tool = Place(document, (name,)), known.get(name)
        if tool is None:
            if name not in unbound:
                hint, close = did_you_mean(name, known), close_name(name, known)
                what = f"there is no tool {name!r}"
                problems.at(place.source(), ProblemKind.VARIANT_TEXT, what, hint=hint, replace=(name, close))
            continue
        entry = problems.validate(ToolTextEntry, document, value, (name,))
        if entry is None:
            continue
        properties = tool.parameters["properties"]
        for parameter in entry.parameters:
            if parameter not in properties:
                where, close = place.source("parameters", parameter), close_name(parameter, properties)
                what = f"{name} has no parameter {parameter!r}"
                hint = did_you_mean(parameter, properties)
                problems.at(where, ProblemKind.VARIANT_TEXT, what, hint=hint, replace=(parameter, close))
        texts[name] = ToolText(entry.description or tool.description, entry.parameters)
    return texts
