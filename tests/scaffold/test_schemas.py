"""JSON schemas: one source with `check`, valid for all files of our packs, published as they are generated."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from tau2_core.packs.yaml_source import read_yaml
from tau2_core.scaffold.schemas import SHIPPED, SOURCES, json_schema

from tests.bakery import in_process, write_bakery
from tests.conftest import Gym

ROOT = Path(__file__).resolve().parents[2]
PACKS = sorted((ROOT / "domains").glob("*/src/*/domain.yaml"))
MISTAKES_EACH = 12


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json_schema(name))


def files_of(manifest: Path) -> Iterator[tuple[str, Path]]:
    """Yield the YAML files that a manifest names, each with its kind."""
    folder, content = manifest.parent, read_yaml(manifest).value
    yield "domain", manifest
    for files in content["tools"].values():
        yield from (("tools", folder / name) for name in ([files] if isinstance(files, str) else files))
    named = {"functions": content.get("functions"), "splits": content["tasks"].get("splits")}
    named["policy_checks"] = content.get("evaluation", {}).get("policy_checks")
    yield from ((kind, folder / name) for kind, name in named.items() if name)
    for kind, pattern in (("tasks", "files"), ("families", "families")):
        if pattern in content["tasks"]:
            yield from ((kind, file) for file in sorted(folder.glob(content["tasks"][pattern])))


@pytest.mark.parametrize("manifest", PACKS, ids=lambda file: file.parent.name)
def test_all_files_of_our_packs_are_valid(manifest: Path) -> None:
    kinds = set()
    for kind, file in files_of(manifest):
        errors = [f"{file}: {error.message}" for error in validator(kind).iter_errors(read_yaml(file).value)]
        assert errors == []
        kinds.add(kind)
    assert {"domain", "tools", "splits"} <= kinds


def test_our_configurations_are_valid() -> None:
    assert validator("config").is_valid(read_yaml(ROOT / "examples" / "cassettes" / "models.yaml").value)
    assert validator("config").is_valid({"domain": "mock", "agent": "oracle", "pack": ["hotel"], "trials": 2})
    assert not validator("config").is_valid({"trails": 2})


def test_every_field_has_a_description() -> None:
    def bare(part: Any, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            fields = part.get("properties")
            if isinstance(fields, dict) and path.rpartition(".")[2] != "properties":
                yield from (f"{path}: {name}" for name, field in fields.items() if "description" not in field)
            for key, value in part.items():
                yield from bare(value, f"{path}.{key}")
        elif isinstance(part, list):
            for value in part:
                yield from bare(value, path)

    published = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in published_files()}
    assert [each for name, content in published.items() for each in bare(content, name)] == []


def published_files() -> list[Path]:
    return sorted((ROOT / "docs" / "reference" / "schemas").glob("*.json"))


def test_shipped_and_published_schemas_equal_the_commands_output(tmp_path: Path) -> None:
    in_process("schema", "--out", tmp_path)
    written = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    assert {Path(name).stem for name in written} == SOURCES.keys()
    for files in (published_files(), list(SHIPPED.iterdir())):
        found = {file.name: file.read_text(encoding="utf-8") for file in files}
        assert found == written, "run `tau2-gym schema --out core/src/tau2_core/schemas`"


def test_the_command_lists_and_prints(tmp_path: Path) -> None:
    listed = in_process("schema").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(SOURCES)
    assert json.loads(in_process("schema", "tools").stdout) == json_schema("tools")
    done = in_process("schema", "tool")
    assert (done.returncode, "did you mean 'tools'?" in done.stderr) == (2, True)


def spoilt(content: Any, rng: random.Random) -> Any:
    """Return content with one mistake somewhere: a key that is unknown, missing or of another type."""
    content = json.loads(json.dumps(content))
    places = [(holder, key) for holder in containers(content) for key in keys(holder)]
    holder, key = rng.choice(places)
    mistake = rng.choice(["type", "missing", "unknown"])
    if mistake == "type":
        holder[key] = rng.choice([5, "text", [], {"a": 1}, True, None])
    elif mistake == "missing" and isinstance(holder, dict):
        del holder[key]
    elif isinstance(holder, dict):
        holder["unkown"] = 1
    return content


def containers(part: Any) -> Iterator[Any]:
    if isinstance(part, dict | list):
        yield part
        for value in part.values() if isinstance(part, dict) else part:
            yield from containers(value)


def keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


EVERY_KIND: dict[str, str] = {
    "domain.yaml": """
name: bakery
clock: 2025-03-01T09:00:00
databases:
  agent: {model: models:BakeryDB, data: data/db.yaml}
tools: {agent: tools/agent.yaml}
prompts: {policy: prompts/policy.md.j2}
tasks: {files: data/tasks/*, families: data/families.yaml, splits: data/splits.yaml}
variants:
  de: {tool_texts: de/tools.yaml, task_texts: de/tasks.yaml}
evaluation: {policy_checks: rules.yaml}
""",
    "data/splits.yaml": "hand_written: [buy]\nbase: {sample: 9, by: [family]}",
    "data/families.yaml": """
blocks:
  rye: {about: No rye., fix: [{name: sell, arguments: {loaf_id: L1}}], facts: {bread: rye}}
personas: {hasty: You are in a hurry.}
families:
  hunger:
    select: [[rye]]
    personas: [hasty]
    task:
      outcome: done
      user_scenario: {instructions: "You want {{ bread }}, L1."}
      evaluation_criteria: {communicate_info: [sold]}
""",
    "de/tools.yaml": "sell: {description: Einen Laib verkaufen., parameters: {loaf_id: Welcher Laib.}}",
    "de/tasks.yaml": """
tasks:
  buy:
    user_scenario: {instructions: "Du willst ein Roggenbrot, L1."}
personas: {hasty: Du hast es eilig.}
blocks: {rye: {facts: {bread: Roggen}}}
families:
  hunger:
    task:
      user_scenario: {instructions: "Du willst {{ bread }}."}
      evaluation_criteria: {communicate_info: [verkauft]}
""",
    "rules.yaml": """
- name: known-loaves
  rule: A loaf is sold only if the customer named it.
  tools: [sell]
  known: {loaf_id: [customer]}
""",
}


def test_a_pack_with_files_of_every_kind_is_clean(tmp_path: Path) -> None:
    done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", EVERY_KIND))
    assert done.stdout == "bakery: clean (1 tools, 2 tasks, 2 played)\n"


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("domain", "domain.yaml"),
        ("tools", "tools/agent.yaml"),
        ("tasks", "data/tasks/selling.yaml"),
        ("splits", "data/splits.yaml"),
        ("families", "data/families.yaml"),
        ("tool_texts", "de/tools.yaml"),
        ("task_texts", "de/tasks.yaml"),
        ("policy_checks", "rules.yaml"),
    ],
)
def test_check_refuses_what_the_schema_refuses(tmp_path: Path, kind: str, file: str) -> None:
    refused = 0
    for seed in range(200):
        pack = write_bakery(tmp_path / str(seed) / "bakery", EVERY_KIND)
        content = spoilt(read_yaml(pack / file).value, random.Random(seed))
        if validator(kind).is_valid(content):
            continue
        (pack / file).write_text(yaml.safe_dump(content), encoding="utf-8")
        done = in_process("check", "--pack", pack)
        assert done.returncode != 0, f"{content}\n{done.stdout}"
        refused += 1
        if refused == MISTAKES_EACH:
            break
    assert refused == MISTAKES_EACH


def test_check_refuses_what_the_schema_of_functions_refuses(gym: Gym, mock_copy: Path) -> None:
    file, refused = mock_copy / "tools" / "functions.yaml", 0
    original = read_yaml(file).value
    for seed in range(200):
        content = spoilt(original, random.Random(seed))
        if validator("functions").is_valid(content):
            continue
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        done = gym("check", "--pack", mock_copy, TAU2_GYM_DISABLE="mock")
        assert done.returncode == 1, f"{content}\n{done.stdout}{done.stderr}"
        assert f"{file}:" in done.stdout
        refused += 1
        if refused == 4:
            break
    assert refused == 4


EVALUATION = {
    "name": "careful",
    "extends": "strict",
    "evaluators": {"DB": {"use": "tau2.db"}},
    "weights": {"DB": 0.5},
    "gates": ["DB"],
    "solved_from": 0.5,
}
CONFIG = {
    "domain": "mock",
    "agent": {"name": "oracle"},
    "user": {"model": "endpoint/customer", "args": {"temperature": 0.5}},
    "pack": ["hotel"],
    "split": "test",
    "trials": 2,
    "max_cost": 1.5,
}


@pytest.mark.parametrize(
    ("kind", "content", "arguments"),
    [
        ("evaluation", EVALUATION, ("run", "mock", "--task", "complete_task", "--evaluators")),
        ("config", CONFIG, ("run", "--show-config", "--config")),
    ],
)
def test_a_run_refuses_configurations_that_the_schema_refuses(
    tmp_path: Path, kind: str, content: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    assert validator(kind).is_valid(content)
    file, refused = tmp_path / "file.yaml", 0
    for seed in range(200):
        wrong = spoilt(content, random.Random(seed))
        if validator(kind).is_valid(wrong):
            continue
        file.write_text(yaml.safe_dump(wrong), encoding="utf-8")
        done = in_process(*arguments, file, "--out", tmp_path / "runs")
        assert done.returncode == 2, f"{wrong}\n{done.stdout}"
        assert str(file) in done.stderr
        refused += 1
        if refused == MISTAKES_EACH:
            break
    assert refused == MISTAKES_EACH
    assert not (tmp_path / "runs").exists()
