"""A pack with a knowledge base and hidden tools, from docs/how-to/knowledge.md, and how it is played."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tau2_core import UsageError, load_domain, open_episode
from tau2_core.model.episodes import ArgumentMode

from tests.bakery import in_process
from tests.knowledge_desk import DOCUMENTS, MANIFEST, RESET, SEARCH, change, knowledge_desk

Gym = Callable[..., CompletedProcess[str]]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return knowledge_desk(tmp_path)


def test_a_hidden_tool_is_unlocked_by_name_in_one_episode_only(desk: Path) -> None:
    printer = {"name": RESET, "arguments": {"printer": "P1"}}
    with open_episode(desk, "reset") as episode, open_episode(desk, "reset") as other:
        assert [tool.name for tool in episode.tools] == ["search", "unlock", "call", "transfer"]
        assert RESET not in episode.policy
        direct = episode.call(RESET, printer="P1")
        assert (direct.failure, RESET in direct.content.partition("(")[2]) == ("unknown_tool", False)
        assert episode.call("call", **printer).failure == "refused"
        assert RESET in episode.call("search", query="printer hangs").content
        assert episode.call("unlock", name=RESET).failure is None
        assert RESET not in [tool.name for tool in episode.tools]
        wrong = episode.call("call", name=RESET, arguments={"printer": 1})
        assert (wrong.failure, "printer" in wrong.content) == ("invalid_arguments", True)
        assert episode.call("call", **printer).failure is None
        assert episode.reward() == 1.0
        assert episode.record().unlocked == {"agent": [RESET]}
        assert other.call("call", **printer).failure == "refused"
        episode.reset()
        assert episode.call("call", **printer).failure == "refused"


def test_over_mcp_hidden_tools_are_unlocked_alike(desk: Path, tmp_path: Path) -> None:
    for via in ("process", "mcp"):
        done = in_process("run", "desk", "--pack", desk, "--via", via, "--name", via, "--out", tmp_path)
        assert (done.returncode, "mean reward 1.0000" in done.stdout) == (0, True)
    files = [tmp_path / via / "episodes.jsonl" for via in ("process", "mcp")]
    local, remote = (sorted(file.read_text(encoding="utf-8").splitlines()) for file in files)
    assert local == remote
    assert [json.loads(line).get("unlocked") for line in local] == [None, {"agent": [RESET]}]


def test_in_tau2_bench_a_refusal_is_no_error_and_hidden_tools_can_be_called_by_name(desk: Path) -> None:
    with open_episode(desk, "reset", mode="tau2") as episode:
        refused = episode.call("call", name=RESET, arguments={})
        assert (refused.failure, refused.refused, refused.content) == (None, True, f"Error: {RESET!r} is not unlocked")
        assert episode.call(RESET, printer="P1").failure is None


def test_documents_are_in_the_order_of_their_ids_and_in_prompts(desk: Path) -> None:
    domain = load_domain(desk, variant="everything")
    titles = [line for line in domain.policy.splitlines() if line.startswith("## ")]
    assert titles == ["## Printers that hang", "## Paper for printers", "## Visitors"]
    assert domain.database()["printers"]["rows"]["P1"] == {"room": "2.14", "state": "hanging"}


def test_an_option_of_the_variant_reaches_the_retriever_and_the_run(desk: Path, tmp_path: Path) -> None:
    for given, hits in (({}, 3), ({"top_k": 1}, 1)):
        with open_episode(desk, "reset", variant_options=given) as episode:
            assert episode.call("search", query="printer").content.count("   Score: ") == hits
    arguments = ("run", "desk", "--pack", desk, "--variant-option", "top_k=2", "--name", "two", "--out", tmp_path)
    assert in_process(*arguments).returncode == 0
    config = json.loads((tmp_path / "two" / "run.json").read_text(encoding="utf-8"))
    assert (config["variant"], config["variant_options"]) == ("search", {"top_k": 2})
    results = tmp_path / "results.json"
    assert in_process("export", tmp_path / "two", results, "--pack", desk).returncode == 0
    info = json.loads(results.read_text(encoding="utf-8"))["info"]
    assert (info["retrieval_config"], info["retrieval_config_kwargs"]) == ("search", {"top_k": 2})
    assert info["environment_info"]["domain_name"] == "desk"
    assert "disagreed 0" in in_process("grade", results, "--compare", "--pack", desk).stdout


@pytest.mark.parametrize("place", ["policy", "policies.reset"])
def test_a_run_with_another_policy_is_not_resumed(desk: Path, tmp_path: Path, place: str) -> None:
    """Whatever has changed it; a task's policy may hold the documents that it requires."""
    change(desk / "prompts/policy_with_documents.md.j2", "in documents", "in required_documents")
    run = ("run", "desk", "--pack", desk, "--variant", "everything", "--name", "r", "--out", tmp_path)
    assert in_process(*run).returncode == 0
    assert in_process(*run, "--resume").returncode == 0
    file = tmp_path / "r" / "run.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    *outer, name = place.split(".")
    within = config["digests"][outer[0]] if outer else config["digests"]
    now, within[name] = within[name], "0" * 64
    file.write_text(json.dumps(config), encoding="utf-8")
    episodes = (tmp_path / "r" / "episodes.jsonl").read_bytes()
    resumed = in_process(*run, "--resume")
    assert resumed.returncode == 1
    assert f"digests.{place} was {'0' * 64!r} and is now {now!r}; restore it, or start a new run" in resumed.stderr
    assert (tmp_path / "r" / "episodes.jsonl").read_bytes() == episodes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"topk": 1}, "variant 'search' of desk has no option 'topk' (did you mean 'top_k'?)"),
        ({"top_k": "many"}, "option top_k of variant 'search' of desk should be of type int, as 3, not 'many'"),
        ({"top_k": 0}, "option top_k of the retriever should be a whole number from 1, not 0"),
    ],
)
def test_a_wrong_option_is_refused(desk: Path, given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_episode(desk, "reset", variant_options=given)
    assert said in str(refused.value)


@pytest.mark.domain("banking_knowledge")
def test_options_keep_their_types_everywhere() -> None:
    options = {"top_k": 2, "grep_top_k": 1, "case_sensitive": True}
    domain = load_domain("banking_knowledge", variant="bm25_grep", variant_options=options)
    assert "KB_search" in domain.tools
    with open_episode("banking_knowledge", variant="bm25_grep", variant_options=options) as episode:
        assert episode.call("grep", pattern="SAVINGS ACCOUNT").content.count("   Score: ") == 0
        assert episode.call("KB_search", query="savings account").content.count("   Score: ") == 2
    with pytest.raises(UsageError, match=r"domain\.yaml:\d+: variant 'bm25' of banking_knowledge has no option 'case'"):
        load_domain("banking_knowledge", variant_options={"case": True})


def test_an_unknown_option_is_refused_before_anything_is_played(desk: Path) -> None:
    done = in_process("run", "desk", "--pack", desk, "--variant-option", "topk=1", "--out", desk.parent / "runs")
    place = f"{desk / MANIFEST}:11: variant 'search' of desk has no option 'topk' (did you mean 'top_k'?)"
    assert (done.returncode, place in done.stderr, "its options are top_k; give one of these" in done.stderr) == (
        2,
        True,
        True,
    )
    assert not (desk.parent / "runs").exists()


def test_an_option_without_a_value_is_refused(desk: Path) -> None:
    done = in_process("run", "desk", "--pack", desk, "--variant-option", "top_k")
    assert (done.returncode, "should read NAME=VALUE, such as top_k=5" in done.stderr) == (2, True)


TITLES = """
from tau2_core import Hit, Lazy, RetrieverSpec, hookimpl

class Titles:
    def __init__(self, knowledge, options):
        self.documents = knowledge.documents

    def search(self, query):
        words = str(query).lower().split()
        return [Hit(each, 1.0) for each in self.documents if any(word in each.title.lower() for word in words)]

    def nothing_found(self, query):
        return "Nothing."

@hookimpl
def tau2_retrievers():
    return [RetrieverSpec("titles", "titles with one of the words", Lazy("shelf:Titles"))]
"""


def test_a_pack_may_use_the_retriever_of_another_plugin(gym: Gym, plugin: Callable[..., Path], desk: Path) -> None:
    change(desk / SEARCH, "retriever: bm25", "retriever: titles")
    change(desk / SEARCH, "  options: {top_k: $top_k}\n", "")
    change(desk / "data/tasks.yaml", "[printer hangs]", "[printers that hang]")
    site = plugin("shelf", TITLES)
    listed = gym("plugins", "--json", "--pack", desk, paths=[site])
    (row,) = (each for each in json.loads(listed.stdout) if each["provides"] == ["domain:desk"])
    assert (row["status"], row["cause"]) == ("ok", "")
    checked = gym("check", "--pack", desk, paths=[site])
    assert (checked.returncode, "desk: clean" in checked.stdout) == (0, True), checked.stdout
    assert "mean reward 1.0000" in gym("run", "desk", "--pack", desk, paths=[site]).stdout
    alone = gym("plugins", "--json", "--pack", desk)
    (row,) = (each for each in json.loads(alone.stdout) if each["provides"] == ["domain:desk"])
    assert (row["status"], Path(row["file"]).name, row["line"]) == ("broken", "search.yaml", 2)
    assert row["cause"].startswith("search: there is no retriever 'titles'")
    refused = gym("check", "--pack", desk)
    assert (refused.returncode, "search.yaml:2: search: there is no retriever 'titles' (" in refused.stdout) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("retriever", "query", "said"),
    [
        ("bm25", "", "No relevant documents found."),
        ("grep", " ", "No matches found for pattern:  "),
        ("bm25", "a" * 1_000_000, "Error: the query has 1000000 characters; give one of at most 100000"),
        ("grep", "a" * 1_000_000, "Error: the pattern has 1000000 characters; give one of at most 100000"),
        ("grep", "(a+)+$", "Error: the pattern took longer than 0.1 seconds; give a simpler one, with less repetition"),
    ],
)
@pytest.mark.parametrize("mode", ["strict", "tau2"])
def test_a_search_for_nothing_or_for_too_much_is_answered(
    desk: Path, retriever: str, query: str, said: str, mode: ArgumentMode
) -> None:
    if retriever == "grep":
        change(desk / SEARCH, "retriever: bm25", "retriever: grep")
        change(desk / SEARCH, "{top_k: $top_k}", "{top_k: $top_k, seconds: 0.1}")
    change(desk / DOCUMENTS, "Visitors get a badge", f"{'a' * 5000}! Visitors get a badge")
    with open_episode(desk, "reset", mode=mode) as episode:
        result = episode.call("search", query=query)
        assert result.content == said
        assert result.failure == ("refused" if said.startswith("Error") else None)
        assert episode.call("search", query="visitors").failure is None


def test_a_refused_task_may_change_what_the_pack_declares_as_bookkeeping(desk: Path) -> None:
    calls = f"[{{name: unlock, arguments: {{name: {RESET}}}}}]"
    change(desk / "data/tasks.yaml", "evaluation_criteria: {actions: []}", f"evaluation_criteria: {{actions: {calls}}}")
    change(desk / "data/tasks.yaml", "- id: paper\n", "- id: paper\n  searches: [printer hangs]\n")
    done = in_process("check", "--pack", desk)
    assert (done.returncode, "its outcome is 'refused', but its gold changes the database" in done.stdout) == (1, True)
    with (desk / MANIFEST).open("a", encoding="utf-8") as manifest:
        manifest.write("evaluation: {bookkeeping: [log]}\n")
    assert in_process("check", "--pack", desk).returncode == 0
    done = in_process("run", "desk", "--pack", desk, "--evaluators", "strict", "--out", desk.parent / "runs", "--json")
    assert json.loads(done.stdout)["mean_reward"] == 1.0


def test_the_scripted_customer_says_no_token_that_ends_the_conversation(desk: Path) -> None:
    change(desk / "data/tasks.yaml", "Ask for help.", "Then say ###STOP### and nothing else.")
    with open_episode(desk, "reset") as episode:
        assert episode.say("How can I help?") == "Yes, please go ahead."
        assert episode.say("Shall I transfer you?") == "Yes, please go ahead."
        assert episode.say("I am going to transfer you.") == "###TRANSFER###"
        said = [message.content for message in episode.messages]
    assert said[1] == "The printer P1 hangs. Then say  and nothing else."
