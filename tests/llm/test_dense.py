"""Search by embeddings: documents are embedded once, vectors are kept, failures are nobody's, and cassettes replay."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core import AssistantMessage, Run, ToolCall, ToolMessage, UsageError, evaluate, open_episode
from tau2_core.testing.scripted_endpoint import (
    Answer,
    Asked,
    Dropped,
    Raw,
    Refusal,
    ScriptedEndpoint,
    Stalled,
    call,
    say,
)

from tests.bakery import forget_packs, in_process
from tests.documents import ROOT, write_files
from tests.executors.runs import by_slot
from tests.llm.embedded import embedded, texts_of, vectors

if TYPE_CHECKING:
    from tests.forked import Forks

PRICE = {"input_cost_per_token": 0.5, "output_cost_per_token": 0}
DOCUMENTS = 3


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pack of docs/how-to/knowledge.md, with a cache of its own."""
    forget_packs()
    monkeypatch.setenv("TAU2_GYM_CACHE", str(tmp_path / "cache"))
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    return tmp_path / "desk"


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(embedded) as opened:
        yield opened


def by_meaning(endpoint: ScriptedEndpoint, **args: Any) -> dict[str, Any]:
    return {"variant": "meaning", "variant_options": {"args": {"api_base": endpoint.url, **args}}}


class Searcher:
    """An agent that searches once, and says what it has found first."""

    async def reply(self, history: Any) -> Any:
        if isinstance(history[-1], ToolMessage):
            return AssistantMessage(content=str(history[-1].content).splitlines()[0])
        return AssistantMessage(tool_calls=[ToolCall(id="c", name="search", arguments={"query": "visitors?"})])


def play(desk: Path, name: str, **options: Any) -> Run:
    return evaluate(desk, agent=Searcher(), max_steps=6, name=name, out=desk.parent / "runs", **options)


@pytest.fixture
def gym(desk: Path, forks: Forks) -> Callable[..., CompletedProcess[str]]:
    """Run the command in a process that has imported litellm already, and so have its workers."""

    def run(*arguments: object, **variables: str) -> CompletedProcess[str]:
        env = os.environ | {"OPENAI_API_KEY": "sk-of-nobody", "PYTHONPATH": "", **variables}
        return forks.run([*map(str, arguments)], cwd=desk.parent, env=env, timeout=120, litellm=True)

    return run


def documents_asked(endpoint: ScriptedEndpoint) -> int:
    return sum(len(texts_of(asked)) for asked in endpoint.asked if len(texts_of(asked)) > 1)


def test_the_closest_documents_are_found_and_of_equal_ones_the_last(desk: Path, endpoint: ScriptedEndpoint) -> None:
    with open_episode(desk, "reset", **by_meaning(endpoint)) as episode:
        found = episode.call("search", query="Paper for a printer").content
        order = [line.split()[1] for line in str(found).splitlines() if line.startswith("   ID: ")]
        assert order == ["printers_paper", "printers_hanging", "visitors"]
        nothing = episode.call("search", query="zebra").content  # a vector of zeros
        assert nothing.startswith("1. Visitors\n   ID: visitors\n   Score: 0.0000\n")
        assert [episode.call("search", query=query).failure for query in (" ", "a" * 1_000_000)] == ["refused"] * 2
        assert episode.call("search", query=5).failure == "invalid_arguments"
        assert episode.record().usage["embedding"].requests == 1 + 2


def test_a_run_embeds_documents_once_and_counts_what_it_costs(desk: Path, endpoint: ScriptedEndpoint) -> None:
    run = play(desk, "first", trials=3, provider_limits={"openai": 1}, **by_meaning(endpoint, **PRICE))
    episodes = list(run.episodes)
    assert len(episodes) == 6
    assert all("1. Visitors" in str(episode.record.messages) for episode in episodes)
    assert documents_asked(endpoint) == DOCUMENTS
    assert endpoint.most_at_once == 1
    usage = [episode.record.usage["embedding"] for episode in episodes]
    assert sum(each.cost or 0 for each in usage) == 0.5 * sum(each.prompt_tokens for each in usage)
    searches = len(endpoint.asked) - 1
    assert sum(each.prompt_tokens for each in usage) == DOCUMENTS + searches
    forget_packs()
    play(desk, "second", **by_meaning(endpoint, **PRICE))
    assert documents_asked(endpoint) == DOCUMENTS  # they came from the disk


def test_a_cassette_replays_searches_without_the_endpoint(desk: Path, endpoint: ScriptedEndpoint) -> None:
    cassette = desk.parent / "cassette.jsonl"
    recorded = play(desk, "recorded", record=cassette, **by_meaning(endpoint))
    asked = len(endpoint.asked)
    lines = [json.loads(line) for line in cassette.read_text(encoding="utf-8").splitlines()]
    assert {line["role"] for line in lines} == {"embedding"}
    replayed = play(desk, "replayed", replay=cassette, **by_meaning(endpoint))
    texts = [[str(each.record.messages) for each in run.episodes] for run in (recorded, replayed)]
    assert texts[0] == texts[1]
    assert len(endpoint.asked) == asked
    documents = desk / "data" / "documents.yaml"
    documents.write_text(documents.read_text(encoding="utf-8").replace("a badge", "two badges"), encoding="utf-8")
    forget_packs()
    changed = play(desk, "changed", replay=cassette, **by_meaning(endpoint))
    assert {episode.record.termination for episode in changed.episodes} == {"infrastructure_error"}
    assert "documents was" in str([episode.record.error for episode in changed.episodes])


def test_over_mcp_a_search_is_the_same(desk: Path, endpoint: ScriptedEndpoint) -> None:
    runs = [play(desk, via, via=via, **by_meaning(endpoint)) for via in ("process", "mcp")]
    local, remote = ([str(each.record.messages) for each in run.episodes] for run in runs)
    assert local == remote
    assert [each.record.usage["embedding"].requests for each in runs[1].episodes] == [1, 1]


def searcher(asked: Asked) -> Answer:
    """Answer requests for embeddings, and play an agent that searches once, says what came first, and is done."""
    if "input" in asked.body:
        return embedded(asked)
    steps = [call(("search", {"query": "visitors?"})), say(asked.last[:12]), call(("transfer", {}))]
    return steps[min(asked.answered - 1, 2)]


def test_workers_search_as_one_process_does(desk: Path, gym: Callable[..., CompletedProcess[str]]) -> None:
    """Limits and the cassette are those of the run."""
    folders = []
    with ScriptedEndpoint(searcher, latency=0.002) as endpoint:
        place = json.dumps({"api_base": endpoint.url})
        agent = ("--agent-model", "endpoint/agent", "--agent-args", place)
        args = json.dumps({"api_base": endpoint.url, **PRICE})
        options = ("--variant", "meaning", "--variant-option", f"args={args}", "--trials", "2", "--max-steps", "20")
        for name, executor in {"one": (), "two": ("--executor", "processes", "--workers", "2")}.items():
            variables = {"TAU2_GYM_CACHE": str(desk.parent / f"cache-{name}")}
            record = ("--record", desk.parent / f"{name}.jsonl", "--provider-limit", "openai=1")
            run = ("run", "desk", "--pack", desk, *agent, *options, *executor, "--name", name, "--out", desk.parent)
            done = gym(*run, *record, **variables)
            assert done.returncode == 0, done.stderr
            folders.append(desk.parent / name)
        searched = len(endpoint.asked)
        replay = ("--name", "replayed", "--replay", desk.parent / "one.jsonl")
        replayed = gym(*run, *replay)
        assert (replayed.returncode, len(endpoint.asked)) == (0, searched)
    one, two = ([json.loads(line) for line in by_slot(folder / "episodes.jsonl")] for folder in folders)
    assert [each["messages"] for each in one] == [each["messages"] for each in two]
    assert all("1. Visitors" in str(each["messages"]) for each in two)
    embeddings = [asked for asked in endpoint.asked if "input" in asked.body]
    assert sum(len(texts_of(asked)) > 1 for asked in embeddings) in (2, 3)  # each worker may find an empty cache
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert summary["finished"] == 4
    told = [json.loads((folder / "run.json").read_text(encoding="utf-8"))["models"]["embedding"] for folder in folders]
    assert told[0] == told[1]


def test_workers_stop_at_an_endpoint_that_fails(desk: Path, gym: Callable[..., CompletedProcess[str]]) -> None:
    with ScriptedEndpoint(lambda _asked: Refusal(500)) as endpoint:
        args = f"args={json.dumps({'api_base': endpoint.url})}"
        options = ("--variant", "meaning", "--variant-option", args, "--attempts", "1")
        workers = ("--executor", "processes", "--workers", "2", "--name", "down", "--out", desk.parent)
        done = gym("run", "desk", "--pack", desk, *options, *workers)
    assert (done.returncode, "no episode could be evaluated" in done.stderr) == (1, True)
    grades = [json.loads(line) for line in by_slot(desk.parent / "down" / "grades.jsonl")]
    assert {grade["reward"] for grade in grades} == {None}


def test_damaged_vectors_are_noticed_and_made_again(
    desk: Path, endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def search() -> str:
        forget_packs()
        with open_episode(desk, "reset", **by_meaning(endpoint)) as episode:
            return episode.call("search", query="visitors").content

    found = search()
    files = sorted((desk.parent / "cache").rglob("*.vector"))
    assert len(files) == DOCUMENTS
    kept = files[0].read_bytes()
    for damaged in (kept[:-1], kept[:40] + bytes([kept[40] ^ 1]) + kept[41:], b""):
        files[0].write_bytes(damaged)
        with caplog.at_level(logging.WARNING):
            assert search() == found
        assert f"{files[0]} is damaged and is computed again" in caplog.text
        assert files[0].read_bytes() == kept


def fails_from(first: int, answer: Answer) -> Callable[[Asked], Answer]:
    return lambda asked: answer if asked.number >= first else embedded(asked)


@pytest.mark.parametrize("first", [0, 1], ids=["documents", "query"])
@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Dropped(), "connection: "),
        (Refusal(500), "server: "),
        (Refusal(401, "no such key"), "credentials: "),
        (Stalled(), "timeout: no answer within 0.3 s"),
        (Raw(b"<html>"), "unreadable: "),
        (Raw(b'{"object": "list", "data": []}'), "unreadable: "),
        (Raw(b'{"choices": []}'), "unreadable: "),
        (vectors([[float("nan")], [0.5], [0.5]]), "unreadable: "),
        (vectors([[1.0], [1.0, 2.0], [0.5]]), "unreadable: "),
        (vectors([[0.5]] * 5), "has 5 vectors for "),
    ],
)
def test_an_endpoint_that_fails_is_an_infrastructure_error(desk: Path, first: int, answer: Answer, cause: str) -> None:
    with ScriptedEndpoint(fails_from(first, answer)) as endpoint:
        options = by_meaning(endpoint) | {"attempts": 1, "call_timeout": 0.3}
        with open_episode(desk, "reset", **options) as episode:
            answered = episode.call("search", query="visitors")
            assert answered.failure == "crashed"
            assert episode.ended == "infrastructure_error"
            assert cause in str(episode.record().error)
            assert episode.grade().reward is None


def test_a_run_without_its_endpoint_has_no_score_and_says_what_to_do(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    with ScriptedEndpoint(embedded) as endpoint:
        url = endpoint.url  # where nothing listens from now on
    place = ("--variant", "meaning", "--variant-option", f"args={json.dumps({'api_base': url})}", "--attempts", "1")
    run = desk.parent / "down"
    done = in_process("run", "desk", "--pack", desk, *place, "--name", run.name, "--out", run.parent)
    assert done.returncode == 1
    assert f"the embedding's model openai/text-embedding-3-small (provider openai, at {url}) cannot be" in done.stderr
    assert "among its arguments, an option of the variant (--variant-option) or OPENAI_BASE_URL" in done.stderr
    assert "no episode could be evaluated: 1 infrastructure_error" in done.stderr
    (grade,) = (json.loads(line) for line in (run / "grades.jsonl").read_text(encoding="utf-8").splitlines())
    assert grade["reward"] is None


def test_vectors_of_another_size_are_an_infrastructure_error(desk: Path) -> None:
    endpoint = ScriptedEndpoint(fails_from(1, vectors([[1.0, 2.0]])))
    with endpoint, open_episode(desk, "reset", attempts=1, **by_meaning(endpoint)) as episode:
        episode.call("search", query="visitors")
        assert "the query's vector has 2 numbers, those of the documents 3" in str(episode.record().error)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"args": {"api_key": "sk-secret"}}, "option model_args contains a key, and options are recorded"),
        ({"model": "text-embedding-3-small"}, "should be a model, as PROVIDER/NAME, not 'text-embedding-3-small'"),
        ({"model": "endpoint/any"}, "write openai/any with api_base, not endpoint/any"),
        ({"model": "nobody/any"}, "model 'nobody/any': there is no such provider"),
        ({"model": 5}, "option model of variant 'meaning' of desk should be of type str"),
    ],
)
def test_wrong_options_are_refused(desk: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_episode(desk, "reset", variant="meaning", variant_options=options)
    assert said in str(refused.value)
    assert "sk-secret" not in str(refused.value)
