"""Labelling on the page of an episode: with keys in a real browser, and what other requests cannot do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tau2_gym_workbench.index import FILE

from tests.workbench.conftest import assert_accessible, follow, serving

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]


@pytest.fixture
def folder(runs: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the run `random`, to be labelled."""
    shutil.copytree(runs / "random", tmp_path / "runs" / "random", ignore=shutil.ignore_patterns(FILE))
    return tmp_path / "runs"


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with serving("view", folder) as opened:
        yield opened


def stored(folder: Path) -> list[dict[str, Any]]:
    file = folder / "random" / "labels.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def press(page: Any, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def test_keys_label_one_question_after_the_other(address: str, folder: Path, open_page: Open) -> None:
    page = open_page(f"{address}runs/random/0/0")
    count = page.locator("[data-question]").count()
    page.get_by_label("Your name").fill("Jürgen; x")
    page.locator("h1").click()  # leave the field, in which keys are letters
    press(page, "y")
    assert page.get_by_label("Your name").input_value() == "Jürgen; x"
    page.keyboard.press("s")  # skips the second
    page.keyboard.press("x")  # means nothing
    assert page.locator("[data-question].at").count() == 1
    press(page, "n") if count > 3 else press(page, "2")
    assert f"{count - 2} question" in page.locator("#labels").inner_text()
    assert_accessible(page)
    first, second = stored(folder)
    assert (first["task_id"], first["trial"], first["label"], first["annotator"]) == (
        json.loads((folder / "random" / "run.json").read_text())["tasks"][0],
        0,
        "met",
        "Jürgen; x",
    )
    assert first["name"] != second["name"]
    follow(page, page.locator("[data-question]").first.get_by_role("button", name="not met"))  # changes its mind
    assert [each["label"] for each in stored(folder)][2] == "unmet"
    assert page.locator("[data-question]").first.locator("[aria-pressed=true]").inner_text().endswith("not met")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_the_verdict_can_be_hidden(address: str, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(f"{address}runs/random/0/0", width=width, scheme=scheme)
    assert page.locator(".verdict").count() == 1
    follow(page, page.get_by_role("link", name="hide the verdict"))
    for selector in (".verdict", ".outcome", "#gold", "#time-machine"):
        assert page.locator(selector).count() == 0
    assert_accessible(page)
    follow(page, page.locator("[data-question]").last.get_by_role("button", name="minor"))
    assert page.locator(".verdict").count() == 0
    press(page, "J")
    assert page.url.endswith("/runs/random/0/1?blind=1")
    assert page.locator(".verdict").count() == 0
    follow(page, page.get_by_role("link", name="show the verdict"))
    assert page.locator(".verdict").count() == 1


def test_labels_work_without_scripts(address: str, folder: Path, open_page: Open) -> None:
    page = open_page(f"{address}runs/random/0/0", script=False)
    follow(page, page.locator("[data-question]").last.get_by_role("button", name="decisive"))
    (only,) = stored(folder)
    assert (only["about"], only["label"], "annotator" in only) == ("customer_fault", "decisive", False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "this is not a label"),
        ("[]", "this is not a label"),
        ('["criterion", "DB", "decisive"]', "one of met, unmet"),
        ('["criterion", "MOOD", "met"]', "no longer has this question"),
    ],
)
def test_what_is_no_answer_is_refused(address: str, folder: Path, answer: str, words: str) -> None:
    done = httpx.post(f"{address}runs/random/0/0/labels", data={"answer": answer})
    assert (done.status_code, words in done.text) == (404, True)
    assert stored(folder) == []


def test_exported_pages_have_no_forms(gym: Any, folder: Path, tmp_path: Path) -> None:
    assert gym("view", "--export", tmp_path / "pages", folder / "random").returncode == 0
    assert "data-question" not in (tmp_path / "pages" / "runs" / "random" / "episode-0-0.html").read_text()
