"""The built-in retrievers: their arithmetic, and queries of every kind."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core import Document, KnowledgeBase, ToolError
from tau2_core.retrievers.bm25 import Bm25
from tau2_core.retrievers.grep import Grep


def knowledge(*contents: str) -> KnowledgeBase:
    return KnowledgeBase(tuple(Document(f"d{n:02}", f"Title {n}", content) for n, content in enumerate(contents)))


def by_the_formula(contents: list[str], query: str) -> list[float]:
    """Score documents one by one with the formula of the specification."""
    texts = [content.lower().split() for content in contents]
    size, average = len(texts), sum(map(len, texts)) / len(texts)
    containing = Counter(word for text in texts for word in set(text))
    weights = {word: math.log(size - n + 0.5) - math.log(n + 0.5) for word, n in containing.items()}
    floor = 0.25 * sum(weights.values()) / len(weights)
    scores = []
    for text in texts:
        score = 0.0
        for word in query.lower().split():
            if word in weights:
                weight = weights[word] if weights[word] >= 0 else floor
                often = text.count(word)
                score += weight * often * 2.5 / (often + 1.5 * (0.25 + 0.75 * len(text) / average))
        scores.append(score)
    return scores


WORDS = st.lists(st.sampled_from(["fee", "Fee", "card", "bank", "lost", "fee?", "ünlock"]), min_size=1, max_size=8)
TEXTS = st.lists(WORDS.map(" ".join), min_size=1, max_size=8)


@given(TEXTS, WORDS.map(" ".join))
def test_bm25_scores_as_the_formula_does(contents: list[str], query: str) -> None:
    expected = by_the_formula(contents, query)
    hits = Bm25(knowledge(*contents), {"top_k": 99}).search(query)
    places = [int(hit.document.id[1:]) for hit in hits]
    assert sorted(places) == list(range(len(contents)))
    for hit, place in zip(hits, places, strict=True):
        assert hit.score == pytest.approx(expected[place], abs=1e-9)
    shown = [round(hit.score, 6) for hit in hits]
    assert shown == sorted(shown, reverse=True)


def test_documents_with_equal_scores_keep_their_order() -> None:
    hits = Bm25(knowledge("lost card", "open hours", "card lost", "nothing", "closed"), {"top_k": 3}).search(
        "LOST zebra"
    )
    assert [hit.document.id for hit in hits] == ["d00", "d02", "d01"]
    assert [hit.document.id for hit in Bm25(knowledge("a", "b"), {}).search("zebra")] == ["d00", "d01"]


@pytest.mark.parametrize("query", ["", "  \n", None, 0, []])
def test_bm25_finds_nothing_for_an_empty_query(query: Any) -> None:
    retriever = Bm25(knowledge("a card"), {})
    assert not retriever.search(query)
    assert retriever.nothing_found(query) == "No relevant documents found."


@pytest.mark.parametrize("kind", [Bm25, Grep])
def test_a_query_that_is_no_text_or_far_too_long_is_refused(kind: Any) -> None:
    retriever = kind(knowledge("a card"), {})
    with pytest.raises(TypeError):
        retriever.search(["card"])
    with pytest.raises(ToolError, match="1000000 characters; give one of at most 100000"):
        retriever.search("a" * 1_000_000)


@pytest.mark.parametrize(
    ("pattern", "options", "found"),
    [
        ("card", {}, [("d01", 2.0), ("d00", 1.0)]),
        ("card", {"case_sensitive": True}, [("d00", 1.0), ("d01", 1.0)]),
        ("card", {"top_k": 1}, [("d01", 2.0)]),
        ("(lost|card)", {}, [("d00", 2.0), ("d01", 2.0)]),
        ("c.r+d", {}, [("d01", 2.0), ("d00", 1.0)]),
        ("(c)ard*", {}, [("d01", 2.0), ("d00", 1.0)]),
        ("[", {}, [("d02", 1.0)]),
        (" ", {}, []),
        ("x*", {"top_k": 1}, [("d01", 16.0)]),
        ("nowhere", {}, []),
    ],
)
def test_grep_counts_matches(pattern: str, options: dict[str, Any], found: list[tuple[str, float]]) -> None:
    retriever = Grep(knowledge("lost card", "Card and\ncards.", "see [1]"), options)
    hits = [(hit.document.id, hit.score) for hit in retriever.search(pattern)]
    assert hits == found
    assert retriever.nothing_found(pattern) == f"No matches found for pattern: {pattern}"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(?:a*)*[^a!]$", "a*[bc]"])
def test_a_pattern_that_takes_long_is_refused(pattern: str) -> None:
    with pytest.raises(ToolError, match=r"the pattern took longer than 0\.1 seconds"):
        Grep(knowledge("a" * 50_000 + "!"), {"seconds": 0.1}).search(pattern)
