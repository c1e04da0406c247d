"""Checks of a pack's tasks by playing them: the gold works, the oracle passes, agents that do nothing fail."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, Tau2GymError
from tau2_core.evaluators.grade import Grader
from tau2_core.evaluators.strict.policy import breaches
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Action, Task
from tau2_core.packs.data_checks import check_initial_data
from tau2_core.packs.family_tasks import FamilySource
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.records.reasons import reasons
from tau2_core.runs.family_proofs import FamilyProof
from tau2_core.runs.gold_proofs import GoldProof
from tau2_core.runs.plan import DEFAULT_SEED
from tau2_core.runs.task_findings import TaskFindings, TaskNotes

BASELINES = ("silent", "always-transfer")


class TaskProver:
    """Plays the tasks of a pack. What it finds about one does not depend on which others it has played."""

    def __init__(self, pack: Pack, catalogue: Catalogue) -> None:
        self.pack = pack
        self.setting = Setting(pack)
        both = pack.tools["agent"].keys() & pack.tools["user"].keys()
        self.solo_setting = Setting(pack, solo=True) if pack.supports_solo and not both else None
        self.catalogue = catalogue
        for setting in filter(None, (self.setting, self.solo_setting)):
            _replace_broken_policy(setting)
        self.evaluators = catalogue.evaluators("tau2")

    async def prove(self, task_id: str) -> TaskFindings:
        """Play a task in every way, and return what is wrong with it."""
        task_set = self.pack.task_set()
        source = task_set.source(task_id)
        try:
            task = task_set.tasks[task_id]
        except PackError as error:
            return TaskFindings(unbuilt=error.problems)
        notes = TaskNotes(self.pack.name, source)
        self._initial_data(task, notes)
        sound = GoldProof(self.setting, task, notes).works()
        if sound:
            await self.baselines(task, notes)
            await self.oracle(task, notes, self.setting)
            if self.solo_setting is not None and not self.solo_setting.needs_customer(task):
                await self.oracle(task, notes, self.solo_setting)
            if isinstance(source, FamilySource):
                await FamilyProof(self.setting, task_set.families, self.passes, notes).prove(task, source)
        return TaskFindings(notes.found, sound)

    def _initial_data(self, task: Task, notes: TaskNotes) -> None:
        problems, warnings = Problems(self.pack.name), Problems(self.pack.name)
        check_initial_data(self.pack, task, notes.source, problems, warnings)
        notes.take(problems, warnings)

    async def oracle(self, task: Task, notes: TaskNotes, setting: Setting) -> None:
        """The oracle must get the full reward."""
        record, grade = await self._play(task, "oracle", setting)
        how = " solo" if setting.solo else ""
        criteria = task.evaluation_criteria
        unsayable = any("," in text for text in (criteria.communicate_info if criteria else None) or [])
        if not grade.solved and not unsayable:  # already noted
            why = "; ".join(reasons(grade, 3))
            notes.note(
                ProblemKind.ORACLE,
                f"task {task.id!r}: the oracle{how} does not pass: {why}",
                "evaluation_criteria",
            )
        for rule in self.pack.rules:
            for breach in list(breaches(rule, record))[:1]:
                what = f"task {task.id!r}: the oracle{how} breaks rule {rule.name!r}: {breach.why}"
                notes.note(
                    ProblemKind.RULE_BROKEN,
                    what,
                    "evaluation_criteria",
                    "actions",
                    hint="correct the gold, or the rule",
                )

    async def baselines(self, task: Task, notes: TaskNotes) -> None:
        """An agent that does nothing must not pass a task with the outcome `done`."""
        if task.outcome != "done":
            return
        for name in BASELINES:
            _, grade = await self._play(task, name, self.setting)
            if grade.solved:
                what = f"task {task.id!r}: its outcome is 'done', but agent {name!r} passes it"
                hint = "require a change, or something to communicate"
                notes.note(ProblemKind.VACUOUS, what, "evaluation_criteria", hint=hint)
                return

    async def passes(self, task: Task, gold: Sequence[Action]) -> bool:
        """Tell whether the oracle passes a task with other gold calls."""
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


def _replace_broken_policy(setting: Setting) -> None:
    """Replace a policy that cannot be rendered, which is already noted; it is not read here."""
    try:
        _ = setting.policy_text
    except Tau2GymError:
        setting.policy_text = "-"
