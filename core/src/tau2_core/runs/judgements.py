"""The judge in a run: when it is asked, and keeping its judgements."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.judge import judge, probe
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.model.tasks import Task
from tau2_core.records.journal import JUDGEMENTS, Journal
from tau2_core.records.judgement_lines import judgement_line


async def probe_judge(role_model: RoleModel | None) -> None:
    """Try the judge on a simple statement before anything is played. Raises RunError if it is not usable."""
    if role_model is not None:
        wrong = await probe(role_model.model_for("probe"))
        if wrong:
            wrong = role_model.refused() or f"the judge {role_model.settings.model!r} is not usable: {wrong}"
            raise RunError(f"{wrong}; nothing was done")


class Judging:
    """Asks the judge where its decision counts; `keep` gets each judgement before it is used.

    With `everywhere` it also asks where the task's reward basis does not need the judge. `known` judgements are not
    requested again, unless the judge failed or was another model.
    """

    def __init__(
        self,
        role_model: RoleModel | None,
        grader: Grader,
        keep: Callable[[Slot, Judgement], None],
        known: MutableMapping[Slot, Judgement],
        *,
        everywhere: bool = False,
    ) -> None:
        self.role_model = role_model
        self.grader = grader
        self.keep = keep
        self.known = known
        self.everywhere = everywhere

    def asks(self, record: EpisodeRecord, task: Task) -> bool:
        """Tell whether the judge must be asked about an episode."""
        if self.role_model is None or not self.grader.needs_judge(record, task, everywhere=self.everywhere):
            return False
        known = self.known.get(record.slot)
        return known is None or not stands(known, self.role_model)

    async def judgement(self, record: EpisodeRecord, task: Task) -> Judgement | None:
        """Return the judgement of an episode, new or known; None if the judge is not asked."""
        criteria = task.evaluation_criteria
        if self.role_model is None or not self.asks(record, task):
            return self.known.get(record.slot)
        model = self.role_model.model_for(str(record.slot))
        said = await judge(model, record.messages, (criteria and criteria.nl_assertions) or [])
        said.model, said.usage = self.role_model.settings.model, model.usage
        self.keep(record.slot, said)
        self.known[record.slot] = said
        return said


def append_judgement(journal: Journal, slot: Slot, judgement: Judgement) -> None:
    """Append a judgement to a run's folder. Raises RunError."""
    journal.append(JUDGEMENTS, judgement_line(slot, judgement))


def stands(judgement: Judgement, role_model: RoleModel | None) -> bool:
    """Tell whether a judgement is still valid; judgements of different models are never combined in one figure."""
    return role_model is None or (not judgement.error and judgement.model == role_model.settings.model)
