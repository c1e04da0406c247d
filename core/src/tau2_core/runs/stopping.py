"""When a run must not start more episodes: an unusable model, failing infrastructure, or the cost limit."""

from __future__ import annotations

from collections.abc import Collection

from tau2_core.errors import UsageError
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord, Termination, Usage
from tau2_core.model.llm import how_to_give
from tau2_core.records.figures import EpisodeEnd


class Stopping:
    """Watches the episodes of a run; `why` is the reason why no more are started, "" while they are.

    `spent` is the usage before a resume. `max_cost` is in dollars, None without a limit; the models in `paid` count.
    """

    def __init__(
        self,
        role_models: Collection[RoleModel],
        *,
        max_cost: float | None,
        max_infrastructure_errors: int,
        spent: Collection[Usage] = (),
        paid: Collection[RoleModel] | None = None,
    ) -> None:
        self.role_models = role_models
        self.paid = role_models if paid is None else paid
        self.max_cost = max_cost
        self.most = max_infrastructure_errors
        self.spent = list(spent)
        self.why = ""
        self._in_a_row: list[str] = []

    def check(self) -> bool:
        """Tell whether no more episodes may be started."""
        return self.refused() or self.over_budget()

    def refused(self) -> bool:
        """Tell whether a model cannot be used, or infrastructure has failed too often in the same way."""
        for role_model in self.role_models:
            self.why = self.why or role_model.refused()
        if not self.why and len(self._in_a_row) >= self.most:
            what = f"{len(self._in_a_row)} episodes in a row ended with the same infrastructure error"
            self.why = f"{what} ({self._in_a_row[-1]}); --max-infrastructure-errors {self.most} stops the run"
        return bool(self.why)

    def over_budget(self) -> bool:
        """Tell whether the cost limit is reached."""
        if self.max_cost is None:
            return False
        costs = [usage.cost for usage in (*self.spent, *(role_model.usage for role_model in self.paid))]
        if None not in costs and sum(cost or 0.0 for cost in costs) < self.max_cost:
            return False
        unknown = "--max-cost cannot be checked: the price of a model is unknown"
        self.why = self.why or (unknown if None in costs else f"--max-cost {self.max_cost:g} is reached")
        return True

    def count(self, record: EpisodeRecord | EpisodeEnd) -> None:
        """Note how an episode ended."""
        if record.termination != Termination.INFRASTRUCTURE_ERROR:
            self._in_a_row = []
            return
        error = record.error or ""
        if self._in_a_row and self._in_a_row[-1].partition(":")[0] != error.partition(":")[0]:
            self._in_a_row = []
        self._in_a_row.append(error)


def refuse_unknown_price(role_model: RoleModel) -> None:
    """Refuse --max-cost if the cost of a model cannot be known. Raises UsageError."""
    if role_model.client is not None and not role_model.client.knows_price():
        what = f"--max-cost: the price of {role_model.settings.model} is not known"
        prices = '{"input_cost_per_token": …, "output_cost_per_token": …}'
        raise UsageError(f"{what}; give it with {how_to_give(role_model.role, prices)}")
