"""The customer and the judge on the page of a run: figures as in the report, and filters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tau2_core import Message, Run, UserMessage, evaluate
from tau2_core.model.participants import UserContext
from tau2_gym_workbench.customer_figures import customer_figures, judge_figures
from tau2_gym_workbench.index import RunIndex

from tests.user_review.test_in_runs import TASK, careful, hasty, patient
from tests.workbench.conftest import assert_accessible, follow, serving

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]
RATE = {"count": 95, "of": 100, "rate": {"value": 0.95, "low": 0.9, "high": 0.98}}
JUDGE = {
    "judges": ["endpoint/one + endpoint/two (majority)"],
    "judged": 4,
    "failed": 0,
    "statements": 8,
    "split_statements": 2,
    "split_episodes": 1,
    "why": "",
    "calibration": {
        "judge": "0" * 64,
        "set_digest": "1" * 64,
        "cases": 100,
        "unreadable": 0,
        "accuracy": RATE,
        "false_pass": RATE,
        "false_fail": {**RATE, "rate": None},
        "order_agreement": None,
        "repeat_agreement": None,
    },
    "mean_reward": {"value": 0.4, "low": 0.2, "high": 0.7},
}


class EverySecondHasty:
    """A customer who hangs up at the agent's question in every second episode."""

    episodes = 0

    def __init__(self, context: UserContext) -> None:
        type(self).episodes += 1
        self.says = hasty if self.episodes % 2 else patient

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        return UserMessage(content=await self.says(history))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("customer") / "runs"
    tasks = [TASK, "create_plain"]
    evaluate("mock", agent=careful, user=EverySecondHasty, tasks=tasks, trials=4, name="faults", out=out, concurrency=1)
    summary = out / "faults" / "summary.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"judge": JUDGE}))
    for name in ("faults", "personas"):
        if name == "personas":
            evaluate("mock", user=patient, tasks=tasks, trials=4, name=name, out=out)
            for file in (out / name / "run.json", out / name / "episodes.jsonl"):
                _with_personas(file)
    return out


def _with_personas(file: Path) -> None:
    """Let the run have been played with two personas in turn, as a model would."""
    if file.suffix == ".json":
        config = json.loads(file.read_text())
        config["user"]["personas"] = ["terse", "rambling"]
        file.write_text(json.dumps(config))
        return
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text(
        "".join(json.dumps(each | {"persona": ["terse", "rambling"][each["trial"] % 2]}) + "\n" for each in lines)
    )


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serving("view", folder) as opened:
        yield opened


@pytest.mark.parametrize("name", ["faults", "personas"])
def test_figures_equal_those_of_the_report(folder: Path, name: str) -> None:
    index = RunIndex(folder / name)
    index.refresh()
    found, report = customer_figures(index), Run(folder / name).report
    theirs = report.customer
    assert found is not None
    assert theirs is not None
    assert (found.reviewed, found.minor, found.decisive) == (theirs.reviewed, theirs.minor, theirs.decisive)
    assert (found.caused_failures, found.rate_without) == (theirs.caused_failures, theirs.rate_without)
    assert found.coverage_without == theirs.coverage_without
    assert {each.key: each.episodes for each in found.detectors} == theirs.detectors
    assert {each.name: (each.episodes, each.rate, each.decisive) for each in found.personas} == {
        persona: (each.episodes, each.strict_rate, each.decisive_faults) for persona, each in report.personas.items()
    }
    assert (name == "faults") == bool(found.caused_failures)


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_the_page_shows_faults_and_the_judge_and_filters_by_them(
    address: str, open_page: Open, width: int, scheme: str
) -> None:
    page = open_page(f"{address}runs/faults", width=width, scheme=scheme)
    customer = page.locator("section", has=page.get_by_role("heading", name="Customer", exact=True))
    assert "without failures that the customer caused" in customer.inner_text()
    assert "mean reward, corrected for the judge’s errors" in customer.inner_text()
    judge = page.locator("section", has=page.get_by_role("heading", name="Judge", exact=True)).inner_text()
    assert "The judges disagreed about 2 statements in 1 episodes." in judge
    assert "95 of 100" in judge
    assert_accessible(page)
    follow(page, customer.get_by_role("link", name="ended_at_confirmation"))
    assert "detector ended_at_confirmation" in page.locator(".notice").inner_text()
    page.goto(f"{address}runs/faults")
    page.get_by_label("Customer’s fault").select_option("decisive")
    follow(page, page.get_by_role("button", name="Apply"))
    assert "4 episodes of 1 tasks" in page.locator(".notice").inner_text()
    assert page.get_by_label("Customer’s fault").input_value() == "decisive"
    page.get_by_label("Customer’s fault").select_option("none")
    follow(page, page.get_by_role("button", name="Apply"))
    assert "4 episodes of 1 tasks" in page.locator(".notice").inner_text()


def test_personas_have_rates_and_are_filters(address: str, open_page: Open) -> None:
    page = open_page(f"{address}runs/personas")
    row = page.locator("tr", has=page.get_by_role("link", name="terse"))
    assert row.locator("td.number").first.inner_text() == "4"
    assert_accessible(page)
    follow(page, row.get_by_role("link"))
    assert "4 episodes of 2 tasks" in page.locator(".notice").inner_text()
    assert page.get_by_label("Persona").input_value() == "terse"


def test_a_judge_that_was_not_calibrated_is_shown_with_the_reason(server: str, runs: Path, open_page: Open) -> None:
    found = judge_figures(runs / "careful")
    assert found is not None
    assert (found.judges, found.calibration) == (["endpoint/judge"], None)
    page = open_page(f"{server}runs/careful")
    shown = page.locator("section", has=page.get_by_role("heading", name="Judge", exact=True)).inner_text()
    assert f"endpoint/judge decided {found.statements} statements" in shown
    assert "the judge is not calibrated" in shown
    assert judge_figures(runs / "oracle") is None
