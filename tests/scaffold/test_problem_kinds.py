"""Problems have codes that stay, a page explains each, and other programs can read them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema_rs
import pytest
import yaml
from tau2_core.problem_kinds import ProblemKind

from tests.bakery import FILES, in_process, write_bakery

Gym = Callable[..., CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "problems.md"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A pack with a misspelt handler, and a key in the data that no field takes."""
    tools = FILES["tools/agent.yaml"].replace("counter:sell", "counter:sel")
    data = FILES["data/db.yaml"].replace("left: 4", "left: 4, colour: brown")
    return write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools, "data/db.yaml": data})


def test_the_page_explains_every_kind_in_the_order_of_the_codes() -> None:
    headings = re.findall(r"^## (T2G\d{3}): (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == sorted((kind.code, kind.title) for kind in ProblemKind)
    assert len({kind.code for kind in ProblemKind}) == len(ProblemKind)


def test_codes_keep_their_meaning() -> None:
    known = json.loads((ROOT / "tests" / "scaffold" / "problem_codes.json").read_text(encoding="utf-8"))
    assert {kind.code: kind.name for kind in ProblemKind} == known


def test_text_ends_with_the_code(gym: Gym, wrong: Path) -> None:
    done = gym("check", "--pack", wrong)
    problem, warning, _ = done.stdout.splitlines()
    assert (done.returncode, problem.endswith(" [T2G013]"), warning.endswith(" [T2G032]")) == (1, True, True)


def test_github_shows_annotations(gym: Gym, wrong: Path) -> None:
    done = gym("check", "--pack", wrong, "--format", "github")
    error, warning = done.stdout.splitlines()
    assert done.returncode == 1
    assert error.startswith("::error file=bakery/tools/agent.yaml,line=4,title=T2G013::bakery: sell: handlers/counter")
    assert warning.startswith("::warning file=bakery/data/db.yaml,line=2,title=T2G032::bakery: loaves.L1.colour: ")


@pytest.fixture(scope="module")
def sarif() -> jsonschema_rs.Validator:
    """The official schema of SARIF 2.1.0."""
    schema = Path(__file__).parent / "sarif" / "sarif-schema-2.1.0.json"
    return jsonschema_rs.validator_for(json.loads(schema.read_text(encoding="utf-8")), validate_formats=True)


def test_sarif_has_rules_and_places(gym: Gym, wrong: Path, sarif: jsonschema_rs.Validator) -> None:
    done = gym("check", "--pack", wrong, "--format", "sarif")
    sarif.validate(json.loads(done.stdout))
    (run,) = json.loads(done.stdout)["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result, (level, code, file, line) in zip(
        run["results"],
        [("error", "T2G013", "bakery/tools/agent.yaml", 4), ("warning", "T2G032", "bakery/data/db.yaml", 2)],
        strict=True,
    ):
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert (result["level"], result["ruleId"], rules[result["ruleIndex"]]["id"]) == (level, code, code)
        assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (file, line)


def test_sarif_of_a_clean_pack_and_of_odd_places_is_valid(
    gym: Gym, tmp_path: Path, sarif: jsonschema_rs.Validator
) -> None:
    clean = in_process("check", "--pack", write_bakery(tmp_path / "bakery"), "--format", "sarif")
    sarif.validate(json.loads(clean.stdout))
    write_bakery(tmp_path / "100% ü [a]" / "bakery", {"domain.yaml": "name: bakery\n"})
    odd = gym("check", "--pack", "100% ü [a]/bakery", "--format", "sarif")
    sarif.validate(log := json.loads(odd.stdout))
    assert log["runs"][0]["results"]
    log["runs"][0]["results"][0]["level"] = "bad"
    assert not sarif.is_valid(log)


def test_both_names_of_the_json_option_work(gym: Gym, wrong: Path) -> None:
    first, second = gym("check", "--pack", wrong, "--format", "json"), gym("check", "--pack", wrong, "--json")
    assert first.stdout == second.stdout
    assert [row["code"] for row in json.loads(first.stdout)["problems"]] == ["T2G013"]


def test_line_breaks_in_messages_are_escaped_in_annotations(gym: Gym, tmp_path: Path) -> None:
    handlers = FILES["handlers/counter.py"] + '\nraise ValueError("one\\n::error::two % three")\n'
    pack = write_bakery(tmp_path / "bakery", {"handlers/counter.py": handlers})
    (line,) = gym("check", "--pack", pack, "--format", "github").stdout.splitlines()
    assert line.endswith("ValueError: one%0A::error::two %25 three")


def test_an_audit_is_text_or_json(gym: Gym, wrong: Path) -> None:
    done = gym("check", "--audit", "--pack", wrong, "--format", "sarif")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --format sarif is not supported with --audit: use text or json\n",
    )


def test_the_pre_commit_hook_runs_an_existing_command(gym: Gym, wrong: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    command, *arguments = hook["entry"].split()
    assert (command, hook["pass_filenames"]) == ("tau2-gym", False)
    subprocess.run(["git", "init", "-q", str(wrong.parent)], check=True)
    done = gym(*arguments, "--pack", wrong)
    assert (done.returncode, "[T2G013]" in done.stdout) == (1, True)
    for file in ("tools/agent.yaml", "handlers/counter.py", "prompts/policy.md.j2", "data/db.json", "data/db.toml"):
        assert re.search(hook["files"], file)
