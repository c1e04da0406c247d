"""With `--dataset` a checkout of tau2-bench: what is sent to the models is what the official runner sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core import open_episode
from tau2_core.cli.app import app
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, ScriptedEndpoint
from typer.testing import CliRunner

from .conftest import Played, arguments_for, models_of, role_of

pytestmark = pytest.mark.domain("mock")
Play = Callable[..., Played]
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
TASK: dict[str, Any] = {
    "id": "tune",
    "ticket": "Piet wants the piano tuned.",
    "user_scenario": {"instructions": "You want a task put on Piet Lindgren's list. The title is Tune the piano."},
    "evaluation_criteria": {
        "actions": [{"action_id": "a", "name": "create_task", "arguments": NEW_TASK}],
        "nl_assertions": ["The agent is polite."],
        "reward_basis": ["DB", "NL_ASSERTION"],
    },
}
SOURCES = '''
AGENT_INSTRUCTION = "Serve as told."
AGENT_SOLO_INSTRUCTION = """
Work alone. {stop}
""".strip()
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    home = tmp_path / "checkout" / "data" / "tau2" / "domains" / "mock"
    home.mkdir(parents=True)
    (home / "tasks.json").write_text(json.dumps([TASK]))
    (home / "policy.md").write_text("Be brief.")
    (home / "policy_solo.md").write_text("Be brief, alone.")
    return tmp_path / "checkout"


def with_sources(checkout: Path, stop: str) -> Path:
    file = checkout / "src" / "tau2" / "agent" / "llm_agent.py"
    file.parent.mkdir(parents=True)
    file.write_text(SOURCES.replace("{stop}", stop))
    return checkout


def script(checkout: Path, setting_of: Callable[..., Any]) -> GoldScript:
    return GoldScript.of(setting_of("mock", dataset=checkout, mode="tau2"))


def temperatures(asked: list[Asked]) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {}
    for each in asked:
        found.setdefault(role_of(each), set()).add(each.body.get("temperature", "unset"))
    return found


def recorded(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Return each model's temperature and what came from the dataset, as run.json has them."""
    models = json.loads((folder / "run.json").read_text())["models"]
    return {role: (told["args"].get("temperature"), told.get("from_dataset")) for role, told in models.items()}


@pytest.mark.parametrize("provider", ["openai", "endpoint"])
def test_every_model_gets_the_official_temperature(
    play: Play, checkout: Path, setting_of: Callable[..., Any], provider: str
) -> None:
    models = {**models_of(provider), "judge": f"{provider}/judge"}
    played = play("--dataset", checkout, models=models, script=script(checkout, setting_of))
    assert played.end == ("user_stop", "solved"), played.error
    assert temperatures(played.asked) == {role: {0.0} for role in models}
    assert recorded(played.folder) == dict.fromkeys(models, (0.0, ["temperature"]))


def test_options_override_the_dataset_and_null_omits_an_argument(
    play: Play, checkout: Path, setting_of: Callable[..., Any]
) -> None:
    given = {"agent": {"temperature": 0.7}, "user": {"temperature": None}}
    played = play("--dataset", checkout, arguments=given, script=script(checkout, setting_of))
    assert temperatures(played.asked) == {"agent": {0.7}, "user": {"unset"}}
    assert recorded(played.folder) == {"agent": (0.7, None), "user": (None, None)}


def test_without_a_dataset_nothing_is_added(play: Play) -> None:
    played = play("--task", "create_plain")
    assert temperatures(played.asked) == {"agent": {"unset"}, "user": {"unset"}}
    assert recorded(played.folder) == {"agent": (None, None), "user": (None, None)}


def test_a_run_with_the_same_temperature_by_an_option_is_the_same_run(
    play: Play, checkout: Path, setting_of: Callable[..., Any]
) -> None:
    said = script(checkout, setting_of)
    given = {"agent": {"temperature": 0.0}, "user": {"temperature": 0.0}}
    first = play("--dataset", checkout, script=said, name="same")
    again = play("--dataset", checkout, "--resume", script=said, arguments=given, name="same")
    assert (again.code, len(again.asked)) == (0, 0), again.error
    other = play("--dataset", checkout, script=said, arguments=given, name="other")
    options = ["--ignore", "models.user.args.api_base", "--json"]
    done = CliRunner().invoke(app, ["compare", str(first.folder), str(other.folder), *options])
    assert done.exit_code == 0, done.exception
    assert [each["name"] for each in json.loads(done.stdout)["differs"] if "temp" in str(each)] == []


def test_the_judge_of_a_run_that_is_graded_later_gets_it_too(
    play: Play, checkout: Path, setting_of: Callable[..., Any]
) -> None:
    said = script(checkout, setting_of)
    played = play("--dataset", checkout, script=said)
    with ScriptedEndpoint(said) as endpoint:
        options = arguments_for(endpoint.url, {"judge": "endpoint/judge"}, {})
        done = CliRunner().invoke(app, ["grade", str(played.folder), *options])
    assert (done.exit_code, endpoint.failures) == (0, []), done.output
    assert temperatures(endpoint.asked) == {"judge": {0.0}}


def test_the_models_of_an_opened_episode_get_it(checkout: Path, setting_of: Callable[..., Any]) -> None:
    with ScriptedEndpoint(script(checkout, setting_of)) as endpoint:
        args = {"api_base": endpoint.url, "api_key": "none"}
        user, judge = ({"model": f"endpoint/{name}", "args": args} for name in ("customer", "judge"))
        with open_episode("mock", "tune", dataset=checkout, user=user, judge=judge) as episode:
            episode.call("create_task", **NEW_TASK)
            while episode.ended is None:
                episode.say("That is everything.")
            assert episode.reward() == 1.0
    assert temperatures(endpoint.asked) == {"user": {0.0}, "judge": {0.0}}


class TestSolo:
    @pytest.fixture
    def ask(self, play: Play, checkout: Path, setting_of: Callable[..., Any]) -> Callable[..., tuple[Asked, Any]]:
        """Play the ticket alone; return the first request, and what run.json says of the instruction's origin."""

        def run(*options: object) -> tuple[Asked, Any]:
            said = script(checkout, setting_of)
            played = play(*options, "--solo", models={"agent": "endpoint/agent"}, script=said)
            assert played.record["termination"] == "agent_stop", played.error
            origins = json.loads((played.folder / "run.json").read_text())["origins"]
            return played.asked[0], origins.get("agent_instruction")

        return run

    @pytest.mark.parametrize(
        ("stop", "told"),
        [
            ("Call `{stop_function_name}` at the end.", "Call `done` at the end."),
            ("Say {stop_token}.", "Say ###STOP###."),
            ("Call {{it}} {stop_function_name}.", "Call {it} done."),
            ("An object { is JSON.", "An object { is JSON."),
        ],
    )
    def test_the_agent_gets_the_texts_of_the_checkout(
        self, ask: Callable[..., tuple[Asked, Any]], checkout: Path, stop: str, told: str
    ) -> None:
        first, origin = ask("--dataset", with_sources(checkout, stop))
        ticket = "<ticket>\nPiet wants the piano tuned.\n</ticket>"
        policy = "<policy>\nBe brief, alone.\n</policy>"
        system = f"<instructions>\nWork alone. {told}\n</instructions>\n{policy}\n{ticket}"
        assert first.messages == [{"role": "system", "content": system}]
        assert first.body["tool_choice"] == "required"
        assert origin == "dataset src/tau2/agent/llm_agent.py"

    @pytest.mark.parametrize("stop", [None, "Call {something_else}.", "Call {stop.name}.", "Call {}."])
    def test_our_solo_text_is_used_if_the_checkout_has_no_usable_one(
        self, ask: Callable[..., tuple[Asked, Any]], checkout: Path, stop: str | None
    ) -> None:
        first, origin = ask("--dataset", with_sources(checkout, stop) if stop else checkout)
        assert "There is no customer to talk to" in first.system
        assert "Serve as told." not in first.system
        assert len(first.messages) == 1
        assert origin == "core"

    def test_without_a_dataset_the_agent_is_asked_to_begin(self, play: Play) -> None:
        played = play("--solo", "--num-tasks", 1, models={"agent": "endpoint/agent"})
        assert played.asked[0].messages[1:] == [{"role": "user", "content": "Work on the ticket."}]
