"""`--user-prompt` and `--persona`: what the customer's model is told, what is recorded, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tau2_core import UsageError, evaluate, open_episode
from tau2_core.cli.app import app
from tau2_core.errors import Tau2GymError
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, say
from typer.testing import CliRunner

from .conftest import MOCK, Played, models_of

pytestmark = pytest.mark.domain("mock")
Play = Callable[..., Played]
NUMBERS = count()
IGNORED = [part for name in ("user", "digests.prompts", "models.user") for part in ("--ignore", name)]
ONE = ("--task", "create_plain")
CUSTOMERS = """\
prompts:
  formal: {file: prompts/formal.md.j2, summary: as people write letters}
personas:
  pirate: {summary: speaks like a pirate, manner: "Say arr."}
"""


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return f"{done.output}{done.exception or ''}"


def configuration(played: Played) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((played.folder / "run.json").read_text(encoding="utf-8"))
    return loaded


def system_of(played: Played) -> str:
    (found,) = {asked.system for asked in played.of("user")}
    return found


@pytest.fixture
def own_mock(tmp_path: Path) -> Path:
    """A copy of the mock pack as a package of its own: this process may know the other."""
    folder = shutil.copytree(MOCK, tmp_path / f"mock_{next(NUMBERS)}", ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, folder.name))
    return folder


def with_customers(pack: Path, text: str = CUSTOMERS, template: str = "Be formal, {{ tools | length }} tools.") -> Path:
    """Add customers of its own to a pack."""
    manifest = pack / "domain.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "customers: customers.yaml\n", encoding="utf-8")
    (pack / "customers.yaml").write_text(text, encoding="utf-8")
    (pack / "prompts/formal.md.j2").write_text(template, encoding="utf-8")
    return pack


def test_a_prompt_replaces_the_guidelines_and_is_in_the_configuration(play: Play) -> None:
    usual, careful = play(*ONE), play(*ONE, "--user-prompt", "careful")
    assert system_of(play(*ONE, "--user-prompt", "default")) == system_of(usual)
    assert "go through these questions" in system_of(careful)
    before, after = (system_of(each).partition("How to end:") for each in (usual, careful))
    assert before[0] == after[0]
    assert before[2].partition("<scenario>")[2] == after[2].partition("<scenario>")[2]
    first, second = configuration(usual), configuration(careful)
    assert (first["user"]["prompt"], second["user"]["prompt"]) == ("default", "careful")
    assert first["digests"]["prompts"]["user"] != second["digests"]["prompts"]["user"]
    assert careful.end == ("user_stop", "solved")


def test_runs_with_other_prompts_or_personas_are_neither_compared_nor_resumed(play: Play) -> None:
    usual = play(*ONE)
    for option, name, said in (("--user-prompt", "careful", "user.prompt"), ("--persona", "terse", "user.personas")):
        other = play(*ONE, option, name)
        with pytest.raises(UsageError, match=said):
            CliRunner().invoke(app, ["compare", str(usual.folder), str(other.folder)], catch_exceptions=False)
        accepted = command("compare", usual.folder, other.folder, *IGNORED)
        assert "inconclusive" in accepted
        again = play(*ONE, "--resume", name=other.folder.name)
        assert again.code != 0
        assert said in again.error


def test_personas_take_turns_by_trial_and_are_recorded(play: Play) -> None:
    names = ["terse", "none", "rambling"]
    options = [part for name in names for part in ("--persona", name)]
    played = play("--split", "test", "--trials", 3, *options)
    records = played.lines("episodes.jsonl")
    by_task: dict[str, set[str]] = {}
    for record in records:
        by_task.setdefault(record["task_id"], set()).add(record["persona"])
    assert all(found == set(names) for found in by_task.values())
    assert len({record["persona"] for record in records if record["trial"] == 0}) > 1
    terse = [asked for asked in played.of("user") if "<manner>\nYou are terse." in asked.system]
    assert terse
    assert any("<manner>" not in asked.system for asked in played.of("user"))
    assert configuration(played)["user"]["personas"] == names
    again = play("--split", "test", "--trials", 3, *options)
    assert _sorted(again) == _sorted(played)


def test_the_report_has_a_rate_for_each_persona(play: Play, gold: Callable[[str], GoldScript]) -> None:
    solve = gold("mock")

    def impatient(asked: Any) -> Any:
        return say("###STOP###") if "<manner>" in asked.system else solve(asked)

    options = ("--persona", "terse", "--persona", "none", "--trials", 2, "--split", "test")
    folder = play(*options, script=impatient).folder
    (report,) = json.loads(command("report", folder, "--json"))
    grades = [json.loads(line) for line in (folder / "grades.jsonl").read_text().splitlines()]
    personas = {(each["task_id"], each["trial"]): each["persona"] for each in map(json.loads, _lines(folder))}
    solved = Counter(personas[each["task_id"], each["trial"]] for each in grades if each["outcome"] == "solved")
    for name in ("terse", "none"):
        found = report["personas"][name]
        assert found["episodes"] == list(personas.values()).count(name)
        assert found["solved"] == solved[name]
        assert found["strict_rate"]["value"] == pytest.approx(solved[name] / found["episodes"])
    assert list(report["personas"]) == ["terse", "none"]
    first, second = report["personas"].values()
    assert first["difference"] is None
    assert second["difference"]["value"] == pytest.approx(
        second["strict_rate"]["value"] - first["strict_rate"]["value"]
    )
    assert second["solved"] == second["episodes"] > first["solved"]
    assert "less that of" in command("report", folder)
    (odd,) = json.loads(command("report", play(*options[:4], "--trials", 3, *ONE).folder, "--json"))
    assert [each["difference"] for each in odd["personas"].values()] == [None, None]


def _lines(folder: Path) -> Sequence[str]:
    return (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--user-prompt", "carful"], "mock has no prompt 'carful' (did you mean 'careful'? available: careful, "),
        (["--persona", "ters"], "mock has no persona 'ters' (did you mean 'terse'? available: changes_topic, hurried"),
        (["--persona", "none", "--persona", "none"], "--persona: 'none' is given twice"),
    ],
)
def test_unknown_names_are_refused_before_the_run(play: Play, options: list[str], said: str) -> None:
    played = play(*ONE, *options)
    assert said in played.error
    assert played.asked == []
    assert not played.folder.exists()


@pytest.mark.parametrize("command_line", [["run", "mock"], ["serve", "mock"]])
@pytest.mark.parametrize("option", [["--user-prompt", "careful"], ["--persona", "terse"]])
def test_a_customer_that_follows_no_prompt_refuses_them(command_line: list[str], option: list[str]) -> None:
    said = "user 'scripted' follows no prompt, so --user-prompt, --persona and --user-check would do nothing"
    assert said in command(*command_line, *option)


def test_the_customers_of_a_pack_are_listed_and_played(play: Play, own_mock: Path) -> None:
    pack = with_customers(own_mock)
    shown = command("describe", "mock", "--pack", pack)
    for words in ("careful", "formal", "as people write letters", "pirate", "speaks like a pirate"):
        assert words in shown
    listed = json.loads(command("domains", "--json", "--pack", pack))
    (mock,) = [row for row in listed if row["name"] == "mock"]
    assert {"default", "careful", "formal"} <= set(mock["user_prompts"])
    assert {"terse", "pirate"} <= set(mock["personas"])
    played = play(*ONE, "--pack", pack, "--user-prompt", "formal", "--persona", "pirate")
    assert system_of(played).startswith("Be formal, 0 tools.\n\n<manner>\nSay arr.\n</manner>\n\n<scenario>\n")


@pytest.mark.parametrize(
    ("text", "template", "said"),
    [
        ("personas: {terse: {summary: x}}", "", "T2G027"),
        ("prompts: {careful: {summary: x, file: prompts/formal.md.j2}}", "", "T2G027"),
        ("prompts: {formal: {summary: x, file: prompts/other.md.j2}}", "", "there is no file"),
        ("personas: {loud: {summary: x, volume: 11}}", "", "customers.yaml:1"),
        ("personas: {loud: {summary: x, speech_noise: 2}}", "", "customers.yaml:1"),
        (CUSTOMERS, "{{ scenario }}", "formal.md.j2:1"),
    ],
)
def test_wrong_customers_of_a_pack_are_problems(own_mock: Path, text: str, template: str, said: str) -> None:
    assert said in command("check", "--pack", with_customers(own_mock, text, template))


def test_a_prompt_that_cannot_be_rendered_is_refused_before_the_run(play: Play, own_mock: Path) -> None:
    pack = with_customers(own_mock, template="{{ scenario }}")
    played = play(*ONE, "--pack", pack, "--user-prompt", "formal")
    assert "formal.md.j2:1" in played.error
    assert played.asked == []
    assert not played.folder.exists()


def test_programs_choose_them_too(tmp_path: Path) -> None:
    systems = []

    def script(asked: Any) -> Any:
        systems.append(asked.system)
        return say("###STOP###" if asked.answered else "Hello.")

    with ScriptedEndpoint(script) as endpoint:
        customer = {"model": "endpoint/customer", "args": {"api_base": endpoint.url}}
        run = evaluate(
            "mock",
            agent="silent",
            user_model=customer,
            tasks=["create_plain"],
            user_prompt="careful",
            persona="terse",
            out=tmp_path,
        )
        (episode,) = run.episodes
        assert episode.record.persona == "terse"
        personas = set()
        for seed in range(2):
            options: Any = {"user_model": customer, "persona": ["terse", "hurried"], "user_prompt": "careful"}
            with open_episode("mock", "create_plain", seed=seed, **options) as opened:
                personas.add(opened.record().persona)
        assert personas == {"terse", "hurried"}
    assert all("go through these questions" in system and "<manner>" in system for system in systems)
    with pytest.raises(Tau2GymError, match="has no persona 'x'"):
        evaluate("mock", user_model=customer, persona="x", out=tmp_path)


def test_workers_play_the_same_customers(play: Play) -> None:
    options = ("--split", "test", "--persona", "terse", "--persona", "speech_recognition_noise", "--trials", 2)
    models = models_of("endpoint")  # workers start faster without litellm
    here = play(*options, models=models)
    there = play(*options, "--executor", "processes", "--workers", 2, models=models)
    assert _sorted(there) == _sorted(here)


def _sorted(played: Played) -> list[str]:
    return sorted(map(json.dumps, played.lines("episodes.jsonl")))


def test_official_result_files_name_the_prompt_that_was_used(play: Play, tmp_path: Path) -> None:
    told = {}
    for name in ("default", "careful"):
        file = tmp_path / f"{name}.json"
        folder = play(*ONE, "--user-prompt", name).folder
        assert "Error" not in command("export", folder, file, "--to", "tau2-bench")
        info = json.loads(file.read_text(encoding="utf-8"))["info"]
        told[name] = info["user_info"]["global_simulation_guidelines"]
    assert told["default"] is None
    assert "go through these questions" in told["careful"]


def test_a_chosen_prompt_takes_the_place_of_a_datasets(play: Play, tmp_path: Path) -> None:
    home = tmp_path / "checkout" / "data" / "tau2"
    for folder in ("domains/mock", "user_simulator"):
        (home / folder).mkdir(parents=True)
    task = {"id": "x", "user_scenario": {"instructions": "You want a task."}}
    (home / "domains/mock/tasks.json").write_text(json.dumps([task]), encoding="utf-8")
    for name in ("simulation_guidelines.md", "simulation_guidelines_tools.md"):
        (home / "user_simulator" / name).write_text("The dataset's guidelines.", encoding="utf-8")
    options = ("--dataset", tmp_path / "checkout", "--agent", "silent")
    for name, said, origin in (
        ("default", "The dataset's guidelines.", "dataset"),
        ("careful", "go through these questions", "core"),
    ):
        played = play(
            *options,
            *("--user-prompt", name, "--persona", "terse"),
            script=lambda _asked: say("###STOP###"),
            models={"user": "openai/customer"},
        )
        assert said in system_of(played)
        assert ("The dataset's" in system_of(played)) is (name == "default")
        assert "<manner>" in system_of(played)
        assert configuration(played)["origins"]["user_guidelines"] == origin
