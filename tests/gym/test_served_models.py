"""Served episodes with models: as in a run, and judged later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tau2_core.cli.app import app
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say
from typer.testing import CliRunner

from tests.gym.conftest import World
from tests.gym.slots import claim, folder, lines, progress

if TYPE_CHECKING:
    from tests.conftest import Gym
    from tests.gym.conftest import Start

CASSETTES = Path(__file__).parents[2] / "examples/cassettes"
MODELS = ("--config", CASSETTES / "models.yaml", "--task", "transfer_deletion", "--replay", CASSETTES / "mock.jsonl")


def transfer(world: World) -> None:
    """Play as the agent in the cassette did."""
    assert "task_1 is nonsense" in world.say().json()["reply"]
    world.text("transfer_to_human_agents", {"summary": "Nadia Okafor wants task_1 deleted."})
    assert world.say("You are being transferred.\nThat is everything.").json()["status"] == "ended"


def test_models_play_the_customer_and_the_judge_as_in_a_run(start: Start, gym: Gym) -> None:
    server = start("mock", *MODELS, "--judge-all", "--name", "r")
    world = claim(server)
    transfer(world)
    grade = world.control(what="/reward").json()["grade"]
    server.stop()
    assert lines(folder(server) / "grades.jsonl") == [grade]
    played = gym("run", "mock", *MODELS, "--judge-all", "--name", "own", "--out", server.folder / "runs")
    assert played.returncode == 0, played.stderr
    own = server.folder / "runs/own"
    for name in ("grades.jsonl", "judgements.jsonl"):
        assert lines(folder(server) / name) == lines(own / name)
    (served,), (local,) = lines(folder(server) / "episodes.jsonl"), lines(own / "episodes.jsonl")
    assert served["usage"]["user"] == local["usage"]["user"]
    assert [message.get("content") for message in served["messages"]] == [
        message.get("content") for message in local["messages"]
    ]


def test_pending_episodes_are_judged_later(start: Start, gym: Gym) -> None:
    task = {
        "id": "polite",
        "user_scenario": {"instructions": "You want nothing."},
        "evaluation_criteria": {"nl_assertions": ["The agent is polite."], "reward_basis": ["NL_ASSERTION"]},
    }
    server = start("mock")
    world = server.create(task=task)
    world.call("get_users")
    assert world.control(what="/reward").json()["grade"]["pending"] == ["NL_ASSERTION"]
    server.stop()
    (run,) = (server.folder / "runs").iterdir()
    with ScriptedEndpoint(GoldScript([])) as endpoint:
        place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        done = gym("grade", run, "--judge-model", "endpoint/judge", "--judge-args", place)
    assert done.returncode == 0, done.stderr
    assert [grade["reward"] for grade in lines(run / "grades.jsonl")] == [1.0]


def test_several_judges_decide_by_their_rule(start: Start) -> None:
    with ScriptedEndpoint(GoldScript([])) as endpoint:
        place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        judges = ("--judge-model", "endpoint/judge-a", "--judge-model", "endpoint/judge-b", "--judge-args", place)
        options = ("--task", "create_plain", "--judge-all", "--name", "r", "--agent-name", "oracle")
        server = start("mock", *options, *judges, "--judge-rule", "unanimous")
        world = claim(server)
        while world.say("It cannot be done.").json()["status"] != "ended":
            pass
        server.stop()
    (judgement,) = lines(folder(server) / "judgements.jsonl")
    assert judgement["model"] == "endpoint/judge-a + endpoint/judge-b (unanimous)"
    assert [vote["statements"][0]["met"] for vote in judgement["votes"]] == [True, True]


def test_the_customers_model_gets_what_the_official_runner_sends(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "checkout" / "data" / "tau2" / "domains" / "mock"
    home.mkdir(parents=True)
    task = {"id": "x", "user_scenario": {"instructions": "You want a task."}}
    (home / "tasks.json").write_text(json.dumps([task]))
    with ScriptedEndpoint(lambda _asked: say("###STOP###")) as endpoint:
        place = json.dumps({"api_base": endpoint.url})
        customer = ("--user-model", "endpoint/customer", "--user-args", place)
        server = start("mock", "--dataset", tmp_path / "checkout", *customer, "--task", "x", "--name", "r")
        claim(server).say("What can I do?")
        server.stop()
    assert [asked.body["temperature"] for asked in endpoint.asked] == [0.0]
    told = json.loads((folder(server) / "run.json").read_text())["models"]["user"]
    assert (told["args"]["temperature"], told["from_dataset"]) == (0.0, ["temperature"])


def test_a_served_run_with_pending_episodes_is_judged_later(start: Start, gym: Gym, tmp_path: Path) -> None:
    file = tmp_path / "evaluation.yaml"
    file.write_text("extends: tau2\nevaluators:\n  NL_ASSERTION: {counts: always}\n")
    server = start("mock", "--task", "transfer_deletion", "--evaluators", file, "--name", "r")
    world = claim(server)
    world.text("transfer_to_human_agents", {"summary": "Nadia Okafor wants task_1 deleted."})
    while world.say("You are being transferred.").json()["status"] == "open":
        pass
    assert (progress(server)["graded"], progress(server)["pending"]) == (1, 1)
    server.stop()
    (grade,) = lines(folder(server) / "grades.jsonl")
    assert (grade["outcome"], grade["pending"]) == ("pending", ["NL_ASSERTION"])
    with ScriptedEndpoint(GoldScript([])) as endpoint:
        place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        judge = ("--judge-model", "endpoint/judge", "--judge-args", place)
        done = gym("grade", folder(server), *judge, "--evaluators", file)
    assert done.returncode == 0, done.stderr
    (grade,) = lines(folder(server) / "grades.jsonl")
    assert (grade["outcome"], grade["reward"], grade["pending"]) == ("solved", 1.0, [])
    assert len(lines(folder(server) / "judgements.jsonl")) == 1


def test_served_customers_have_a_prompt_a_persona_and_checked_drafts(start: Start) -> None:
    def script(asked: Asked) -> Answer:
        plan = "<plan>\nopen: -\nrevealed: -\nagreed: -\n</plan>\n"
        if asked.answered:
            return say(f"{plan}###STOP###")
        noted = asked.last.startswith("[Not from the agent")
        return say(f"{plan}Please add a task." if noted else f"{plan}How can I help you?")

    with ScriptedEndpoint(script) as endpoint:
        place = json.dumps({"api_base": endpoint.url})
        customer = ("--user-model", "endpoint/customer", "--user-args", place, "--user-prompt", "planned")
        server = start("mock", *customer, "--user-check", "--persona", "terse", "--persona", "hurried", "--no-token")
        worlds = [server.create(task_id="create_plain", seed=seed) for seed in (0, 1)]
        for world in worlds:
            assert world.say().json()["reply"] == "Please add a task."
            assert world.say("Yes.").json()["status"] == "ended"
        plain = server.create(task_id="create_plain", user="scripted")
        assert plain.say().status_code == 200
        for world in worlds:
            world.control(what="/reward")
        server.stop()
        assert {asked.system.partition("<manner>\n")[2][:13] for asked in endpoint.asked} == {
            "You are terse",
            "You are in a ",
        }
    records = [record for record in server.kept() if "persona" in record]
    assert {record["persona"] for record in records} == {"terse", "hurried"}
    for record in records:
        first, second = record["customer_turns"]
        assert [fault["found_by"] for fault in first["faults"]] == ["spoke_as_agent"]
        assert second["plan"] == {"open": [], "revealed": [], "agreed": []}


def test_a_server_refuses_customers_that_a_domain_does_not_have(tmp_path: Path) -> None:
    options = ["--user-model", "endpoint/customer", "--user-args", '{"api_base": "http://127.0.0.1:9/v1"}']
    for option, name in (("--user-prompt", "carful"), ("--persona", "ters")):
        done = CliRunner().invoke(app, ["serve", "mock", *options, option, name, "--port", "0"])
        assert f"mock has no {option.rpartition('-')[2]} {name!r}" in str(done.exception)
