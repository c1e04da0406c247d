"""The time machine: what each call changed in the databases, and which calls caused differences from the gold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state
from tau2_core.errors import TaskError, Tau2GymError
from tau2_core.evaluators.evidence import play_gold
from tau2_core.evaluators.time_limit import TimeLimitError, run_within
from tau2_core.foreign_code import ForeignExit, describe_error, foreign
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role
from tau2_core.state.difference import ABSENT, Change, content_at, path_text, unit_path, value_changes, world_changes
from tau2_core.state.world import World, own_worlds

from tau2_gym_workbench.episodes import MadeCall

SECONDS = 10.0  # for replaying one episode
SHOWN = 200  # changes shown per call


@dataclass(frozen=True, slots=True)
class PathChange:
    """A path with its value before and after. `had` and `has` tell a value that is None from one that is absent."""

    role: Role
    path: str
    old: Any
    new: Any
    had: bool
    has: bool


@dataclass(frozen=True, slots=True)
class Unlocked:
    """An unlocked hidden tool of a side. `fresh`: it was locked before the call."""

    role: Role
    name: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A call that may change something, and what it changed. `differs`: its result is not the recorded one.

    `unlocked` are the hidden tools that are unlocked after the call; each says whether this call unlocked it.
    """

    call: MadeCall
    changes: Sequence[PathChange]
    left: int
    differs: bool = False
    unlocked: Sequence[Unlocked] = ()

    @property
    def unlocks(self) -> bool:
        """Whether the call has unlocked a hidden tool."""
        return any(each.fresh for each in self.unlocked)


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths that differ from the gold's end state, the calls that changed them, and the gold calls that would have."""

    made_by: Sequence[MadeCall]
    gold: Sequence[str]
    changes: list[PathChange]


@dataclass
class TimeMachine:
    """All steps, and the differences at the end.

    `left` paths are not shown; `missing` says why there is no replay; `notes` say what is uncertain about it.
    """

    steps: Sequence[Step] = ()
    differences: Sequence[Difference] = ()
    left: int = 0
    same: bool = False
    missing: str = ""
    notes: list[str] = field(default_factory=list)


def time_machine(setting: Setting, task: Task, record: EpisodeRecord, calls: Sequence[MadeCall]) -> TimeMachine:
    """Replay an episode call by call. Errors are reported in the result."""
    try:
        return run_within(SECONDS, partial(_replayed, setting, task, record, calls))
    except TimeLimitError:
        return TimeMachine(missing=f"the replay took more than {SECONDS:g} seconds")
    except Tau2GymError as error:
        return TimeMachine(missing=str(error))
    except Exception as error:  # noqa: BLE001 - handlers may raise anything; the page says what
        return TimeMachine(missing=f"the replay failed: {describe_error(error)}")


def _replayed(setting: Setting, task: Task, record: EpisodeRecord, calls: Sequence[MadeCall]) -> TimeMachine:
    environment = Environment(setting, seed=record.seed, solo=record.solo, task=task)
    set_state(environment, task.initial_state, [])
    found = TimeMachine()
    watch = _Watch(environment)
    until = monotonic() + SECONDS / 2
    steps = []
    for made in calls:
        tool = environment.find(made.call.name)
        if tool is None or not tool.mutates or (made.result is not None and made.result.skipped):
            continue
        if monotonic() > until:
            found.notes.append(f"the replay took too long and stopped before call {made.number}")
            break
        before = {role: set(names) for role, names in environment.unlocked.items()}
        answer = environment.call(made.call)
        recorded = made.result.error if made.result else None
        changes = list(watch.changes())
        differs = recorded is not None and recorded != (answer.failure is not None)
        unlocked = [
            Unlocked(role, name, fresh=name not in before[role])
            for role, names in environment.unlocked.items()
            for name in names
        ]
        steps.append(Step(made, changes[:SHOWN], max(0, len(changes) - SHOWN), differs, unlocked))
    environment.sync()
    found.steps = steps
    found.notes += [f"call {step.call.number} now gives another result than recorded" for step in steps if step.differs]
    if task.evaluation_criteria is None or not setting.bases():
        return found
    gold = play_gold(setting, task, record.seed)
    found.notes += [f"the gold call {action.text()} fails: {why}" for action, why in gold.failures]
    changes = list(_between(gold.environment.worlds, environment.worlds))
    touched = _touched_by_gold(setting, task, record.seed) if changes else []
    found.differences = _by_cause(changes[:SHOWN], steps, touched)
    found.left = max(0, len(changes) - SHOWN)
    found.same = not changes
    return found


class _Watch:
    """Reports what has changed since the last call, in time proportional to what the episode has touched."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._known = {role: _contents(world) for role, world in own_worlds(environment.worlds).items()}

    def changes(self) -> Iterator[PathChange]:
        for role, world in own_worlds(self._environment.worlds).items():
            before, after = self._known[role], _contents(world)
            for unit in sorted(before.keys() | after.keys(), key=lambda unit: (unit[0], unit[1] or "")):
                old = before[unit] if unit in before else content_at(world, unit, {})
                new = after[unit] if unit in after else content_at(world, unit, {})
                yield from (_as_path(role, change) for change in value_changes(old, new, unit_path(unit)))
            self._known[role] = after


def _contents(world: World) -> dict[Any, Any]:
    touched = world.touched()
    return {unit: content_at(world, unit, touched) for unit in touched}


def _between(old: Mapping[Role, World], new: Mapping[Role, World]) -> Iterator[PathChange]:
    for role in own_worlds(old):
        for change in world_changes(old[role], new[role]):
            yield _as_path(role, change)


def _as_path(role: Role, change: Change) -> PathChange:
    had, has = change.old is not ABSENT, change.new is not ABSENT
    return PathChange(role, path_text(change.path), change.old if had else None, change.new if has else None, had, has)


def _touched_by_gold(setting: Setting, task: Task, seed: int) -> list[tuple[str, list[PathChange]]]:
    """Play the gold; return the text of each call with the paths that it changes."""
    environment = Environment(setting, seed=seed, solo=False, task=task)
    set_state(environment, task.initial_state, task.history())
    watch = _Watch(environment)
    found = []
    for action in task.gold():
        call = ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor)
        try:
            with foreign():
                environment.run(call)
        except ForeignExit as error:
            raise TaskError(f"gold call {action.text()} cannot be played: {describe_error(error)}") from error
        except Exception as error:  # noqa: BLE001 - a gold call that fails is skipped, as in grading; a note says so
            why = describe_error(error)
        else:
            why = ""
        changed = list(watch.changes())
        found.append((f"{action.text()}{f', which fails: {why}' if why else ''}", changed))
    return found


def _by_cause(
    changes: Sequence[PathChange], steps: Sequence[Step], gold: Sequence[tuple[str, Sequence[PathChange]]]
) -> list[Difference]:
    """Return the paths that differ, grouped by the calls that changed them."""
    found: dict[tuple[object, ...], Difference] = {}
    for change in changes:
        made_by = [step.call for step in steps if _any_within(change, step.changes)]
        wanted = [text for text, paths in gold if _any_within(change, paths)]
        cause = (*(each.number for each in made_by), *wanted)
        found.setdefault(cause, Difference(made_by, wanted, [])).changes.append(change)
    return list(found.values())


def _any_within(change: PathChange, others: Iterable[PathChange]) -> bool:
    """Return whether one of the paths equals this one, contains it, or is inside it."""
    return any(each.role == change.role and _related(each.path, change.path) for each in others)


def _related(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and (len(long) == len(short) or long[len(short)] in ".[")
