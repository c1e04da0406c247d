"""How a run plays its simulated customers: the variant of their prompt, and their personas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from tau2_core.errors import PackError, UsageError
from tau2_core.model.customers import DEFAULT_PROMPT, Persona, UserPrompt
from tau2_core.model.registrations import Detect, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Tool
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.prompts import PromptError, render_prompt
from tau2_core.problem_kinds import ProblemKind

_EXACT = re.compile(r"\S*[\d@_]\S*|\"[^\"]*\"|“[^”]*”|`[^`]*`|‘[^’]*’|(?<!\w)'[^']*'(?!\w)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class CustomerSettings:
    """The prompt of the customers, None for the default one, and the personas that take turns.

    `seed` decides which persona is the first one of a task. With `detectors` each drafted message is checked.
    """

    prompt: UserPrompt | None = None
    personas: Sequence[Persona] = ()
    seed: int = 0
    detectors: Mapping[str, Detect] | None = None
    _rendered: dict[tuple[str, ...], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def as_usual(self) -> bool:
        """Whether nothing was chosen."""
        return self.prompt is None and not self.personas and self.detectors is None

    @property
    def prompt_name(self) -> str:
        return DEFAULT_PROMPT if self.prompt is None else self.prompt.name

    def persona(self, task_id: str, turn: int) -> Persona | None:
        """Return the persona of an episode. Over consecutive trials of a task, each persona is used once."""
        if not self.personas:
            return None
        first = Random(f"{self.seed}/{task_id}").randrange(len(self.personas))  # noqa: S311 - repeatable on purpose
        return self.personas[(first + turn) % len(self.personas)]

    def guidelines(self, pack: Pack, tools: Sequence[Tool]) -> str | None:
        """Return the customer's prompt for these customer tools; None for the default prompt. Raises PackError."""
        if self.prompt is None:
            return None
        key = tuple(tool.name for tool in tools)
        if key not in self._rendered:
            self._rendered[key] = render_customer_prompt(pack, self.prompt, tools)
        return self._rendered[key]

    def digest(self, pack: Pack, tools: Mapping[str, Tool]) -> str | None:
        """Return a digest of the prompt, rendered with and without customer tools; None for the default prompt."""
        if self.prompt is None:
            return None
        texts = [self.guidelines(pack, ()), self.guidelines(pack, tuple(tools.values()))]
        return sha256(json.dumps(texts).encode()).hexdigest()


def choose_customers(
    pack: Pack,
    prompt: str | None,
    personas: Sequence[str],
    seed: int,
    detectors: Mapping[str, Detect] | None = None,
) -> CustomerSettings:
    """Return the settings that are named. Raises UsageError for a name that a domain does not have."""
    known = pack.customers
    chosen = None
    if prompt is not None and prompt != DEFAULT_PROMPT:
        if prompt not in known.prompts:
            raise UsageError(f"--user-prompt: {pack.name} has no prompt {prompt!r} ({_known(prompt, known.prompts)})")
        chosen = known.prompts[prompt]
    for number, name in enumerate(personas):
        if name not in known.personas:
            raise UsageError(f"--persona: {pack.name} has no persona {name!r} ({_known(name, known.personas)})")
        if name in personas[:number]:
            raise UsageError(f"--persona: {name!r} is given twice; give each persona once")
    return CustomerSettings(chosen, [known.personas[name] for name in personas], seed, detectors)


def render_customer_prompt(pack: Pack, prompt: UserPrompt, tools: Sequence[Tool]) -> str:
    """Render a prompt for a customer with these tools. Raises PackError with file and line."""
    values = {"domain": pack.name, "now": pack.manifest.clock, "tools": list(tools)}
    try:
        return render_prompt(prompt.folder, prompt.file, values)
    except PromptError as error:
        problems = Problems(pack.name)
        what = f"the customer's prompt {prompt.name!r}: {error}"
        problems.add(error.file, ProblemKind.PROMPT, what, line=error.line)
        raise PackError(problems.found) from error


def refuse_without_effect(user: UserSpec) -> None:
    """Refuse a prompt or personas for a customer that does not follow them. Raises UsageError."""
    if not user.follows_prompt:
        what = f"user {user.name!r} follows no prompt, so --user-prompt, --persona and --user-check would do nothing"
        raise UsageError(f"{what}; give --user-model PROVIDER/NAME, or leave them out")


def exact_words(task: Task) -> frozenset[str]:
    """Return the words, in lower case, that a customer must say exactly for its task to be solvable.

    These are the words of the gold's arguments, and of identifiers and quotations in the scenario.
    """
    exact = [text for action in task.gold() for text in _texts(action.arguments)]
    exact += _EXACT.findall(task.user_scenario.text())
    return frozenset(word.lower() for text in exact for word in _WORD.findall(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _known(name: str, known: Mapping[str, object]) -> str:
    """Return a suggestion, and all known names."""
    hint = did_you_mean(name, known)
    return hint if hint.startswith("available") else f"{hint} available: {', '.join(sorted(known))}"
