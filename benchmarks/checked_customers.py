"""What `--user-check` costs and finds: a scripted customer that errs at a known rate, with and without the check."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rich.table import Table
from tau2_core import Run, evaluate
from tau2_core.model.participants import has_stop_token
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint, say

DOMAIN = "retail"
TASKS = 60
RATES = (0.0, 0.1, 0.2, 0.3)
AIM = 1.3
NOTE = "[Not from the agent"
FAULTS = (
    "{said} My reference is QX77{number:04}Z.",
    "{said} Is there anything else I can help you with?",
    "{said} Could you do that now? ###STOP###",
)
INSTEAD_OF_A_STOP = ("Thank you. Is there anything else I can help you with?",)


@dataclass
class Erring:
    """Plays the gold, but makes a share of the customer's messages faulty, including those that are requested again."""

    gold: GoldScript
    rate: float
    spoilt: int = 0
    asked_again: int = 0
    asked_again_needlessly: int = 0
    _random: Random = field(default_factory=lambda: Random(1))
    _last_was_spoilt: dict[str, bool] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        if "customer" not in asked.model:
            return self.gold(asked)
        noted = asked.last.startswith(NOTE)
        if noted:
            self.asked_again += 1
            self.asked_again_needlessly += not self._last_was_spoilt[asked.system]
            asked = Asked(asked.number, asked.path, asked.headers, {**asked.body, "messages": asked.messages[:-1]})
        answer = self.gold(asked)
        said = str(answer.message.get("content") or "")
        spoils = bool(said) and self._random.random() < self.rate
        self._last_was_spoilt[asked.system] = spoils
        if not spoils:
            return answer
        self.spoilt += 1
        faults = INSTEAD_OF_A_STOP if has_stop_token(said) else FAULTS
        return say(self._random.choice(faults).format(said=said, number=self.spoilt))


@dataclass(frozen=True)
class Played:
    """A run and what its customer did."""

    run: Run
    script: Erring

    @property
    def requests(self) -> int:
        return sum(each.record.usage["user"].requests for each in self.run.episodes)

    @property
    def messages(self) -> int:
        return sum(message.role == "user" for each in self.run.episodes for message in each.record.messages)

    @property
    def faulty(self) -> int:
        """The messages in which the review of the finished episodes finds a fault."""
        return sum(len({finding.message for finding in review.findings}) for review in self._reviews())

    def _reviews(self) -> Iterator[Any]:
        for each in self.run.episodes:
            if each.grade is not None and each.grade.user_review is not None:
                yield each.grade.user_review


def checked_table() -> Table:
    """Return the costs and findings by error rate, from one scripted run with the check and one without for each."""
    titles = (
        "error rate",
        "made faulty",
        "check",
        "messages",
        "requests",
        "per message",
        "asked again",
        "needlessly",
        "still faulty",
    )
    table = Table(*titles, "reward", title=f"checked customers: {TASKS} tasks of {DOMAIN}")
    gold = GoldScript.of_domain(DOMAIN)
    for rate in RATES:
        for check in (False, True):
            played = _play(Erring(gold, rate), check=check)
            script, each = played.script, played.requests / played.messages
            shown = f"{each:.3f}" + (f" (aim ≤ {AIM:g})" if check else "")
            counts = (str(script.asked_again), str(script.asked_again_needlessly), str(played.faulty))
            head = (
                f"{rate:.0%}",
                str(script.spoilt),
                "yes" if check else "no",
                str(played.messages),
                str(played.requests),
                shown,
            )
            table.add_row(*head, *counts, f"{played.run.mean_reward:.3f}")
    return table


def _play(script: Erring, *, check: bool) -> Played:
    with ScriptedEndpoint(script, keep=False) as endpoint, tempfile.TemporaryDirectory() as folder:
        args = {"api_base": endpoint.url}
        run = evaluate(
            DOMAIN,
            agent_model={"model": "endpoint/agent", "args": args},
            user_model={"model": "endpoint/customer", "args": args},
            num_tasks=TASKS,
            user_check=check,
            concurrency=1,
            out=Path(folder),
        )
        played = Played(run, script)
        _ = played.run.episodes  # read before the folder is removed
        if endpoint.failures:
            raise RuntimeError(f"a request could not be answered: {endpoint.failures[0]!r}")
    return played
