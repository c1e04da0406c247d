"""Checks of a pack's tasks by playing them: the gold works, the oracle passes, agents that do nothing fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, Problem, Tau2GymError
from tau2_core.evaluators.grade import Grader
from tau2_core.evaluators.strict.policy import breaches
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Action, Task
from tau2_core.packs.data_checks import check_initial_data
from tau2_core.packs.family_tasks import FamilySource
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSource
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.records.reasons import reasons
from tau2_core.runs.family_proofs import FamilyProofs, family_tasks_to_play
from tau2_core.runs.gold_proofs import GoldProofs
from tau2_core.runs.plan import DEFAULT_SEED
from tau2_core.runs.task_notes import TaskNotes

BASELINES = ("silent", "always-transfer")


async def prove_tasks(
    pack: Pack,
    catalogue: Catalogue,
    problems: Problems,
    warnings: Problems,
    differing_ids: Mapping[str, Problem],
    on_task: Callable[[], None],
) -> tuple[int, list[Task]]:
    """Play tasks; return their number, and those whose gold works.

    `differing_ids` are the warnings about ids that are not the key of their record.
    """
    task_set, notes = pack.task_set(), TaskNotes(problems)
    player = _Player(pack, catalogue, notes)
    gold = GoldProofs(player.setting, notes, warnings, differing_ids)
    proofs = FamilyProofs(player.setting, task_set.families, player.passes, notes.note, problems)
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
        if gold.work(task, source):
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
    def __init__(self, pack: Pack, catalogue: Catalogue, notes: TaskNotes) -> None:
        self.pack = pack
        self.notes = notes
        self.setting = Setting(pack)
        both = pack.tools["agent"].keys() & pack.tools["user"].keys()
        self.solo_setting = Setting(pack, solo=True) if pack.supports_solo and not both else None
        self.catalogue = catalogue
        for setting in filter(None, (self.setting, self.solo_setting)):
            _replace_broken_policy(setting)
        self.evaluators = catalogue.evaluators("tau2")

    async def oracle(self, task: Task, source: TaskSource, setting: Setting) -> None:
        """The oracle must get the full reward."""
        record, grade = await self._play(task, "oracle", setting)
        how = " solo" if setting.solo else ""
        criteria = task.evaluation_criteria
        unsayable = any("," in text for text in (criteria.communicate_info if criteria else None) or [])
        if not grade.solved and not unsayable:  # already noted
            why = "; ".join(reasons(grade, 3))
            self.notes.note(
                source,
                ProblemKind.ORACLE,
                f"task {task.id!r}: the oracle{how} does not pass: {why}",
                "evaluation_criteria",
            )
        for rule in self.pack.rules:
            for breach in list(breaches(rule, record))[:1]:
                what = f"task {task.id!r}: the oracle{how} breaks rule {rule.name!r}: {breach.why}"
                self.notes.note(
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
                self.notes.note(source, ProblemKind.VACUOUS, what, "evaluation_criteria", hint=hint)
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
