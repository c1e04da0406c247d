"""The judge's part in a run: when it is asked, and what it said, kept beside the episodes."""

from __future__ import annotations

from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.judge import judge, probe
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.model.tasks import Task
from tau2_core.records.finished import judgement_line
from tau2_core.records.journal import JUDGEMENTS, Journal


async def probe_judge(role_model: RoleModel | None) -> None:
    """Ask the judge something simple before anything is played. Raises RunError if it is of no use."""
    if role_model is not None:
        wrong = await probe(role_model.model_for("probe"))
        if wrong:
            wrong = role_model.refused() or f"the judge {role_model.settings.model!r} is of no use: {wrong}"
            raise RunError(f"{wrong}; nothing was done")


class Judging:
    """Asks the judge where its word counts, and keeps what it says before anything is made of it.

    `everywhere` asks also where the task's reward basis does not. What was said before (`known`) is not asked again,
    unless the judge had failed, or was another model.
    """

    def __init__(
        self,
        role_model: RoleModel | None,
        grader: Grader,
        journal: Journal,
        known: dict[Slot, Judgement],
        *,
        everywhere: bool = False,
    ) -> None:
        self.role_model = role_model
        self.grader = grader
        self.journal = journal
        self.known = known
        self.everywhere = everywhere

    def asks(self, record: EpisodeRecord, task: Task) -> bool:
        """Tell whether the judge is to be asked of an episode."""
        if self.role_model is None or not self.grader.needs_judge(record, task, everywhere=self.everywhere):
            return False
        known = self.known.get(record.slot)
        return known is None or not stands(known, self.role_model)

    async def judgement(self, record: EpisodeRecord, task: Task) -> Judgement | None:
        """Return what the judge says, or said; None where it is not asked."""
        criteria = task.evaluation_criteria
        if self.role_model is None or not self.asks(record, task):
            return self.known.get(record.slot)
        model = self.role_model.model_for(str(record.slot))
        said = await judge(model, record.messages, (criteria and criteria.nl_assertions) or [])
        said.model, said.usage = self.role_model.settings.model, model.usage
        self.journal.append(JUDGEMENTS, judgement_line(record.slot, said))
        self.known[record.slot] = said
        return said


def stands(judgement: Judgement, role_model: RoleModel | None) -> bool:
    """Tell whether a judgement need not be asked for again; what two models said is not mixed in one number."""
    return role_model is None or (not judgement.error and judgement.model == role_model.settings.model)
