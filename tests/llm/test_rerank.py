"""Reranking: a model rates each hit, and what it says decides which remain, in which order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core import UsageError, open_episode
from tau2_core.retrievers.rerank import read_rating
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, say

from tests.bakery import forget_packs
from tests.documents import ROOT, write_files

Script = Callable[[Asked], Answer]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The pack of docs/how-to/knowledge.md."""
    forget_packs()
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    return tmp_path / "desk"


def rating(**answers: str) -> Script:
    """Answer for a document by a word in it."""

    def script(asked: Asked) -> Answer:
        document = asked.last.partition("<document>")[2]
        return say(next(answer for word, answer in answers.items() if word in document))

    return script


def rated(score: Any) -> str:
    return json.dumps({"relevance_score": score})


def search(desk: Path, script: Script, **options: Any) -> tuple[Any, ScriptedEndpoint]:
    with ScriptedEndpoint(script) as endpoint:
        chosen = {"model": "openai/rater", "args": {"api_base": endpoint.url}}
        with open_episode(desk, "reset", variant="rated", variant_options=chosen, **options) as episode:
            result = episode.call("search", query="printer")
            return (result, episode.record()), endpoint


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({"hangs": rated(3), "store": rated(8), "badge": rated(5)}, ["Paper for printers 8.0", "Visitors 5.0"]),
        (
            {"hangs": rated(7), "store": rated(7), "badge": rated(4)},
            ["Paper for printers 7.0", "Printers that hang 7.0"],
        ),
        ({"hangs": rated(99), "store": rated(-1), "badge": rated(True)}, ["Printers that hang 10.0"]),
        ({"hangs": "ten", "store": "[10]", "badge": rated("10")}, []),
    ],
)
def test_good_hits_remain_by_their_rating(desk: Path, answers: dict[str, str], found: list[str]) -> None:
    (result, record), endpoint = search(desk, rating(**answers))
    lines = result.content.splitlines()
    titles = [line.partition(". ")[2] for line in lines if line[:1].isdigit()]
    scores = [line.split()[1][:-3] for line in lines if line.startswith("   Score: ")]
    order = [f"{title} {score}" for title, score in zip(titles, scores, strict=True)]
    assert sorted(order) == sorted(found)
    assert [float(each.split()[-1]) for each in order] == sorted(
        (float(each.split()[-1]) for each in found), reverse=True
    )
    assert bool(found) or result.content == "No relevant documents found."
    assert len(endpoint.asked) == record.usage["reranker"].requests == 3
    assert endpoint.asked[0].body["response_format"]["type"] == "json_schema"
    assert "<query>\nprinter\n</query>" in endpoint.asked[0].last


def test_a_model_that_cannot_be_reached_is_an_infrastructure_error(desk: Path) -> None:
    (result, record), _ = search(desk, lambda _asked: Refusal(500), attempts=1)
    assert (result.failure, record.termination) == ("crashed", "infrastructure_error")
    assert "server: " in str(record.error)


def test_a_cassette_holds_the_ratings(desk: Path) -> None:
    answers = rating(hangs=rated(6), store=rated(9), badge=rated(0))
    cassette = desk.parent / "cassette.jsonl"
    (recorded, _), _ = search(desk, answers, record=cassette)
    assert [json.loads(line)["role"] for line in cassette.read_text(encoding="utf-8").splitlines()] == ["reranker"] * 3
    (replayed, _), endpoint = search(desk, answers, replay=cassette)
    assert (replayed.content, endpoint.asked) == (recorded.content, [])


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_an_answer_of_any_kind_is_a_rating_or_none(answer: str) -> None:
    found = read_rating(answer)
    assert found is None or 0 <= found <= 10


@given(st.integers())
def test_a_rating_is_brought_within_its_bounds(score: int) -> None:
    assert read_rating(rated(score)) == max(0, min(10, score))


def test_the_retriever_must_exist(desk: Path) -> None:
    tools = desk / "tools" / "rated.yaml"
    tools.write_text(tools.read_text(encoding="utf-8").replace("of: bm25", "of: bm26"), encoding="utf-8")
    with pytest.raises(UsageError, match="there is no retriever 'bm26' to rerank"):
        open_episode(desk, "reset", variant="rated")
