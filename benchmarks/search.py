"""Search a knowledge base: our BM25 compared with rank-bm25, which tau2-bench uses, on the same documents."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tau2_core import KnowledgeBase
from tau2_core.retrievers.bm25 import Bm25, Index, tokens
from tau2_core.runs.loading import load_setting, open_catalogue

from benchmarks.measure import Figure

MOST = 10
Search = Callable[[str], Sequence[tuple[int, float]]]


def search_figures(dataset: Path | None) -> tuple[list[Figure], str]:
    """Return the figures over the pack's own documents or a dataset's, and a remark.

    Every document's title is a query. Times are CPU time of this process.
    """
    knowledge = load_setting(open_catalogue(), "banking_knowledge", dataset=dataset).knowledge
    queries = [document.title for document in knowledge.documents]
    building, _ = _timed(lambda: Index(knowledge))
    ours, found = _search(_our_search(knowledge), queries)
    theirs: dict[str, float] = {}
    remark = (
        "rank-bm25 was not measured: install it with pip install -c constraints.txt rank-bm25 (the extra dev has it)"
    )
    try:
        from rank_bm25 import BM25Okapi
    except ImportError:
        pass
    else:
        split = [tokens(document.content) for document in knowledge.documents]
        theirs["building"], index = _timed(lambda: BM25Okapi(split))
        times, found_by_them = _search(_their_search(index), queries)
        theirs["search"], theirs["slowest"] = statistics.mean(times), max(times)
        equal = sum(map(_same, found, found_by_them))
        remark = f"rank-bm25 is in the column of tau2-bench; {equal} of {len(queries)} queries have the same hits"
    figures = [
        Figure("index, built once per process", building / 1e3, "ms", 1000, _ms(theirs.get("building"))),
        Figure("search, mean over all titles", statistics.mean(ours), "µs", 1000, theirs.get("search")),
        Figure("  slowest", max(ours), "µs", None, theirs.get("slowest")),
    ]
    return figures, f"{len(knowledge.documents)} documents; {remark}"


def _our_search(knowledge: KnowledgeBase) -> Search:
    retriever = Bm25(knowledge, {"top_k": MOST})
    places = {document.id: place for place, document in enumerate(knowledge.documents)}
    return lambda query: [(places[hit.document.id], hit.score) for hit in retriever.search(query)]


def _their_search(index: Any) -> Search:
    def search(query: str) -> Sequence[tuple[int, float]]:
        scores = index.get_scores(tokens(query))
        best = sorted(range(len(scores)), key=lambda place: scores[place], reverse=True)[:MOST]
        return [(place, scores[place]) for place in best]

    return search


def _search(search: Search, queries: Sequence[str]) -> tuple[list[float], list[Sequence[tuple[int, float]]]]:
    """Return the microseconds of each query after a warm-up, and the hits."""
    found = [search(query) for query in queries]
    return [_timed(partial(search, query))[0] for query in queries], found


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the microseconds of one call, and what it returns."""
    started = time.process_time_ns()
    result = work()
    return (time.process_time_ns() - started) / 1e3, result


def _same(ours: Sequence[tuple[int, float]], theirs: Sequence[tuple[int, float]]) -> bool:
    return [(place, round(score, 4)) for place, score in ours] == [(place, round(score, 4)) for place, score in theirs]


def _ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e3
