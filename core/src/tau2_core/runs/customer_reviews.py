"""Letting a model review the simulated customers of a run: missing reviews are requested, and stored on arrival."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tau2_core.episode.customer_settings import choose_customers
from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.llm.customer_reviewer import review_customer
from tau2_core.llm.model import RoleModel
from tau2_core.llm.prompts import own_prompt
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.tasks import Task
from tau2_core.model.user_review import ModelReview
from tau2_core.records.journal import REVIEWS, Journal
from tau2_core.runs.concurrency import for_each


@dataclass(frozen=True)
class CustomerReviewing:
    """Reviews the customers of a run with a model; `known` reviews of the same model are not requested again."""

    model: RoleModel
    setting: Setting
    config: Mapping[str, Any]
    journal: Journal
    known: dict[Slot, ModelReview]

    def wanted(self, record: EpisodeRecord) -> bool:
        """Tell whether an episode has a customer that this model has not reviewed."""
        known = self.known.get(record.slot)
        stands = known is not None and not known.error and known.model == self.model.settings.model
        return not record.solo and not stands

    async def review_all(
        self, records: Iterator[EpisodeRecord], tasks: Mapping[str, Task], width: int, on_done: Callable[[], None]
    ) -> int:
        """Request the missing reviews, of `width` episodes at a time; return their number.

        Raises RunError if the model cannot be asked at all.
        """

        async def review(record: EpisodeRecord) -> None:
            await self._review(record, tasks[record.task_id])
            if self.model.refused():
                raise RunError(f"{self.model.refused()}; reviews so far are kept in {self.journal.folder}")
            on_done()

        return await for_each((record for record in records if self.wanted(record)), width, review)

    async def _review(self, record: EpisodeRecord, task: Task) -> None:
        model = self.model.model_for(str(record.slot))
        found, error = await review_customer(model, self._told(record, task), record.messages, len(task.history()))
        review = ModelReview(
            task_id=record.task_id,
            trial=record.trial,
            model=self.model.settings.model,
            findings=found,
            error=error,
            usage=model.usage,
        )
        self.journal.append(REVIEWS, review.model_dump(mode="json"))
        self.known[record.slot] = review

    def _told(self, record: EpisodeRecord, task: Task) -> dict[str, str]:
        """Return the texts that the customer was told."""
        pack, tools = self.setting.pack, tuple(self.setting.known_tools("user").values())
        guidelines = choose_customers(pack, self.config["user"].get("prompt"), (), 0).guidelines(pack, tools)
        if guidelines is None and self.setting.dataset:
            guidelines = self.setting.dataset.user_guidelines.get(bool(tools))
        persona = pack.customers.personas.get(record.persona) if record.persona else None
        return {
            "guidelines": guidelines or own_prompt("user", tools=bool(tools)),
            "manner": persona.manner if persona is not None else "",
            "scenario": task.user_scenario.text(),
        }
