"""A policy rule that can be checked on a record: what must have happened before a tool call."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

CUSTOMER = "customer"
ALL = "*"
# What counts as a yes unless the message begins with a no; a rule may override it.
YES = r"\b(yes|yeah|yep|sure|ok|okay|correct|confirm(ed)?|agreed?|go ahead|please do|sounds good|do it|proceed)\b"

Pattern = Annotated[str, Field(min_length=1)]


class PolicyRule(BaseModel):
    """One rule about the agent's successful calls of `tools` (`*`: all), except those in `but`.

    Exactly one of these is required: `confirmed` (the customer's last message before the call is a yes, see `yes`, to
    something that the agent said), `after` (one of these tools succeeded before), `known` (each argument's value
    occurred before, in a result of one of these tools or in the customer's messages), or `one_thing_a_turn` (each
    message of the agent is either one call or text; for all tools).
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="The rule's name.")
    rule: str = Field(min_length=1, description="The rule in words.")
    tools: list[str] = Field(
        default_factory=lambda: [ALL], description="The tools whose calls it applies to; `*` is all."
    )
    but: list[str] = Field(default_factory=list, description="The tools whose calls it does not apply to.")
    confirmed: bool = Field(default=False, description="The customer's last words before the call must be a yes.")
    yes: Pattern = Field(default=YES, description="A regular expression for what counts as a yes.")
    after: list[str] = Field(default_factory=list, description="One of these tools must have succeeded before.")
    known: dict[str, list[str]] = Field(
        default_factory=dict,
        description="By argument: the tools (or `customer`) whose output must have contained its value before.",
    )
    one_thing_a_turn: bool = Field(default=False, description="Each message is either one call or text.")

    @model_validator(mode="after")
    def _one_requirement(self) -> PolicyRule:
        demands = [self.confirmed, bool(self.after), bool(self.known), self.one_thing_a_turn]
        if sum(demands) != 1:
            raise ValueError("require exactly one of `confirmed`, `after`, `known` and `one_thing_a_turn`")
        try:
            _search(self.yes)
        except SchemaError as error:
            raise ValueError(
                f"`yes` is not a usable regular expression: {str(error).partition('error: ')[2] or error}"
            ) from error
        return self

    def agrees(self, words: str) -> bool:
        """Tell whether a customer's message contains what counts as a yes."""
        return _search(self.yes).isinstance_python(words)

    def concerns(self, tool: str) -> bool:
        """Tell whether the rule applies to calls of a tool."""
        return (ALL in self.tools or tool in self.tools) and tool not in self.but


@lru_cache(maxsize=256)
def _search(pattern: str) -> SchemaValidator:
    """Compile a pattern whose search time is linear in the length of the text. Raises SchemaError."""
    return SchemaValidator(core_schema.str_schema(pattern=f"(?i){pattern}", regex_engine="rust-regex"))
