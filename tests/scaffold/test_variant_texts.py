"""A variant with texts of its own: the same pack is played in another language."""

from __future__ import annotations

from pathlib import Path

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.runs.loading import load_setting, open_catalogue

from tests.bakery import FILES, in_process, write_bakery

MANIFEST = FILES["domain.yaml"] + "variants:\n  de: {tool_texts: de.yaml, prompts: {policy: prompts/de.md.j2}}\n"
POLICY = "Du verkaufst Brot mit {{ tools[0].description }}"
TEXTS = "sell:\n  description: Einen Laib verkaufen.\n  parameters: {loaf_id: Welcher Laib.}\n"


def pack_with(folder: Path, texts: str) -> Path:
    return write_bakery(folder / "bakery", {"domain.yaml": MANIFEST, "prompts/de.md.j2": POLICY, "de.yaml": texts})


def test_tools_and_prompts_have_the_texts_of_the_variant(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, TEXTS)
    assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    setting = load_setting(open_catalogue([pack]), "bakery", variant="de")
    tool = setting.tools("agent")["sell"]
    assert tool.description == "Einen Laib verkaufen."
    assert tool.parameters["properties"]["loaf_id"] == {"type": "string", "description": "Welcher Laib."}
    assert setting.policy_text == "Du verkaufst Brot mit Einen Laib verkaufen."
    plain = load_setting(open_catalogue([pack]), "bakery")
    assert plain.tools("agent")["sell"].description == "Sell one loaf."
    run = in_process("run", "bakery", "--pack", pack, "--variant", "de", "--out", tmp_path / "runs")
    assert "mean reward 1.0000" in run.stdout


@pytest.mark.parametrize(
    ("texts", "line", "told"),
    [
        ("sel: {description: x}\n", 1, "there is no tool 'sel' (did you mean 'sell'?) [T2G036]"),
        ("sell:\n  parameters: {loaf: x}\n", 2, "sell has no parameter 'loaf' (did you mean 'loaf_id'?) [T2G036]"),
        ("sell: {descripton: x}\n", 1, "sell.descripton: there is no such key (did you mean 'description'? "),
        ("- x\n", 1, "should be a mapping of tools to texts [T2G004]"),
    ],
)
def test_texts_for_unknown_names_are_refused(tmp_path: Path, texts: str, line: int, told: str) -> None:
    pack = pack_with(tmp_path, texts)
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'de.yaml'}:{line}: {told}")


def test_a_missing_file_is_reported_where_it_is_referenced(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"domain.yaml": MANIFEST, "prompts/de.md.j2": POLICY})
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'domain.yaml'}:10: cannot read ")


TASKS_DE = """
tasks:
  buy:
    user_scenario: {instructions: "Du willst ein Roggenbrot, L1."}
"""
OPENING = "Guten Tag! Was darf es sein?"
VARIANT = f'{FILES["domain.yaml"]}variants:\n  de: {{task_texts: de/tasks.yaml, opening: "{OPENING}"}}\n'
FAMILY: dict[str, str] = {
    "domain.yaml": VARIANT.replace("tasks: {files: data/tasks/*,", "tasks: {families: data/families.yaml,"),
    "data/splits.yaml": "base: {sample: 9, by: [family]}",
    "data/families.yaml": """
blocks:
  rye: {about: No rye., fix: [{name: sell, arguments: {loaf_id: L1}}], facts: {bread: rye}}
personas: {hasty: You are in a hurry.}
families:
  hunger:
    select: [[rye]]
    personas: [hasty]
    facts: {place: the station}
    task:
      outcome: done
      user_scenario: {instructions: "You want {{ bread }} at {{ place }}."}
      evaluation_criteria: {communicate_info: [sold]}
""",
    "de/tasks.yaml": """
personas: {hasty: Du hast es eilig.}
blocks: {rye: {facts: {bread: Roggen}}}
families:
  hunger:
    facts: {place: der Bahnhof}
    task:
      user_scenario: {instructions: "Du willst {{ bread }}, {{ place }}."}
      evaluation_criteria: {communicate_info: [verkauft]}
""",
}


def german(pack: Path, variant: str = "de") -> Setting:
    return load_setting(open_catalogue([pack]), "bakery", variant=variant)


def test_scenarios_use_the_language_of_the_variant(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"domain.yaml": VARIANT, "de/tasks.yaml": TASKS_DE})
    assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    run = in_process("run", "bakery", "--pack", pack, "--variant", "de", "--out", tmp_path / "runs", "--name", "one")
    assert "mean reward 1.0000" in run.stdout
    graded = in_process("grade", tmp_path / "runs" / "one", "--pack", pack, "--evaluators", "strict")
    assert (graded.returncode, "mean reward 1.0000" in graded.stdout) == (0, True), graded.stdout + graded.stderr
    assert german(pack).tasks()["buy"].user_scenario.text() == "Instructions:\n\tDu willst ein Roggenbrot, L1."
    assert german(pack).opening() == OPENING
    assert german(pack, "").tasks()["buy"].user_scenario.text() == "Instructions:\n\tYou want a rye loaf, L1."
    assert german(pack, "").opening() == "Hello! What can I do for you today?"


def test_families_use_the_language_of_the_variant(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", FAMILY)
    assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    (task,) = german(pack).tasks().values()
    assert task.user_scenario.text() == "Persona:\n\tDu hast es eilig.\nInstructions:\n\tDu willst Roggen, der Bahnhof."
    assert task.evaluation_criteria is not None
    assert task.evaluation_criteria.communicate_info == ["verkauft"]
    (plain,) = german(pack, "").tasks().values()
    assert "You want rye at the station." in plain.user_scenario.text()


@pytest.mark.parametrize(
    ("texts", "line", "told"),
    [
        ("tasks: {bye: {ticket: x}}\n", 1, "there is no hand-written task 'bye' (did you mean 'buy'?) [T2G036]"),
        ("tasks:\n  buy: {ticket: x}\n", 2, "buy has no ticket [T2G036]"),
        ("task:\n  buy: {}\n", 1, "task: there is no such key (did you mean 'tasks'?"),
        (
            "tasks:\n  buy:\n    evaluation_criteria: {communicate_info: [x]}\n",
            3,
            "buy has 0 communicate_info, but its texts have 1: write the same number [T2G036]",
        ),
        (
            "tasks:\n  buy:\n    user_scenario:\n      instructions: {known_info: x}\n",
            4,
            "the instructions of buy are a single text without parts: write a single text [T2G036]",
        ),
        ("personas: {shy: x}\n", 1, "there is no persona 'shy' "),
        ("- x\n", 1, "the file: should be a mapping of keys to values [T2G007]"),
    ],
)
def test_invalid_texts_of_tasks_are_refused(tmp_path: Path, texts: str, line: int, told: str) -> None:
    pack = write_bakery(tmp_path / "bakery", {"domain.yaml": VARIANT, "de/tasks.yaml": texts})
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'de' / 'tasks.yaml'}:{line}: {told}")


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("hunger:", "hungr:", 4, "there is no family 'hungr' (did you mean 'hunger'?) [T2G036]"),
        ("bread: R", "brod: R", 2, "rye has no fact 'brod' (did you mean 'bread'?) [T2G036]"),
        ("{place: der", "{plaze: der", 5, "hunger has no fact 'plaze' (did you mean 'place'?) [T2G036]"),
        ("{{ place }}", "{{ plaze }}", 7, "family 'hunger': a text uses 'plaze', which task "),
        ("{{ place }}", "{{ place", 7, "a text of family 'hunger' cannot be rendered: "),
        ("{{ place }}", "{{ 1 / 0 }}", 6, "a text of family 'hunger' cannot be rendered: "),
        (
            "[verkauft]",
            "[a, b]",
            8,
            "hunger has 1 communicate_info, but its texts have 2: write the same number [T2G036]",
        ),
        ("    task:", "    unsolvable:", 6, "hunger has no section `unsolvable` [T2G036]"),
    ],
)
def test_invalid_texts_of_families_are_refused(tmp_path: Path, old: str, new: str, line: int, told: str) -> None:
    texts = FAMILY["de/tasks.yaml"].replace(old, new)
    assert texts != FAMILY["de/tasks.yaml"]
    pack = write_bakery(tmp_path / "bakery", {**FAMILY, "de/tasks.yaml": texts})
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'de' / 'tasks.yaml'}:{line}: {told}")


def test_an_invalid_task_causes_no_further_problems(tmp_path: Path) -> None:
    wrong = FILES["data/tasks/selling.yaml"].replace("outcome: done", "outcome: don")
    changed = {"domain.yaml": VARIANT, "de/tasks.yaml": TASKS_DE, "data/tasks/selling.yaml": wrong}
    problem, _ = in_process("check", "--pack", write_bakery(tmp_path / "bakery", changed)).stdout.splitlines()
    assert "selling.yaml:2: " in problem
