"""Checks of gold calls by making them: no call fails, reads change nothing, records stay valid, assertions hold."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.errors import Tau2GymError, ToolError
from tau2_core.evaluators.evidence import play_gold
from tau2_core.evaluators.semantic_comparison import ComparisonRules, semantic_differences
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Action, Task
from tau2_core.model.tools import Failure, Source, Tool, role_of
from tau2_core.packs.record_fit import unfit_parts
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs.task_findings import Key, TaskNotes
from tau2_core.state.records import FrozenRecordError
from tau2_core.validation_errors import dotted


class GoldProof:
    """Makes the gold calls of a task."""

    def __init__(self, setting: Setting, task: Task, notes: TaskNotes) -> None:
        self.setting = setting
        self.pack = setting.pack
        self.task = task
        self.notes = notes
        self._unfit: set[Key] = set()

    def works(self) -> bool:
        """Make the gold calls one by one in a new environment; note failures, and reads that change something.

        Returns whether the task can be played. Failures due to a problem that is already noted (such as a tool without
        a handler) are not noted again.
        """
        before = self.notes.faults
        environment = self._started()
        if environment is None:
            return False
        sound = True
        for index, action in enumerate(self.task.gold()):
            tool = self.pack.tools[role_of(action.requestor)].get(action.name)
            if tool is None:
                sound = False
                if self.pack.unbound.get(action.name) in ("read", "think", "generic"):
                    continue
                return False  # later calls may depend on it
            sound = self._gold_call(environment, tool, action, index) and sound
        sound = self._assertions(environment) and sound
        self._outcome()
        return sound and self.notes.faults == before

    def _started(self) -> Environment | None:
        """Return an environment in the task's start state; None, with the reason noted, if that does not apply."""
        task = self.task
        called = {call.name for message in task.history() for call in getattr(message, "tool_calls", None) or []}
        set_up = (task.initial_state.initialization_actions if task.initial_state else None) or []
        known = all(call.func_name in self.pack.callees(role_of(call.env_type)) for call in set_up)
        if not known or called & self.pack.unbound.keys():
            return None
        called |= {call.func_name for call in set_up}
        try:
            return new_environment(self.setting, task)
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; it is reported
            if not called & self.pack.unsound:
                what = f"task {task.id!r}: its start state cannot be set up: {_words(error)}"
                self.notes.note(ProblemKind.START_STATE, what, "initial_state")
            return None

    def _gold_call(self, environment: Environment, tool: Tool, action: Action, index: int) -> bool:
        task = self.task
        digests = environment.digests()
        result = environment.call(ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor))
        if not (tool.mutates or tool.logs) and environment.digests() != digests:
            what = f"tool {tool.name!r} is of kind {tool.kind!r}, but it changed the database"
            self.notes.at(tool.source, ProblemKind.READ_WRITES, what, hint="declare it `kind: write`")
        crashed = result.failure is Failure.CRASHED
        if crashed and result.detail["raised"] == FrozenRecordError.__name__ and not tool.mutates:
            what = f"tool {tool.name!r} is of kind {tool.kind!r}, but it changed the database"
            self.notes.at(tool.source, ProblemKind.READ_WRITES, what, hint="declare it `kind: write`")
            return False
        if result.failure is Failure.REFUSED or (crashed and tool.name not in self.pack.unsound):
            raised = f"{result.detail['raised']}: " if crashed else ""
            what = (
                f"task {task.id!r}: gold call {action.text()} fails: {raised}{result.content.removeprefix('Error: ')}"
            )
            code = tool.handler.__code__
            hint = (
                f"fix the handler, {code.co_filename}:{code.co_firstlineno}"
                if crashed
                else "correct the call, or what its handler refuses"
            )
            named = [("arguments", key) for key, value in action.arguments.items() if repr(value) in result.content]
            place = ("evaluation_criteria", "actions", index, *(named[0] if named else ()))
            # The same failure of a handler in several tasks, or of a task's several calls, is one mistake.
            failure = ("gold call", tool.name if crashed else task.id, result.content)
            values = () if crashed else tuple(str(each) for each in action.arguments.values())
            self.notes.note(ProblemKind.GOLD_CALL, what, *place, hint=hint, keys=(failure,), values=values)
        if result.failure is None and tool.mutates:
            self._records_fit(environment, tool)
        return result.failure is None and tool.name not in self.pack.unsound

    def _records_fit(self, environment: Environment, tool: Tool) -> None:
        """Note values from a tool that their model does not allow; the same one in several records only once."""
        for path, why in chain.from_iterable(map(unfit_parts, environment.worlds.values())):
            mistake = ("unfit", path[0], *path[2:], why)
            if mistake in self._unfit:
                continue
            self._unfit.add(mistake)
            what = f"tool {tool.name!r} leaves a value in {dotted(path)} that the model does not allow: {why}"
            code = tool.handler.__code__
            place = Source(Path(code.co_filename), code.co_firstlineno)
            hint = "correct the handler, or the model"
            self.notes.at(place, ProblemKind.UNFIT_RECORD, what, hint=hint, keys=(mistake,))

    def _assertions(self, environment: Environment) -> bool:
        task = self.task
        criteria = task.evaluation_criteria
        sound = True
        for index, assertion in enumerate((criteria.env_assertions if criteria else None) or []):
            path = ("evaluation_criteria", "env_assertions", index)
            callee = self.pack.callees(role_of(assertion.env_type)).get(assertion.func_name)
            if callee is None or (callee.kind != "assertion" and callee.name not in self.pack.unsound):
                sound = False  # noted by the static checks
                continue
            try:
                if not environment.holds(assertion):
                    what = (
                        f"task {task.id!r}: {assertion.func_name} is not met after the gold calls, so no agent can pass"
                    )
                    self.notes.note(ProblemKind.ASSERTION, what, *path)
            except Exception as error:  # noqa: BLE001 - as above
                if assertion.func_name not in self.pack.unsound:
                    what = f"task {task.id!r}: {assertion.func_name} raises after the gold calls: {_words(error)}"
                    self.notes.note(ProblemKind.ASSERTION, what, *path)
        return sound

    def _outcome(self) -> None:
        task = self.task
        if task.outcome is None:
            self.notes.note(
                ProblemKind.OUTCOME, f"task {task.id!r} names no `outcome`", hint="done, refused or transferred"
            )
            return
        found = [self.pack.tools[role_of(action.requestor)].get(action.name) for action in task.gold()]
        tools = [tool for tool in found if tool is not None]
        if len(tools) < len(found):
            return  # it is not known which of its calls transfer or change something
        transfers = any(tool.transfers for tool in tools)
        unsure = self.pack.unsound & self.pack.tools["agent"].keys()  # which of them transfers is in doubt
        if (task.outcome == "transferred") != transfers and not unsure:
            what = "calls no tool that transfers" if task.outcome == "transferred" else "calls a tool that transfers"
            lacking = not any(tool.transfers for tool in self.pack.tools["agent"].values())
            hint = "declare `transfers: true` for the tool that hands the customer over" if lacking else ""
            what = f"task {task.id!r}: its outcome is {task.outcome!r}, but its gold {what}"
            self.notes.note(ProblemKind.OUTCOME, what, "outcome", hint=hint)
        if task.outcome == "refused" and any(tool.mutates for tool in tools) and self._changes():
            self.notes.note(
                ProblemKind.OUTCOME,
                f"task {task.id!r}: its outcome is 'refused', but its gold changes the database",
                "outcome",
            )

    def _changes(self) -> bool:
        """Tell whether the gold changes more than the pack's bookkeeping."""
        notes = self.pack.manifest.evaluation.bookkeeping
        if not notes:
            return True
        start, end = new_environment(self.setting, self.task), play_gold(self.setting, self.task).environment
        meaning = ComparisonRules(ignored=notes)
        return any(semantic_differences(world, end.worlds[role], meaning) for role, world in start.worlds.items())


def _words(error: BaseException) -> str:
    known = isinstance(error, Tau2GymError | ToolError)
    return str(error) if known else f"{type(error).__name__}: {error}"
