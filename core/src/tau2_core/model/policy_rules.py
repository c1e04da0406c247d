"""A rule of a pack's policy that a record shows to be kept or broken: which call needs what to have come before it."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

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
