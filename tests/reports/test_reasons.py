"""Why a grade is not full: which checks are named, in which order, and what of their evidence."""

from __future__ import annotations

from typing import Any

import pytest
from tau2_core.model.evaluation import Check, Grade, Outcome, Status, Verdict
from tau2_core.records.reasons import explained, reasons


def change(path: str, **sides: Any) -> dict[str, Any]:
    return {"path": path, **sides}


def unmet(what: str, *evidence: dict[str, Any], why: str = "") -> Check:
    return Check(what=what, met=False, why=why, evidence=list(evidence))


def grade(
    verdicts: dict[str, list[Check]],
    *,
    reward: float | None = 0.0,
    note: str = "",
    basis: tuple[str, ...] = ("DB", "ENV_ASSERTION"),
    status: Status = Status.GRADED,
) -> Grade:
    found = {name: Verdict(name, status, 0.0, checks) for name, checks in verdicts.items()}
    fields: dict[str, Any] = {"task_id": "t", "trial": 0, "evaluators": "tau2", "outcome": Outcome.FAILED}
    return Grade(**fields, reward=reward, basis=list(basis), verdicts=found, note=note)


FIVE = [change(f"x{number}", old=number) for number in range(5)]
SHOWN = ", ".join(f"x{number} (gold {number}, here absent)" for number in range(4))


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (unmet("a"), "a"),
        (unmet("a", why="b"), "a: b"),
        (unmet("a", change("x", old=1, new="é"), why="b"), 'a: b: x (gold 1, here "é")'),
        (unmet("a", change("x", old=1)), "a: x (gold 1, here absent)"),
        (unmet("a", change("x", new=None)), "a: x (gold absent, here null)"),
        (unmet("a", {"path": "x"}, {"old": 1}), "a"),
        (unmet("a", *FIVE[:4]), f"a: {SHOWN}"),
        (unmet("a", *FIVE), f"a: {SHOWN} and 1 more"),
        (unmet("a", change("x", old="v" * 58)), f'a: x (gold "{"v" * 58}", here absent)'),
        (unmet("a", change("x", old="v" * 59)), f'a: x (gold "{"v" * 59}…, here absent)'),
        (unmet("a", change("x", old={1})), 'a: x (gold "{1}", here absent)'),
        (unmet("a", {"made": {"name": "f"}}, {"made": 2}), 'a: {"name": "f"}, 2'),
        (unmet("a", {"made": 1}, {"made": 2}, {"made": 3}, {"other": 4}), "a: 1, 2 and 1 more"),
        (unmet("a", {"made": 1}, change("x", old=1)), "a: x (gold 1, here absent)"),
        (Check("a", met=True, evidence=[{"made": 1}]), "a"),
    ],
)
def test_a_check_is_explained_by_its_evidence(check: Check, words: str) -> None:
    assert explained(check) == words


PATH = change("x", old=1, new=2)
ASSERTED = [unmet("first"), unmet("second")]


@pytest.mark.parametrize(
    ("graded", "words"),
    [
        (grade({"DB": [unmet("a"), Check("b", met=True), Check("c", met=None)]}), ["DB: a", "DB: c"]),
        (grade({"DB": [unmet("a")]}, note="cut off"), ["DB: a", "cut off"]),
        (grade({"DB": [unmet("a")]}, note="cut off", reward=None), ["cut off"]),
        (grade({"DB": []}, note="beside it", reward=1.0), []),
        (grade({"DB": []}, note="below it", reward=0.5), ["below it"]),
        (grade({"ACTION": [unmet("a")]}), []),  # outside the basis
        (grade({"DB": [unmet("a")]}, status=Status.PENDING), []),
        (grade({"DB": [unmet("a")]}, status=Status.ERROR), ["DB: a"]),
        (grade({"DB": [unmet("d")], "ENV_ASSERTION": [unmet("e")]}), ["DB: d", "ENV_ASSERTION: e"]),
        (grade({"ENV_ASSERTION": [], "DB": [unmet("d", PATH)]}, basis=("ENV_ASSERTION",)), []),
        (grade({"ENV_ASSERTION": ASSERTED}), ["ENV_ASSERTION: first", "ENV_ASSERTION: second"]),
        (
            grade({"ENV_ASSERTION": ASSERTED, "DB": [unmet("d", PATH)]}, basis=("ENV_ASSERTION",)),
            ["ENV_ASSERTION: first; the state behind it: d: x (gold 1, here 2)", "ENV_ASSERTION: second"],
        ),
        (
            grade(
                {
                    "ENV_ASSERTION": [unmet("e")],
                    "COLLATERAL": [unmet("c", PATH)],
                    "DB": [unmet("agent", PATH), unmet("user", PATH), Check("met", met=True, evidence=[PATH])],
                },
                basis=("ENV_ASSERTION",),
            ),
            [
                "ENV_ASSERTION: e; the state behind it: c: x (gold 1, here 2); user: x (gold 1, here 2); "
                "agent: x (gold 1, here 2)"
            ],
        ),
        (
            grade({"COMMUNICATE": [unmet("c")], "DB": [unmet("d", PATH)]}, basis=("COMMUNICATE",)),
            ["COMMUNICATE: c"],
        ),
    ],
)
def test_a_grade_lists_unmet_criteria(graded: Grade, words: list[str]) -> None:
    assert reasons(graded) == words
