"""Episodes played in the browser: the visitor plays one side; a script, the oracle or a model plays the other."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.api.episode_factory import EpisodeFactory
from tau2_core.api.options import run_arguments
from tau2_core.episode.episode import Episode
from tau2_core.errors import UsageError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.latency import timing_line
from tau2_core.model.participants import STOP
from tau2_core.model.tools import Role, Tool
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, SUMMARY, TASKS, TIMINGS, Journal
from tau2_core.records.run_names import default_name
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.composition import compose
from tau2_core.terminal_text import printable_json

from tau2_gym_workbench.settings import Settings

MOST = 20  # episodes kept open; beyond that, the least recently used one is closed
OTHERS: Mapping[Role, Sequence[str]] = {"agent": ("scripted",), "user": ("oracle", "always-refuse", "always-transfer")}
ARGUMENT = "argument:"  # the prefix of a tool's parameters in a form


@dataclass(frozen=True, slots=True)
class OtherPlayer:
    """Who plays the other side: an agent or a customer by name, or a model with its arguments."""

    name: str
    arguments: Mapping[str, Any] | None = None  # None if it is not a model

    @property
    def participant(self) -> Any:
        """The player in the form that the Python API takes."""
        return self.name if self.arguments is None else {"model": self.name, "args": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the visitor has chosen to play. `side` is the visitor's; `other` names who plays the other side.

    Without a variant, the domain's default one is played.
    """

    domain: str
    task_id: str
    side: Role
    other: OtherPlayer
    variant: str = ""
    variant_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Play:
    """An episode in progress."""

    id: str
    choice: Choice
    factory: EpisodeFactory
    episode: Episode
    said: str = ""
    grade: Grade | None = None
    kept: str = ""
    seconds: float = 0.0  # until it was graded
    begun: float = field(default_factory=time.monotonic)
    touched: float = field(default_factory=time.monotonic)

    @property
    def mine(self) -> Any:
        """The visitor's side of the episode."""
        return self.episode.agent if self.choice.side == "agent" else self.episode.customer

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools of the visitor's side."""
        tools: Sequence[Tool] = self.mine.tools
        return tools


class OpenPlays:
    """All episodes that are being played in the browser."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self._open: dict[str, Play] = {}

    def factory(self, choice: Choice) -> EpisodeFactory:
        """Load what an episode needs; this may take a second. Raises UsageError, PackError, DatasetError."""
        return EpisodeFactory(choice.domain, tasks=[choice.task_id], **self._options(choice))

    def _options(self, choice: Choice) -> Any:
        options: dict[str, Any] = {
            "packs": list(self.settings.packs),
            "variant": choice.variant,
            "variant_options": choice.variant_options,
        }
        if self.settings.dataset is not None:
            options["dataset"] = self.settings.dataset
        if choice.side == "agent":
            return {**options, "agent": "external", "user": choice.other.participant}
        return {**options, "agent": choice.other.participant, "user": "external"}

    async def open(self, factory: EpisodeFactory, choice: Choice) -> Play:
        """Start an episode. Raises TaskError."""
        if len(self._open) >= MOST:
            await self.close(min(self._open.values(), key=lambda play: play.touched).id)
        episode = factory.episode(choice.task_id)
        await episode.begin()
        play = Play(secrets.token_urlsafe(6), choice, factory, episode)
        self._open[play.id] = play
        return play

    def get(self, play_id: str) -> Play:
        """Return an episode. Raises UsageError if it is no longer open."""
        if play_id not in self._open:
            raise UsageError("this episode is no longer open; play the task again")
        play = self._open[play_id]
        play.touched = time.monotonic()
        return play

    async def close(self, play_id: str) -> None:
        """Close an episode."""
        play = self._open.pop(play_id)
        play.episode.close()
        await play.factory.close()

    async def close_all(self) -> None:
        """Close all episodes, and with them the connections to models."""
        for play_id in list(self._open):
            await self.close(play_id)

    def keep(self, play: Play, record: EpisodeRecord, grade: Grade) -> str:
        """Write an episode as a run of one slot, and return the folder's name. Raises RunError."""
        choice = play.choice
        options = {**self._options(choice), "tasks": [choice.task_id]}
        arguments = run_arguments(choice.domain, options)
        plan = compose(arguments.options, agent=arguments.agent, user=arguments.user, tasks=arguments.tasks).plan
        checked = check_plan(plan, self.settings.catalogue)
        folder = self.folder / default_name(choice.domain, "played")
        journal = Journal(folder)
        with journal.alone():
            journal.rewrite(TASKS, (task.model_dump(mode="json", exclude_none=True) for task in plan.tasks))
            journal.write(CONFIGURATION, checked.config)
            journal.append(EPISODES, record.line())
            timing = timing_line(record.slot, play.seconds, play.seconds, play.episode.latency)
            journal.append(TIMINGS, timing)
            journal.append(GRADES, grade.model_dump(mode="json"))
            tally = Tally([choice.task_id], 1)
            tally.add_grade(grade)
            tally.add_record(record)
            summary = summarise(plan.inventory(), folder.name, str(folder), tally, play.seconds)
            journal.write(SUMMARY, summary.model_dump(mode="json"))
        return folder.name


@dataclass(frozen=True, slots=True)
class Field:
    """A form field for a parameter. `kind` is text, number, choice or json."""

    name: str
    kind: str
    required: bool
    choices: Sequence[str]
    about: str


def fields(tool: Tool) -> list[Field]:
    """Return the form fields for a tool, from its JSON schema."""
    required = set(tool.parameters.get("required", ()))
    found = []
    for name, told in tool.parameters.get("properties", {}).items():
        schema = told if isinstance(told, dict) else {}
        choices: Sequence[str] = ()
        kind = {"string": "text", "integer": "number", "number": "number"}.get(str(schema.get("type")), "json")
        if isinstance(schema.get("enum"), list):
            kind, choices = (
                "choice",
                [printable_json(json.dumps(value, ensure_ascii=False)) for value in schema["enum"]],
            )
        elif schema.get("type") == "boolean":
            kind, choices = "choice", ["true", "false"]
        found.append(Field(name, kind, name in required, choices, str(schema.get("description", ""))))
    return found


def read_arguments(tool: Tool, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments in a form, without fields left empty. Raises UsageError for invalid JSON."""
    found: dict[str, Any] = {}
    for each in fields(tool):
        text = form.get(f"{ARGUMENT}{each.name}", "")
        if text == "":
            continue
        if each.kind == "text":
            found[each.name] = text
            continue
        try:
            found[each.name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f'{each.name} must be JSON, such as 3 or ["a"]: {error}') from error
    return found


async def hang_up(play: Play) -> None:
    """End the episode for the visitor's side: the customer hangs up; the agent's episode ends when it is graded."""
    if play.choice.side == "user" and play.episode.ended is None:
        await play.mine.say(STOP)
