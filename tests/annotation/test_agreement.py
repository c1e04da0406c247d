"""Agreement of labels with verdicts, judges and detectors, and of annotators with one another."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from tau2_core.cli.app import app
from tau2_core.records.label_agreement import cohens_kappa, krippendorffs_alpha
from tau2_core.records.labels import LabelValue
from typer.testing import CliRunner

from tests.annotation.conftest import command, label

pytestmark = pytest.mark.domain("mock")
ASSERTION = "The agent tells the caller the id of the new task."


def agreement(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(command("annotate", folder, "--agreement", "--json").stdout)
    return loaded


def pair(report: dict[str, Any], about: str, second: str, first: str = "ada") -> dict[str, Any]:
    (found,) = (
        each for each in report["pairs"] if (each["about"], each["first"], each["second"]) == (about, first, second)
    )
    return dict(found)


def test_labels_are_compared_with_verdicts_judge_and_detectors(run_folder: Callable[[str], Path]) -> None:
    folder = run_folder("judged")
    label(
        folder,
        ("create_plain", 0, "criterion", "DB", "unmet", "ada"),
        ("complete_task", 0, "criterion", "DB", "unmet", "ada"),
        ("create_plain", 0, "criterion", "DB", "met", "ada"),  # replaces the first
        ("create_plain", 0, "assertion", ASSERTION, "met", "ada"),
        ("create_plain", 0, "customer_fault", "", "none", "ada"),
        ("complete_task", 0, "customer_fault", "", "minor", "ada"),
    )
    report = agreement(folder)
    assert report["labels"] == {"ada": 5}
    verdicts = pair(report, "criterion", "tau2")
    assert (verdicts["items"], verdicts["agreed"], verdicts["kappa"]) == (2, 0.5, 0.0)
    assert verdicts["counts"] == {"met/met": 1, "unmet/met": 1}
    judge = pair(report, "assertion", "endpoint/judge")
    assert (judge["items"], judge["agreed"], judge["kappa"]) == (1, 1.0, None)
    assert pair(report, "customer_fault", "detectors")["agreed"] == 0.5
    assert report["reliability"] == []


def test_a_detectors_findings_are_confirmed_or_not(run_folder: Callable[[str], Path]) -> None:
    folder = run_folder("random")
    grades = [json.loads(line) for line in (folder / "grades.jsonl").read_text().splitlines()]
    for grade in grades:
        finding = {"detector": "empty_turn", "severity": "minor", "message": 1, "words": "", "why": "by the test"}
        grade["user_review"] = {"customer_fault": "minor", "findings": [finding], "errors": {}}
    (folder / "grades.jsonl").write_text("".join(json.dumps(grade) + "\n" for grade in grades))
    label(
        folder,
        ("create_plain", 0, "customer_fault", "", "decisive", "ada"),
        ("create_plain", 1, "customer_fault", "", "none", "ada"),
        ("complete_task", 1, "customer_fault", "", "minor", "ada"),
    )
    assert agreement(folder)["detectors"] == [
        {"detector": "empty_turn", "annotator": "ada", "found": 3, "confirmed": 2}
    ]
    shown = command("annotate", folder, "--agreement").output
    assert "empty_turn  ada" in shown


def test_a_model_that_reviews_customers_is_compared_alone(run_folder: Callable[[str], Path]) -> None:
    folder = run_folder("random")
    finding = {"detector": "unfaithful", "severity": "decisive", "message": 1, "words": "", "why": "by the test"}
    reviews = [
        {"task_id": "create_plain", "trial": 0, "model": "endpoint/reviewer", "findings": [finding]},
        {"task_id": "create_plain", "trial": 1, "model": "endpoint/reviewer"},
        {"task_id": "complete_task", "trial": 0, "model": "endpoint/reviewer", "error": "no answer"},
    ]
    (folder / "reviews.jsonl").write_text("".join(json.dumps(review) + "\n" for review in reviews))
    for task, trial, value in (
        ("create_plain", 0, "decisive"),
        ("create_plain", 1, "minor"),
        ("complete_task", 0, "none"),
    ):
        label(folder, (task, trial, "customer_fault", "", value, "ada"))
    found = pair(agreement(folder), "customer_fault", "endpoint/reviewer")
    assert found["counts"] == {"decisive/decisive": 1, "minor/none": 1}


def test_annotators_are_compared_with_one_another(run_folder: Callable[[str], Path]) -> None:
    pytest.importorskip("krippendorff")
    folder = run_folder("random")
    slots = [("create_plain", 0), ("create_plain", 1), ("complete_task", 0), ("complete_task", 1)]
    answers = {"ada": "none none minor decisive", "bea": "none none minor minor", None: "none minor minor decisive"}
    for name, given_answers in answers.items():
        given = zip(slots, given_answers.split(), strict=True)
        label(folder, *((*slot, "customer_fault", "", each, name) for slot, each in given))
    report = agreement(folder)
    assert report["labels"] == {"ada": 4, "bea": 4, "unnamed": 4}
    assert pair(report, "customer_fault", "bea")["kappa"] == pytest.approx((3 / 4 - 3 / 8) / (5 / 8))
    (alpha,) = report["reliability"]
    assert (alpha["annotators"], alpha["items"]) == (3, 4)
    assert 0.5 < alpha["alpha"] < 1
    shown = command("annotate", folder, "--agreement").output
    assert "customer's fault           3      4" in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80  # the first one names the folder


def test_without_the_library_alpha_is_missing_and_the_rest_stands(
    run_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder("random")
    for name in ("ada", "bea"):
        label(folder, ("create_plain", 0, "criterion", "DB", "met", name))
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    done = CliRunner().invoke(app, ["annotate", str(folder), "--agreement"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "need krippendorff, which is not installed: pip install 'tau2-core[stats]'" in done.stderr
    assert "100%" in done.stdout


def test_a_run_without_labels_says_how_to_label_it(run_folder: Callable[[str], Path]) -> None:
    folder = run_folder("random")
    assert "in a terminal asks for them" in " ".join(command("annotate", folder, "--agreement").output.split())


@drawn(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_is_what_its_definition_says(pairs: list[tuple[str, str]]) -> None:
    kappa, total = cohens_kappa(pairs), len(pairs)
    shares = [Counter(side) for side in zip(*pairs, strict=True)]
    expected = sum(shares[0][each] / total * shares[1][each] / total for each in "abc")
    observed = sum(one == two for one, two in pairs) / total
    if kappa is None:
        assert expected == pytest.approx(1)
    else:
        assert kappa == pytest.approx((observed - expected) / (1 - expected))
        assert kappa <= 1
        assert (kappa == 1) == (observed == 1)


def test_alpha_of_the_textbook() -> None:
    """Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, B: two observers, nominal data: 0.692."""
    pytest.importorskip("krippendorff")
    pairs = "aa aa bb bb bb bb ab ba bb bb aa aa"  # of two values
    counts = [Counter[LabelValue]({"met": each.count("a"), "unmet": each.count("b")}) for each in pairs.split()]
    observed = 2 / 12  # of all pairs
    met, every = sum(each["met"] for each in counts), 24
    expected = 2 * met * (every - met) / (every * (every - 1))
    assert krippendorffs_alpha(counts, "criterion") == pytest.approx(1 - observed / expected)
    assert krippendorffs_alpha([Counter[LabelValue]({"met": 2})], "criterion") is None
