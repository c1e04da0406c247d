"""The judge in a run: when it is asked, and keeping its judgements."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.panel import Panel
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.model.tasks import Task
from tau2_core.records.journal import JUDGEMENTS, Journal
from tau2_core.records.judgement_lines import judgement_line


async def probe_judges(panel: Panel | None) -> None:
    """Try the judges on a simple statement before anything is played. Raises RunError if one is not usable."""
    if panel is not None:
        wrong = await panel.probe()
        if wrong:
            raise RunError(f"{wrong}; nothing was done")


class Judging:
    """Asks the judge where its decision counts; `keep` gets each judgement before it is used.

    With `everywhere` it also asks where the task's reward basis does not need the judge. `known` judgements are not
    requested again, unless the judge failed or was another model.
    """

    def __init__(
        self,
        panel: Panel | None,
        grader: Grader,
        keep: Callable[[Slot, Judgement], None],
        known: MutableMapping[Slot, Judgement],
        *,
        everywhere: bool = False,
    ) -> None:
        self.panel = panel
        self.grader = grader
        self.keep = keep
        self.known = known
        self.everywhere = everywhere

    def asks(self, record: EpisodeRecord, task: Task) -> bool:
        """Tell whether the judge must be asked about an episode."""
        if self.panel is None or not self.grader.needs_judge(record, task, everywhere=self.everywhere):
            return False
        known = self.known.get(record.slot)
        return known is None or not stands(known, self.panel)

    async def judgement(self, record: EpisodeRecord, task: Task) -> Judgement | None:
        """Return the judgement of an episode, new or known; None if the judge is not asked."""
        criteria = task.evaluation_criteria
        if self.panel is None or not self.asks(record, task):
            return self.known.get(record.slot)
        statements = (criteria and criteria.nl_assertions) or []
        said = await self.panel.decide(str(record.slot), record.messages, statements)
        self.keep(record.slot, said)
        self.known[record.slot] = said
        return said


def append_judgement(journal: Journal, slot: Slot, judgement: Judgement) -> None:
    """Append a judgement to a run's folder. Raises RunError."""
    journal.append(JUDGEMENTS, judgement_line(slot, judgement))


def stands(judgement: Judgement, panel: Panel | None) -> bool:
    """Tell whether a judgement is still valid; judgements of different models are never combined in one figure."""
    return panel is None or (not judgement.error and judgement.model == panel.name)
