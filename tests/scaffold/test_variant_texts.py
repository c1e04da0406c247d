"""A variant with texts of its own: the same pack is played in another language."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bakery import FILES, in_process, write_bakery

MANIFEST = FILES["domain.yaml"] + "variants:\n  de: {tool_texts: de.yaml, prompts: {policy: prompts/de.md.j2}}\n"
POLICY = "Du verkaufst Brot mit {{ tools[0].description }}"
TEXTS = "sell:\n  description: Einen Laib verkaufen.\n  parameters: {loaf_id: Welcher Laib.}\n"


def pack_with(folder: Path, texts: str) -> Path:
    return write_bakery(folder / "bakery", {"domain.yaml": MANIFEST, "prompts/de.md.j2": POLICY, "de.yaml": texts})


def test_tools_and_prompts_have_the_texts_of_the_variant(tmp_path: Path) -> None:
    from tau2_core.runs.loading import load_setting, open_catalogue

    pack = pack_with(tmp_path, TEXTS)
    assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    german = load_setting(open_catalogue([pack]), "bakery", variant="de")
    tool = german.tools("agent")["sell"]
    assert tool.description == "Einen Laib verkaufen."
    assert tool.parameters["properties"]["loaf_id"] == {"type": "string", "description": "Welcher Laib."}
    assert german.policy_text == "Du verkaufst Brot mit Einen Laib verkaufen."
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
def test_texts_of_what_there_is_not(tmp_path: Path, texts: str, line: int, told: str) -> None:
    pack = pack_with(tmp_path, texts)
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'de.yaml'}:{line}: {told}")


def test_a_file_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"domain.yaml": MANIFEST, "prompts/de.md.j2": POLICY})
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert problem.startswith(f"bakery: {pack / 'domain.yaml'}:10: cannot read ")
