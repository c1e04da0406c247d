"""Dataset rows: written from any pack or dataset by the command, and read back as the same tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.errors import DatasetError
from tau2_core.model.tasks import Task
from tau2_gym_eval_protocol import dataset_rows
from tau2_gym_eval_protocol.datasets import as_task

from tests.eval_protocol.conftest import lines

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate

Gym = Callable[..., CompletedProcess[str]]
DOMAINS = ["airline", "mock", "retail", "telecom"]
KEYS = {"id", "user_prompt_template", "environment_context", "user_simulation", "evaluation_criteria", "task"}


def exported(gym: Gym, folder: Path, domain: str, *options: object) -> list[dict[str, Any]]:
    done = gym("export", domain, "rows.jsonl", "--to", "eval-protocol", *options)
    assert done.returncode == 0, done.stderr
    found = lines(folder / "rows.jsonl")
    assert done.stdout == f"{len(found)} rows written to rows.jsonl\n"
    return found


def same(task: Task) -> dict[str, Any]:
    return task.model_dump(mode="json")


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_hold_whole_tasks(domain: str, gym: Gym, tmp_path: Path, setting_of: Callable[..., Setting]) -> None:
    tasks = setting_of(domain).select()
    found = exported(gym, tmp_path, domain)
    assert [row["id"] for row in found] == [f"{domain}_task_{task.id}" for task in tasks]
    for row, line, task in zip(dataset_rows(found), found, tasks, strict=True):
        assert set(line) == KEYS
        assert line["user_prompt_template"] == "{observation}"
        assert line["environment_context"] == {"domain": domain, "task_id": task.id}
        assert line["user_simulation"]["system_prompt"] == task.user_scenario.text()
        read = as_task(row.row_id, row.input_metadata.dataset_info or {}, {})
        assert same(read) == same(task)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_datasets_tasks_are_exported_too(
    domain: str, gym: Gym, tmp_path: Path, shared: Path, setting_of: Callable[..., Setting]
) -> None:
    folder = shared / "tau2-bench"
    setting = setting_of(domain, mode="tau2", dataset=folder)
    split = "small" if domain == "telecom" else None
    tasks = setting.select(split=split)
    found = exported(gym, tmp_path, domain, "--dataset", folder, *(["--split", split] if split else []))
    rows = dataset_rows(found)
    read = [as_task(row.row_id, row.input_metadata.dataset_info or {}, {}) for row in rows]
    assert [same(task) for task in read] == [same(task) for task in tasks]


def test_a_foreign_row_names_a_task_or_contains_one(setting_of: Callable[..., Setting]) -> None:
    """As in eval-protocol's own datasets: no reward basis, no task id but in the row's, a scenario as text."""
    known = setting_of("mock").tasks()
    action: dict[str, Any] = {"action_id": "0", "name": "create_task", "arguments": {}, "info": None}
    line: dict[str, Any] = {
        "id": "mock_task_create_plain",
        "user_prompt_template": "{observation}",
        "environment_context": {"domain": "mock"},
        "user_simulation": {"enabled": True, "llm": "gpt-4.1", "system_prompt": "You want nothing."},
        "evaluation_criteria": {"actions": [action], "communicate_info": ["7"], "nl_assertions": None},
    }
    task = as_task(line["id"], line, known)
    assert task.id == "create_plain"
    assert task.user_scenario.instructions == "You want nothing."
    criteria = task.evaluation_criteria
    assert criteria is not None
    assert criteria.reward_basis == ["DB", "COMMUNICATE"]
    assert task.outcome == known["create_plain"].outcome
    assert as_task("mock_task_77", line, known).id == "77"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"environment_context": {}}, "row 1 of the dataset has no `id`"),
        ({"messages": 3}, "row 1 of the dataset: messages: "),
    ],
)
def test_an_invalid_row_is_named(line: dict[str, Any], why: str) -> None:
    with pytest.raises(DatasetError, match=why):
        dataset_rows([line])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["hotel", "x.jsonl", "--to", "eval-protocol"], "no domain 'hotel'"),
        (["mock", "there.jsonl", "--to", "eval-protocol"], "there.jsonl already exists"),
        (["mock", "nowhere/x.jsonl", "--to", "eval-protocol"], "cannot write nowhere/x.jsonl"),
        (["mock", "x.json", "--split", "test"], "are for a domain's tasks"),
        (["mock", "x.json"], "mock contains no run"),
    ],
)
def test_an_export_that_fails_names_the_reason(gym: Gym, tmp_path: Path, arguments: list[str], why: str) -> None:
    (tmp_path / "there.jsonl").touch()
    done = gym("export", *arguments)
    assert done.returncode in (1, 2)
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exporter_that_fails_is_named(gym: Gym, plugin: Callable[..., Path], tmp_path: Path) -> None:
    source = """
from tau2_core import ExporterSpec, hookimpl

def lines(export):
    yield {"domain": export.domain}
    raise SystemExit("no more")

@hookimpl
def tau2_exporters():
    return [ExporterSpec("torn", "breaks off", lines)]
"""
    done = gym("export", "mock", "x.jsonl", "--to", "torn", paths=[plugin("torn", source)])
    assert done.returncode == 1
    assert "exporter 'torn' failed: SystemExit: no more; " in done.stderr
    assert not (tmp_path / "x.jsonl").exists()
    done = gym("export", "mock", "x.jsonl", "--to", "eval-protokol")
    assert done.returncode == 2
    assert "no exporter 'eval-protokol' (did you mean 'eval-protocol'?)" in done.stderr


def test_datasets_can_be_files_or_urls(gym: Gym, evaluate: Evaluate, tmp_path: Path) -> None:
    exported(gym, tmp_path, "mock")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        source = f"""
FAR = "http://127.0.0.1:{server.server_port}/rows.jsonl?far=1"

@evaluation_test(input_dataset=["rows.jsonl", FAR, "nothing.jsonl"], max_dataset_rows=2,
                 combine_datasets=False, completion_params=[ORACLE], rollout_processor_kwargs=MOCK)
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
        ran = evaluate(source)
        server.shutdown()
        thread.join()
    near, far, nothing = ran.failures.values()
    assert (near, far) == ("", ""), ran.output
    assert "input_dataset nothing.jsonl: No such file or directory; write one with `tau2-gym export" in nothing
    assert [len(lines(folder / "rows.jsonl")) for folder in tmp_path.glob("runs/*")] == [2, 2]


def test_a_row_may_contain_unicode_line_separators(gym: Gym, evaluate: Evaluate, tmp_path: Path) -> None:
    row = exported(gym, tmp_path, "mock")[0]
    row["user_simulation"]["system_prompt"] += " One\u2028two\u2029three\x85four."
    text = f"\ufeff{json.dumps(row, ensure_ascii=False)}\r\n\r\n"
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8", newline="")
    source = """
@evaluation_test(input_dataset=["rows.jsonl"], completion_params=[ORACLE], rollout_processor_kwargs=MOCK)
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    ran = evaluate(source)
    assert list(ran.failures.values()) == [""], ran.output
