"""Searches in a server's episodes: models are opened for each setting, as in runs, and nobody holds up the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core.testing.scripted_endpoint import Refusal, ScriptedEndpoint

from tests.bakery import in_process
from tests.documents import ROOT, write_files
from tests.gym.slots import claim, lines
from tests.llm.embedded import embedded, texts_of

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World

PRICE = {"input_cost_per_token": 0.5, "output_cost_per_token": 0}
QUESTION = {"query": "A badge for visitors?"}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The pack of docs/how-to/knowledge.md."""
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    return tmp_path / "desk"


def reaching(endpoint: ScriptedEndpoint, desk: Path) -> dict[str, str]:
    """Return the environment of a server whose embeddings come from the endpoint, with a cache of its own."""
    cache = str(desk.parent / "cache")
    return {"OPENAI_API_KEY": "sk-of-nobody", "OPENAI_BASE_URL": endpoint.url, "TAU2_GYM_CACHE": cache}


def meaning(server: Server, **wishes: Any) -> World:
    return server.create("desk", task_id="reset", variant="meaning", **wishes)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_session_may_search_by_meaning(start: Start, desk: Path, workers: int) -> None:
    with ScriptedEndpoint(embedded, latency=0.005) as endpoint:
        limits = ("--provider-limit", "openai=1", "--workers", workers)
        server = start("desk", "--pack", desk, *limits, **reaching(endpoint, desk))
        assert not endpoint.asked
        by_words = server.create("desk", task_id="reset")
        worlds = [meaning(server) for _ in range(4)]
        for world in worlds:
            assert world.text("search", QUESTION).startswith("1. Visitors\n")
            assert world.text("search", {"query": "Paper, printer"}).startswith("1. Paper for printers\n")
        assert "Printers that hang" in by_words.text("search", {"query": "printer hangs"})
        usage = [world.record()["usage"] for world in (*worlds, by_words)]
        assert [each["embedding"]["requests"] for each in usage[:-1]] == [3, 2, 2, 2]
        assert usage[-1] == {}
        for world in (*worlds, by_words):
            world.delete()
        server.stop()
    assert endpoint.most_at_once == 1
    assert [len(texts_of(asked)) for asked in endpoint.asked] == [3, *[1] * 8]
    models = [json.loads(file.read_text(encoding="utf-8"))["models"] for file in server.folder.glob("runs/*/run.json")]
    assert sorted(list(each) for each in models) == [[], ["embedding"]]
    assert {record["termination"] for record in server.kept()} == {"agent_stop"}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_endpoint_that_fails_ends_the_session_without_a_score(start: Start, desk: Path, workers: int) -> None:
    with ScriptedEndpoint(lambda _asked: Refusal(500)) as endpoint:
        options = ("--workers", workers, "--attempts", 1)
        server = start("desk", "--pack", desk, *options, **reaching(endpoint, desk))
        world = meaning(server)
        assert world.call("search", QUESTION)["isError"]
        assert world.state()["termination"] == "infrastructure_error"
        assert world.reward() is None
        assert "server: " in world.record()["error"]
        other = server.create("desk", task_id="reset")
        assert "Printers that hang" in other.text("search", {"query": "printer hangs"})


def test_a_client_cannot_choose_the_model_or_its_address(start: Start, desk: Path) -> None:
    """The server would send its key there. Whoever starts the server may choose."""
    with ScriptedEndpoint(embedded) as endpoint, ScriptedEndpoint(embedded) as foreign:
        own, theirs = ({"args": {"api_base": each.url}} for each in (endpoint, foreign))
        run = ("--variant", "meaning", "--variant-option", f"args={json.dumps(own['args'])}", "--name", "r")
        server = start("desk", "--pack", desk, *run, **reaching(endpoint, desk))
        for options in (theirs, {"model": "openai/other"}, {"args": {"api_base": endpoint.url, "dimensions": 2}}):
            wish = {"domain": "desk", "variant": "meaning", "variant_options": options}
            refused = server.http.post("/v1/episodes", json=wish)
            assert refused.status_code == 422
            said = "the embedding model or its arguments differ from those that variant 'meaning' of desk declares"
            assert said in refused.json()["error"]["message"]
        for world in (meaning(server), meaning(server, variant_options=own), claim(server)):
            assert world.text("search", QUESTION).startswith("1. Visitors\n")
        server.stop()
        assert not foreign.asked


def test_costs_of_searches_count(start: Start, desk: Path) -> None:
    manifest = desk / "domain.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("openai/gpt-5.2", "openai/unpriced"))
    with ScriptedEndpoint(embedded) as endpoint:
        priced = {"api_base": endpoint.url, **PRICE}
        run = ("--variant", "meaning", "--variant-option", f"args={json.dumps(priced)}", "--name", "r")
        server = start("desk", "--pack", desk, *run, "--max-cost", 2, **reaching(endpoint, desk))
        refused = server.http.post("/v1/episodes", json={"domain": "desk", "variant": "rated"})
        assert (refused.status_code, "the price of openai/unpriced is not known" in refused.text) == (422, True)
        assert "among its arguments, an option of the variant" in refused.json()["error"]["message"]
        claim(server).text("search", QUESTION)
        assert server.http.post("/v1/episodes", json={"domain": "desk"}).json()["error"]["code"] == "max_cost"


def test_limits_name_a_provider_that_a_model_may_have(desk: Path) -> None:
    done = in_process("serve", "desk", "--pack", desk, "--provider-limit", "opneai=1", "--port", "0")
    said = "--provider-limit opneai: no model of this run has that provider (did you mean 'openai'?)"
    assert (done.returncode, said in done.stderr) == (2, True)


def test_a_slow_pattern_holds_up_no_other_session(start: Start, desk: Path) -> None:
    """A pack's promise to be quick is not its retriever's."""
    for file, old, new in (
        ("domain.yaml", "name: desk\n", "name: desk\nquick: true\n"),
        ("tools/search.yaml", "retriever: bm25", "retriever: grep"),
        ("tools/search.yaml", "{top_k: $top_k}", "{top_k: $top_k, seconds: 0.3}"),
        ("data/documents.yaml", "Visitors get a badge", f"{'a' * 5000}! Visitors get a badge"),
    ):
        text = (desk / file).read_text(encoding="utf-8")
        (desk / file).write_text(text.replace(old, new), encoding="utf-8")
    server = start("desk", "--pack", desk)
    slow = server.create("desk", task_id="reset").call("search", {"query": "(a+)+$"})
    assert "the pattern took longer than 0.3 seconds" in slow["content"][0]["text"]
    server.stop()
    assert "blocked the server" not in server.log()
    assert lines(*server.folder.glob("runs/*/episodes.jsonl"))
