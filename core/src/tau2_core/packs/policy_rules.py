"""Rules of a pack's policy that a record shows to be kept or broken: which call needs what to have come before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from tau2_core.model.tools import Tool
from tau2_core.names import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place

CUSTOMER = "customer"
ALL = "*"
# What counts as a yes, unless it begins with a no; a rule may say otherwise.
YES = r"\b(yes|yeah|yep|sure|ok|okay|correct|confirm(ed)?|agreed?|go ahead|please do|sounds good|do it|proceed)\b"

Pattern = Annotated[str, Field(min_length=1)]


class PolicyRule(BaseModel):
    """One rule, about the agent's successful calls of `tools` (`*`: all), but for those of `but`.

    Exactly one of: `confirmed` (the customer's last words before the call are a yes, `yes`, to something that the
    agent had said), `after` (one of these tools succeeded before), `known` (the value of each argument stands in the
    answer of one of these tools, or in the customer's words, before) and `one_thing_a_turn` (a message of the agent is
    one call, or words; of all tools).
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    rule: str = Field(min_length=1)
    tools: list[str] = Field(default_factory=lambda: [ALL])
    but: list[str] = Field(default_factory=list)
    confirmed: bool = False
    yes: Pattern = YES
    after: list[str] = Field(default_factory=list)
    known: dict[str, list[str]] = Field(default_factory=dict)
    one_thing_a_turn: bool = False

    @model_validator(mode="after")
    def _one_demand(self) -> PolicyRule:
        demands = [self.confirmed, bool(self.after), bool(self.known), self.one_thing_a_turn]
        if sum(demands) != 1:
            raise ValueError("demand one of `confirmed`, `after`, `known` and `one_thing_a_turn`")
        try:
            _search(self.yes)
        except SchemaError as error:
            raise ValueError(
                f"`yes` is no usable regular expression: {str(error).partition('error: ')[2] or error}"
            ) from error
        return self

    def agrees(self, words: str) -> bool:
        """Tell whether a customer's words hold what counts as a yes."""
        return _search(self.yes).isinstance_python(words)

    def concerns(self, tool: str) -> bool:
        """Tell whether the rule is about a tool's calls."""
        return (ALL in self.tools or tool in self.tools) and tool not in self.but


@lru_cache(maxsize=256)
def _search(pattern: str) -> SchemaValidator:
    """Compile a pattern that takes time in proportion to the text that it is searched for in. Raises SchemaError."""
    return SchemaValidator(core_schema.str_schema(pattern=f"(?i){pattern}", regex_engine="rust-regex"))


def read_policy_rules(
    file: Path, tools: Mapping[str, Tool], unbound: Collection[str], named_by: Place, problems: Problems
) -> list[PolicyRule]:
    """Read a pack's rules; what is wrong is noted and left out.

    `unbound` are declared tools without a handler: that is noted already, so that rules may name them.
    """
    document = problems.read(file, named_by=named_by.source())
    if document is None:
        return []
    if not isinstance(document.value, list):
        problems.add(file, "should be a list of rules", line=1)
        return []
    rules: list[PolicyRule] = []
    for index, value in enumerate(document.value):
        rule = problems.validate(PolicyRule, document, value, (index,))
        if rule is None:
            continue
        place = Place(document, (index,))
        if rule.name in {other.name for other in rules}:
            problems.at(place.source("name"), f"rule {rule.name!r} stands here twice", hint="rename one of them")
        _check_names(rule, tools, unbound, place, problems)
        rules.append(rule)
    return rules


def _check_names(
    rule: PolicyRule, tools: Mapping[str, Tool], unbound: Collection[str], place: Place, problems: Problems
) -> None:
    for key, names in (("tools", rule.tools), ("but", rule.but), ("after", rule.after)):
        known: Collection[str] = {*tools, *unbound, *([ALL] if key == "tools" else [])}
        for index, name in enumerate(names):
            if name not in known:
                what = f"rule {rule.name!r}: the agent has no tool {name!r}"
                problems.at(place.source(key, index), what, hint=did_you_mean(name, tools))
    concerned = [tool for name, tool in tools.items() if rule.concerns(name)]
    parameters = {name for tool in concerned for name in tool.parameters["properties"]}
    for argument, sources in rule.known.items():
        if argument not in parameters and not unbound:
            what = f"rule {rule.name!r}: none of its tools has a parameter {argument!r}"
            problems.at(place.source("known", argument), what, hint=did_you_mean(argument, parameters))
        for index, name in enumerate(sources):
            if name != CUSTOMER and name not in tools and name not in unbound:
                what = f"rule {rule.name!r}: the agent has no tool {name!r}"
                hint = did_you_mean(name, {*tools, CUSTOMER})
                problems.at(place.source("known", argument, index), what, hint=hint)
