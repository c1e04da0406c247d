"""Auditing a domain's tasks: baselines that do not serve the customer must not pass them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tau2_core.agents.baselines import DoAndListAnswers, ListAnswers, every_answer
from tau2_core.episode.environment import Environment
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.errors import Problem, RunError, Tau2GymError
from tau2_core.evaluators.evidence import play_gold
from tau2_core.model.episodes import Slot
from tau2_core.model.messages import ToolCall
from tau2_core.model.registrations import AgentSpec
from tau2_core.model.tasks import Action, Task
from tau2_core.model.tools import Tool
from tau2_core.packs.splits import BASE
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.allow_list import AllowList, read_allow_list
from tau2_core.runs.digests import content_digests
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.executors.computation import Work, compute
from tau2_core.runs.executors.launching import ChosenExecutor, chosen_executor
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.runs.plan import DEFAULT_SEED

GOLD_PLUS, GOLD_MINUS = "gold-plus-one-unrelated-write", "gold-minus-one"
BASELINES: Mapping[str, str] = {
    "silent": "does nothing",
    "always-refuse": "refuses at once",
    "always-transfer": "hands over at once",
    "list-every-answer": "does nothing, says every number and answer",
    "gold-and-every-answer": "does everything, but says every number and answer",
    GOLD_PLUS: "does everything, and a write of another task",
    GOLD_MINUS: "does everything except one of the gold writes",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """A task that a baseline passes: how, and why that is allowed ("" if it is not)."""

    task: str
    baseline: str
    how: str = ""
    allowed: str = ""


@dataclass
class Audit:
    """The result of an audit.

    `played`: the number of tasks on which each baseline could be tried. `stale`: entries of the allow-list without
    effect. `lost`: tasks at which workers ended, and how.
    """

    domain: str
    evaluators: str
    tasks: int
    played: dict[str, int] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    stale: list[Problem] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> list[Pass]:
        """The passes that the allow-list does not allow."""
        return [each for each in self.passes if not each.allowed]

    def passed(self, baseline: str) -> list[Pass]:
        return [each for each in self.passes if each.baseline == baseline]


async def audit(
    setting: Setting,
    catalogue: Catalogue,
    evaluators: str = "strict",
    *,
    split: str | None = None,
    executor: ChosenExecutor | None = None,
    packs: Sequence[Path] = (),
    blocked: Sequence[str] = (),
    on_task: Callable[[], None] = lambda: None,
) -> Audit:
    """Play every baseline on every task of a split (default: `base`), and report which tasks they pass.

    The tasks are played by the workers of the `executor`, by default by this process. Workers open a catalogue with
    these `packs` and without `blocked` plugins. Raises UsageError, PackError, DatasetError.
    """
    work = AuditWork(
        domain=setting.domain,
        dataset=setting.dataset.root if setting.dataset else None,
        evaluators=evaluators,
        split=split,
        packs=tuple(packs),
        blocked=tuple(blocked),
        digests=content_digests(setting),
    )
    auditor = work.auditor_of(setting, catalogue)
    tasks = auditor.tasks
    # An allow-list is about the pack's own tasks, not a dataset's.
    allowed = AllowList() if setting.dataset else read_allow_list(setting.pack, auditor.grader.set_name)
    report = Audit(setting.domain, auditor.grader.set_name, len(tasks))
    waiting = iter(tasks)

    def take(result: bytes) -> None:
        task_id, found = next(waiting).id, json.loads(result)
        if isinstance(found, str):
            report.lost[task_id], found = found, {}
        for baseline, passed in found.items():
            report.played[baseline] = report.played.get(baseline, 0) + 1
            if passed:
                why = allowed.reason(task_id, baseline)
                report.passes.append(Pass(task_id, baseline, "; ".join(filter(None, passed)), why))
        on_task()

    given = (task.id.encode() for task in tasks)
    await compute(executor or chosen_executor(catalogue), work, given, take, batch=1)
    used = {(each.task, each.baseline) for each in report.passes}
    audited = {task.id for task in tasks} - report.lost.keys()
    report.stale = list(allowed.stale(used, audited, setting.tasks().keys(), BASELINES.keys()))
    return report


Trial = tuple[str, AgentSpec, Task]


@dataclass(kw_only=True)
class AuditWork:
    """Audits the tasks of a domain, one at a time. Each worker loads the domain, which must match the digests."""

    domain: str
    dataset: Path | None
    evaluators: str
    split: str | None
    packs: Sequence[Path]
    blocked: Sequence[str]
    digests: dict[str, str | None]
    _auditor: _Auditor | None = field(default=None, init=False, repr=False)

    def auditor_of(self, setting: Setting, catalogue: Catalogue) -> _Auditor:
        """Return the function that audits a task. Raises UsageError."""
        tasks = setting.select(split=self.split or (BASE if BASE in setting.splits() else None))
        self._auditor = _Auditor(setting, catalogue, self.evaluators, tasks)
        return self._auditor

    def _load(self) -> _Auditor:
        catalogue = open_catalogue(self.packs, self.blocked)
        setting = load_setting(catalogue, self.domain, dataset=self.dataset)
        if self.digests != content_digests(setting):
            raise RunError(
                f"its {self.domain} differs from that of the process that asks; install the same version on both"
            )
        return self.auditor_of(setting, catalogue)

    def prepare(self) -> Work:
        auditor = self._auditor or self._load()
        tasks = {task.id: task for task in auditor.tasks}

        async def work(given: bytes) -> bytes:
            return json.dumps(await auditor.passed(tasks[given.decode()])).encode()

        return work

    def lost(self, given: bytes, why: str) -> bytes:  # noqa: ARG002 - results are in order, so the task is known
        return json.dumps(why).encode()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_auditor": None}  # not sent: each worker loads its own


class _Auditor:
    def __init__(self, setting: Setting, catalogue: Catalogue, evaluators: str, tasks: Sequence[Task]) -> None:
        self.setting, self.tasks = setting, tasks
        self.grader = choose_evaluators(catalogue, evaluators).grader(setting, review=False)
        self.user = catalogue.user("scripted")
        self.tools: dict[str, Tool] = {**setting.tools("user"), **setting.tools("agent")}
        self.writes = self._writes(tasks)
        message = every_answer([value for task in tasks for value in _communicated(task)])
        self.agents = {name: catalogue.agent(name) for name in ("silent", "always-refuse", "always-transfer", "oracle")}
        self.agents["list-every-answer"] = AgentSpec("list-every-answer", "", partial(ListAnswers, message))
        self.doing = AgentSpec("gold-and-every-answer", "", partial(DoAndListAnswers, message), sees_gold=True)

    async def passed(self, task: Task) -> dict[str, list[str]]:
        """Return how each baseline that can be tried on a task passes it; nothing if it does not."""
        found = {}
        for baseline in BASELINES:
            trials = list(self.trials(baseline, task))
            if trials:
                found[baseline] = [how for how, agent, played in trials if await self.passes(task, agent, played)]
        return found

    def trials(self, baseline: str, task: Task) -> Iterator[Trial]:
        """Yield the ways in which a baseline plays a task: (description, agent, the task as it sees it)."""
        if baseline == "always-transfer" and not any(tool.transfers for tool in self.tools.values()):
            return
        if baseline in self.agents:
            yield "", self.agents[baseline], task
        elif baseline == GOLD_PLUS:
            extra = self._unrelated(task)
            if extra is not None:
                yield f"with {extra.text()}", self.agents["oracle"], _with_gold(task, [*task.gold(), extra])
        elif baseline == GOLD_MINUS:
            gold = task.gold()
            for index, action in enumerate(gold):
                if self._mutates(action):
                    rest = [*gold[:index], *gold[index + 1 :]]
                    yield f"without {action.text()}", self.agents["oracle"], _with_gold(task, rest)
        elif _communicated(task):
            yield "", self.doing, task

    async def passes(self, task: Task, agent: AgentSpec, played: Task) -> bool:
        """Tell whether an agent solves a task; criteria that need a judge are left out."""
        record = await play(self.setting, played, Participants(agent, self.user), Slot(task.id, 0), DEFAULT_SEED)
        return self.grader.grade(record, task).solved

    def _mutates(self, action: Action) -> bool:
        tool = self.tools.get(action.name)
        return tool is not None and tool.mutates

    def _writes(self, tasks: Sequence[Task]) -> list[tuple[str, Action]]:
        """Return the agent's writes of all tasks, each once, with their task."""
        found: dict[str, tuple[str, Action]] = {}
        for task in tasks:
            for action in task.gold():
                if action.requestor == "assistant" and self._mutates(action):
                    found.setdefault(action.text(), (task.id, action))
        return list(found.values())

    def _unrelated(self, task: Task) -> Action | None:
        """Return the first write of another task that succeeds after this task's gold and changes something."""
        own = {action.text() for action in task.gold()}
        for owner, action in self.writes:
            if owner == task.id or action.text() in own:
                continue
            environment = self._after_gold(task)
            if environment is None:
                return None
            before = environment.digests()
            call = ToolCall(name=action.name, arguments=action.arguments)
            if environment.call(call).failure is None and environment.digests() != before:
                return action
        return None

    def _after_gold(self, task: Task) -> Environment | None:
        try:
            environment = play_gold(self.setting, task, DEFAULT_SEED).environment
            environment.sync()  # in tau2-bench, gold calls do not sync, so the next call would seem to change more
            return environment
        except Tau2GymError:
            return None  # its start state cannot be set up, so nothing can be played


def _communicated(task: Task) -> list[str]:
    return (task.evaluation_criteria.communicate_info if task.evaluation_criteria else None) or []


def _with_gold(task: Task, gold: list[Action]) -> Task:
    criteria = task.evaluation_criteria
    return task.model_copy(
        update={"evaluation_criteria": criteria.model_copy(update={"actions": gold}) if criteria else None}
    )
