"""Gold calls aligned with the calls that were made, argument by argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.evaluators.action import as_gold_makes_it, matches
from tau2_core.model.tasks import Action
from tau2_core.model.tools import role_of

from tau2_gym_workbench.episodes import MadeCall

ABSENT = object()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a gold call and of the call made; `compared` is false if the task ignores it."""

    name: str
    gold: Any
    made: Any
    in_gold: bool
    in_made: bool
    compared: bool

    @property
    def same(self) -> bool:
        return self.in_gold == self.in_made and bool(self.gold == self.made)


@dataclass(frozen=True, slots=True)
class Aligned:
    """A gold call and its status: matched, differs or missing; or a call that matches no gold call: extra."""

    status: str
    gold: Action | None
    made: MadeCall | None
    arguments: Sequence[Argument]


def align(gold: Sequence[Action], made: Sequence[MadeCall], setting: Setting | None = None) -> list[Aligned]:
    """Pair gold calls with calls: equal ones first, then calls of the same tool with the most arguments in common.

    With `setting`, a call of a hidden tool by its own name is compared as a call of its calling tool.
    """
    calls = made if setting is None else [_as_gold_makes_it(each, setting) for each in made]
    taken: set[int] = set()
    pairs: dict[int, tuple[str, MadeCall]] = {}
    for number, action in enumerate(gold):
        same = next((each for each in calls if each.number not in taken and matches(action, each.call)), None)
        if same is not None:
            taken.add(same.number)
            pairs[number] = ("matched", same)
    for number, action in enumerate(gold):
        if number in pairs:
            continue
        near = [each for each in calls if each.number not in taken and each.call.name == action.name]
        if near:
            best = max(near, key=lambda each: _shared(action, each))
            taken.add(best.number)
            pairs[number] = ("differs", best)
    rows = []
    for number, action in enumerate(gold):
        status, found = pairs.get(number, ("missing", None))
        rows.append(Aligned(status, action, found, _arguments(action, found) if status == "differs" else []))
    return rows + [Aligned("extra", None, each, []) for each in made if each.number not in taken]


def _as_gold_makes_it(made: MadeCall, setting: Setting) -> MadeCall:
    tool = setting.known_tools(role_of(made.call.requestor)).get(made.call.name)
    return replace(made, call=as_gold_makes_it(made.call, tool))


def _shared(action: Action, made: MadeCall) -> int:
    return sum(made.call.arguments.get(name, ABSENT) == value for name, value in action.arguments.items())


def _arguments(action: Action, made: MadeCall | None) -> list[Argument]:
    given = made.call.arguments if made else {}
    compared = action.compare_args
    return [
        Argument(
            name,
            action.arguments.get(name),
            given.get(name),
            name in action.arguments,
            name in given,
            compared is None or name in compared,
        )
        for name in dict.fromkeys([*action.arguments, *given])
    ]
