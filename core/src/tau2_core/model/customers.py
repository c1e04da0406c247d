"""How a simulated customer is played: variants of its prompt, and personas. Both are data of the core and of packs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_PROMPT = "default"
MOST_NOISE = 0.5


class UserPromptEntry(BaseModel):
    """A variant of the customer's prompt, as a file declares it."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(min_length=1, description="The template, relative to the pack's folder.")
    summary: str = Field(min_length=1, description="One line, shown by `tau2-gym describe`.")
    plan: bool = Field(
        default=False, description="Whether it asks for a plan in each answer, which is kept from the agent."
    )


class PersonaEntry(BaseModel):
    """A persona, as a file declares it."""

    model_config = ConfigDict(extra="forbid")

    summary: str = Field(min_length=1, description="One line, shown by `tau2-gym describe`.")
    manner: str = Field(default="", description="How the customer behaves and speaks: what its model is told.")
    speech_noise: float = Field(
        default=0.0,
        ge=0,
        le=MOST_NOISE,
        description="The share of words that arrive as speech recognition would mishear them, 0 to 0.5.",
    )


class CustomersFile(BaseModel):
    """The customers of a pack, besides those of the core: variants of the prompt, and personas, by name."""

    model_config = ConfigDict(extra="forbid")

    prompts: dict[str, UserPromptEntry] = Field(
        default_factory=dict, description="Variants of the customer's prompt, for `--user-prompt`."
    )
    personas: dict[str, PersonaEntry] = Field(default_factory=dict, description="Personas, for `--persona`.")


@dataclass(frozen=True, slots=True)
class UserPrompt:
    """A variant of the customer's prompt: the template `file` in a `folder`.

    `plan` means that it asks for a plan in each answer.
    """

    name: str
    summary: str
    folder: Path
    file: str
    plan: bool = False


@dataclass(frozen=True, slots=True)
class Persona:
    """How a customer behaves and speaks, whatever it wants.

    Attributes:
        name: its name.
        summary: one line for lists.
        manner: the text that the customer's model is told; "" adds nothing.
        speech_noise: the share of words that arrive misheard, 0 to 0.5.
    """

    name: str
    summary: str = ""
    manner: str = ""
    speech_noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Customers:
    """The prompts and personas that a run may choose from, by name."""

    prompts: Mapping[str, UserPrompt] = field(default_factory=dict)
    personas: Mapping[str, Persona] = field(default_factory=dict)
