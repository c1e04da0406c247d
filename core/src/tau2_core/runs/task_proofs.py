"""Checks of a pack's tasks by playing them: the gold works, the oracle passes, agents that do nothing fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tau2_core.episode.environment import Environment
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.errors import PackError, Tau2GymError, ToolError
from tau2_core.evaluators.grade import Grader
from tau2_core.evaluators.strict.policy import breaches
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Action, Task
from tau2_core.model.tools import Failure, Tool, role_of
from tau2_core.packs.data_checks import check_initial_data
from tau2_core.packs.family_tasks import FamilySource
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSource
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.records.reasons import reasons
from tau2_core.runs.family_proofs import FamilyProofs, family_tasks_to_play
from tau2_core.runs.plan import DEFAULT_SEED
from tau2_core.state.records import FrozenRecordError

BASELINES = ("silent", "always-transfer")


async def prove_tasks(
    pack: Pack, catalogue: Catalogue, problems: Problems, warnings: Problems, on_task: Callable[[], None]
) -> tuple[int, list[Task]]:
    """Play tasks; return their number, and those whose gold works."""
    task_set = pack.task_set()
    player = _Player(pack, catalogue, problems)
    proofs = FamilyProofs(player.setting, task_set.families, player.passes, player.note, problems)
    sound: list[Task] = []
    chosen = [*task_set.written, *family_tasks_to_play(task_set)]
    for task_id in chosen:
        source = task_set.source(task_id)
        try:
            task = task_set.tasks[task_id]
        except PackError as error:
            noted = {(problem.file, problem.line) for problem in problems.found}
            problems.extend(each for each in error.problems if (each.file, each.line) not in noted)
            continue
        check_initial_data(pack, task, source, problems, warnings)
        if player.gold_works(task, source):
            sound.append(task)
            await player.baselines(task, source)
            await player.oracle(task, source, player.setting)
            if player.solo_setting is not None and not player.solo_setting.needs_customer(task):
                await player.oracle(task, source, player.solo_setting)
            if isinstance(source, FamilySource):
                await proofs.prove(task, source)
        on_task()
    return len(chosen), sound


class _Player:
    def __init__(self, pack: Pack, catalogue: Catalogue, problems: Problems) -> None:
        self.pack = pack
        self.problems = problems
        self.setting = Setting(pack)
        both = pack.tools["agent"].keys() & pack.tools["user"].keys()
        self.solo_setting = Setting(pack, solo=True) if pack.supports_solo and not both else None
        self.catalogue = catalogue
        for setting in filter(None, (self.setting, self.solo_setting)):
            _replace_broken_policy(setting)
        self.evaluators = catalogue.evaluators("tau2")
        self.said: set[tuple[str, str]] = set()
        self.repeated = 0
        self.failed: set[tuple[str, str]] = set()

    def gold_works(self, task: Task, source: TaskSource) -> bool:
        """Make the gold calls one by one in a new environment; note failures, and reads that change something.

        Failures due to a problem that is already noted (such as a tool without a handler) are not noted again.
        """
        before = (len(self.problems.found), self.repeated)
        environment = self._started(task, source)
        if environment is None:
            return False
        sound = True
        for index, action in enumerate(task.gold()):
            tool = self.pack.tools[role_of(action.requestor)].get(action.name)
            if tool is None:
                sound = False
                if self.pack.unbound.get(action.name) in ("read", "think", "generic"):
                    continue
                return False  # later calls may depend on it
            sound = self._gold_call(environment, tool, action, task, source, index) and sound
        sound = self._assertions(task, source, environment) and sound
        self._outcome(task, source)
        return sound and (len(self.problems.found), self.repeated) == before

    def _started(self, task: Task, source: TaskSource) -> Environment | None:
        """Return an environment in the task's start state; None, with the reason noted, if that does not apply."""
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
                what = f"task {task.id!r}: its start state does not apply: {_words(error)}"
                self.note(source, ProblemKind.START_STATE, what, "initial_state")
            return None

    def _gold_call(
        self, environment: Environment, tool: Tool, action: Action, task: Task, source: TaskSource, index: int
    ) -> bool:
        digests = environment.digests()
        result = environment.call(ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor))
        if not tool.mutates and environment.digests() != digests:
            what = f"tool {tool.name!r} is of kind {tool.kind!r}, but it changed the database"
            self.problems.at(tool.source, ProblemKind.READ_WRITES, what, hint="declare it `kind: write`")
        crashed = result.failure is Failure.CRASHED
        if crashed and result.detail["raised"] == FrozenRecordError.__name__ and not tool.mutates:
            what = f"tool {tool.name!r} is of kind {tool.kind!r}, but it changed the database"
            self.problems.at(tool.source, ProblemKind.READ_WRITES, what, hint="declare it `kind: write`")
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
            failure = (tool.name if crashed else task.id, result.content)
            if failure in self.failed:
                self.repeated += 1
            else:
                self.failed.add(failure)
                self.note(source, ProblemKind.GOLD_CALL, what, *place, hint=hint)
        return result.failure is None and tool.name not in self.pack.unsound

    def _assertions(self, task: Task, source: TaskSource, environment: Environment) -> bool:
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
                    self.note(source, ProblemKind.ASSERTION, what, *path)
            except Exception as error:  # noqa: BLE001 - as above
                if assertion.func_name not in self.pack.unsound:
                    what = f"task {task.id!r}: {assertion.func_name} raises after the gold calls: {_words(error)}"
                    self.note(source, ProblemKind.ASSERTION, what, *path)
        return sound

    def _outcome(self, task: Task, source: TaskSource) -> None:
        if task.outcome is None:
            self.note(
                source, ProblemKind.OUTCOME, f"task {task.id!r} names no `outcome`", hint="done, refused or transferred"
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
            self.note(source, ProblemKind.OUTCOME, what, "outcome", hint=hint)
        if task.outcome == "refused" and any(tool.mutates for tool in tools):
            self.note(
                source,
                ProblemKind.OUTCOME,
                f"task {task.id!r}: its outcome is 'refused', but its gold changes the database",
                "outcome",
            )

    async def oracle(self, task: Task, source: TaskSource, setting: Setting) -> None:
        """The oracle must get the full reward."""
        record, grade = await self._play(task, "oracle", setting)
        how = " solo" if setting.solo else ""
        criteria = task.evaluation_criteria
        unsayable = any("," in text for text in (criteria.communicate_info if criteria else None) or [])
        if not grade.solved and not unsayable:  # that is noted already
            why = "; ".join(reasons(grade)[:3])
            self.note(
                source,
                ProblemKind.ORACLE,
                f"task {task.id!r}: the oracle{how} does not pass: {why}",
                "evaluation_criteria",
            )
        for rule in self.pack.rules:
            for breach in list(breaches(rule, record))[:1]:
                what = f"task {task.id!r}: the oracle{how} breaks rule {rule.name!r}: {breach.why}"
                self.note(
                    source,
                    ProblemKind.RULE_BROKEN,
                    what,
                    "evaluation_criteria",
                    "actions",
                    hint="correct the gold, or the rule",
                )

    async def baselines(self, task: Task, source: TaskSource) -> None:
        """An agent that does nothing must not pass a task with the outcome `done`."""
        if task.outcome != "done":
            return
        for name in BASELINES:
            _, grade = await self._play(task, name, self.setting)
            if grade.solved:
                what = f"task {task.id!r}: its outcome is 'done', but agent {name!r} passes it"
                hint = "require a change, or something to communicate"
                self.note(source, ProblemKind.VACUOUS, what, "evaluation_criteria", hint=hint)
                return

    async def passes(self, task: Task, gold: Sequence[Action]) -> bool:
        """Tell whether the oracle passes a task when it gets other gold calls."""
        criteria = task.evaluation_criteria
        shown = criteria.model_copy(update={"actions": list(gold)}) if criteria else None
        played = task.model_copy(update={"evaluation_criteria": shown})
        _, grade = await self._play(task, "oracle", self.setting, played)
        return grade.solved

    async def _play(
        self, task: Task, agent: str, setting: Setting, played: Task | None = None
    ) -> tuple[EpisodeRecord, Grade]:
        participants = Participants(
            self.catalogue.agent(agent), self.catalogue.user("none" if setting.solo else "scripted")
        )
        record = await play(setting, played or task, participants, Slot(task.id, 0), DEFAULT_SEED)
        return record, Grader(setting, "tau2", self.evaluators).grade(record, task)

    def note(self, source: TaskSource, kind: ProblemKind, message: str, *path: str | int, hint: str = "") -> None:
        """Note a problem of a part of a task; of family tasks with the same problem only the first is named."""
        place = source.source(*path)
        if isinstance(source, FamilySource):
            fault = (str(place), message.replace(source.combination.task_id, ""))
            if fault in self.said:
                self.repeated += 1
                return
            self.said.add(fault)
            hint = hint or "; ".join(f"{name}: {where}" for name, where in source.parts().items())
        self.problems.at(place, kind, message, hint=hint)


def _replace_broken_policy(setting: Setting) -> None:
    """Replace a policy that cannot be rendered, which is already noted; it is not read here."""
    try:
        _ = setting.policy_text
    except Tau2GymError:
        setting.policy_text = "-"


def _words(error: BaseException) -> str:
    known = isinstance(error, Tau2GymError | ToolError)
    return str(error) if known else f"{type(error).__name__}: {error}"
