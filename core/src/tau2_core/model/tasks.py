"""Tasks in the official JSON shape (spec/evaluation.md, 1), with the additions of our own packs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.messages import Message, Requestor

ExpectedOutcome = Literal["done", "refused", "transferred"]
RewardType = Literal["DB", "ENV_ASSERTION", "NL_ASSERTION", "ACTION", "COMMUNICATE"]
OFFICIAL_REWARD_BASIS: tuple[RewardType, ...] = ("DB", "COMMUNICATE")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="constants")


class Description(_Part):
    purpose: str | None = None
    relevant_policies: str | None = None
    notes: str | None = None


class Instructions(_Part):
    """What the customer wants and knows. The loader fills in `domain` if a pack omits it."""

    domain: str = ""
    reason_for_call: str
    known_info: str | None = None
    unknown_info: str | None = None
    task_instructions: str

    def text(self) -> str:
        """Render as the user simulator reads it (spec/evaluation.md, string renderings)."""
        blocks = [("Reason for call", self.reason_for_call), ("Known info", self.known_info)]
        blocks += [("Unknown info", self.unknown_info), ("Task instructions", self.task_instructions)]
        lines = [f"Domain: {self.domain}"]
        lines += [f"{title}:\n{indent(value)}" for title, value in blocks if value is not None]
        return "\n".join(lines)


class UserScenario(_Part):
    persona: str | None = None
    instructions: str | Instructions

    def text(self) -> str:
        """Render as the user simulator reads it."""
        instructions = self.instructions if isinstance(self.instructions, str) else self.instructions.text()
        persona = [f"Persona:\n{indent(self.persona)}"] if self.persona else []
        return "\n".join([*persona, f"Instructions:\n{indent(instructions)}"])


def indent(text: str) -> str:
    """Indent every line that is not blank by one tab."""
    return "\n".join(f"\t{line}" if line.strip() else line for line in text.split("\n"))


class FunctionCall(_Part):
    """A call of a function on one side, for the set-up of a task."""

    env_type: Requestor
    func_name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Assertion(FunctionCall):
    """A call that must return `assert_value`, a real bool."""

    assert_value: bool = True
    message: str | None = None


class Action(_Part):
    """One gold call. `compare_args`: None compares all arguments, [] only the name."""

    action_id: str = ""
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    requestor: Requestor = "assistant"
    info: str | None = None
    compare_args: list[str] | None = None

    def text(self) -> str:
        """Render as `name(key=value, …)`."""
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


class InitializationData(_Part):
    agent_data: dict[str, Any] | None = None
    user_data: dict[str, Any] | None = None


class InitialState(_Part):
    initialization_data: InitializationData | None = None
    initialization_actions: list[FunctionCall] | None = None
    message_history: list[Message] | None = None


class EvaluationCriteria(_Part):
    """What the reward is computed from. None and [] differ for `actions` (spec/evaluation.md, 3.1).

    `communicate_forbidden` is our addition: wrong values, checked by the set `strict`.
    """

    actions: list[Action] | None = None
    env_assertions: list[Assertion] | None = None
    communicate_info: list[str] | None = None
    nl_assertions: list[str] | None = None
    communicate_forbidden: list[str] | None = None
    reward_basis: list[RewardType] = Field(default_factory=lambda: list(OFFICIAL_REWARD_BASIS))


class Task(_Part):
    """One task: what the customer wants, the start state, and the evaluation criteria."""

    id: str
    description: Description | None = None
    user_scenario: UserScenario
    ticket: str | None = None
    initial_state: InitialState | None = None
    evaluation_criteria: EvaluationCriteria | None = None
    user_tools: list[str] | None = None
    outcome: ExpectedOutcome | None = None
    tags: list[str] = Field(default_factory=list)

    def history(self) -> list[Message]:
        """Return the messages from before the task begins."""
        return (self.initial_state.message_history if self.initial_state else None) or []

    def gold(self) -> list[Action]:
        """Return the gold calls of both sides, in order."""
        return (self.evaluation_criteria.actions if self.evaluation_criteria else None) or []
