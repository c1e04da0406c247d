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
    purpose: str | None = Field(default=None, description="What the task tests.")
    relevant_policies: str | None = Field(default=None, description="Which rules of the policy it is about.")
    notes: str | None = Field(default=None, description="Further notes.")


class Instructions(_Part):
    """What the customer wants and knows. The loader fills in `domain` if a pack omits it."""

    domain: str = Field(default="", description="The domain's name; filled in if it is left out.")
    reason_for_call: str = Field(description="What the customer wants.")
    known_info: str | None = Field(default=None, description="What the customer knows.")
    unknown_info: str | None = Field(default=None, description="What the customer does not know.")
    task_instructions: str = Field(description="How the customer should behave.")

    def text(self) -> str:
        """Render as the user simulator reads it (spec/evaluation.md, string renderings)."""
        blocks = [("Reason for call", self.reason_for_call), ("Known info", self.known_info)]
        blocks += [("Unknown info", self.unknown_info), ("Task instructions", self.task_instructions)]
        lines = [f"Domain: {self.domain}"]
        lines += [f"{title}:\n{indent(value)}" for title, value in blocks if value is not None]
        return "\n".join(lines)


class UserScenario(_Part):
    persona: str | None = Field(default=None, description="The customer's personality.")
    instructions: str | Instructions = Field(description="What the customer wants and knows: one text, or its parts.")

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

    env_type: Requestor = Field(description="Whose function: `assistant` or `user`.")
    func_name: str = Field(description="The name of a function or a tool.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments.")


class Assertion(FunctionCall):
    """A call that must return `assert_value`, a real bool."""

    assert_value: bool = Field(default=True, description="What it must return.")
    message: str | None = Field(default=None, description="The message if it is not met.")


class Action(_Part):
    """One gold call. `compare_args`: None compares all arguments, [] only the name."""

    action_id: str = Field(default="", description="A name for the call; generated if it is left out.")
    name: str = Field(description="The tool.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments.")
    requestor: Requestor = Field(default="assistant", description="Who makes the call: `assistant` or `user`.")
    info: str | None = Field(default=None, description="Further notes on the call.")
    compare_args: list[str] | None = Field(
        default=None, description="Which arguments count for ACTION: all if left out, none if empty."
    )

    def text(self) -> str:
        """Render as `name(key=value, …)`."""
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


class InitializationData(_Part):
    agent_data: dict[str, Any] | None = Field(default=None, description="Merged into the agent's database.")
    user_data: dict[str, Any] | None = Field(default=None, description="Merged into the customer's database.")


class InitialState(_Part):
    initialization_data: InitializationData | None = Field(
        default=None, description="Data that is merged into the databases."
    )
    initialization_actions: list[FunctionCall] | None = Field(
        default=None, description="Set-up calls, made after the data is merged."
    )
    message_history: list[Message] | None = Field(default=None, description="The messages from before the task begins.")


class EvaluationCriteria(_Part):
    """What the reward is computed from. None and [] differ for `actions` (spec/evaluation.md, 3.1).

    `communicate_forbidden` is our addition: wrong values, checked by the set `strict`.
    """

    actions: list[Action] | None = Field(
        default=None,
        description="The gold calls. DB compares with their end state; empty if nothing may change.",
    )
    env_assertions: list[Assertion] | None = Field(default=None, description="Assertions that must hold at the end.")
    communicate_info: list[str] | None = Field(default=None, description="Texts that the agent must say.")
    nl_assertions: list[str] | None = Field(default=None, description="Statements that a judge decides.")
    communicate_forbidden: list[str] | None = Field(
        default=None, description="Values that would be wrong to say, for the set `strict`."
    )
    reward_basis: list[RewardType] = Field(
        default_factory=lambda: list(OFFICIAL_REWARD_BASIS),
        description="The criteria of the reward; replaces the manifest's.",
    )


class Task(_Part):
    """One task: what the customer wants, the start state, and the evaluation criteria."""

    id: str = Field(description="The task's id, unique in the pack.")
    description: Description | None = Field(
        default=None, description="What the task is about; neither agent nor customer sees it."
    )
    user_scenario: UserScenario = Field(description="What the simulated customer is told.")
    ticket: str | None = Field(default=None, description="What the agent is told in solo play.")
    initial_state: InitialState | None = Field(
        default=None, description="How the start state differs from the database."
    )
    evaluation_criteria: EvaluationCriteria | None = Field(
        default=None, description="How the task should end: done, refused or transferred."
    )
    user_tools: list[str] | None = Field(
        default=None, description="Which of the customer's tools are available; all if left out."
    )
    required_documents: list[str] | None = Field(
        default=None, description="Ids or titles of the documents that the task needs."
    )
    searches: list[str] | None = Field(
        default=None, description="Queries that find the documents which name the hidden tools of the gold calls."
    )
    outcome: ExpectedOutcome | None = Field(default=None, description="What the agent should achieve.")
    tags: list[str] = Field(default_factory=list, description="Tags for grouping tasks.")

    def history(self) -> list[Message]:
        """Return the messages from before the task begins."""
        return (self.initial_state.message_history if self.initial_state else None) or []

    def gold(self) -> list[Action]:
        """Return the gold calls of both sides, in order."""
        return (self.evaluation_criteria.actions if self.evaluation_criteria else None) or []
