"""`tau2-gym export RUN FILE`: a run as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tau2_core import Run
from tau2_core.errors import RunError, UsageError

Command = Callable[..., Any]


def test_parquet_csv_and_json_lines_hold_the_rows_of_the_api(
    recorded: Callable[[str], Any], tau2_gym: Command, tmp_path: Path
) -> None:
    folder = recorded("few")
    expected = Run(folder.path).rows()
    assert len(expected) == 12

    said = tau2_gym("export", folder, tmp_path / "run.parquet").output
    assert said == f"12 rows written to {tmp_path / 'run.parquet'}\n"
    assert parquet.read_table(tmp_path / "run.parquet").to_pylist() == expected

    tau2_gym("export", folder, tmp_path / "run.jsonl", "--to", "table")
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == expected

    tau2_gym("export", folder, tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as stream:
        texts = list(csv.DictReader(stream))
    told = [{name: "" if value is None else str(value) for name, value in row.items()} for row in expected]
    assert texts == told


def test_rows_agree_with_the_report(recorded: Callable[[str], Any]) -> None:
    run = Run(recorded("few").path)
    rows = run.rows()
    report = run.report
    assert sum(row["solved"] for row in rows) == sum(report.solved_by_task.values())
    assert sum(row["tool_calls"] for row in rows) == report.tool_calls
    assert sum(row["turns"] for row in rows) / len(rows) == report.spread["turns"].mean
    assert sum(row["DB"] == 1 for row in rows) >= report.criteria["DB"].met


def test_what_cannot_be_written_is_refused(recorded: Callable[[str], Any], tau2_gym: Command, tmp_path: Path) -> None:
    folder = recorded("few")
    for name in ("run.parquet", "run.csv"):
        (tmp_path / name).write_text("kept", encoding="utf-8")
        with pytest.raises(RunError, match="already exists; remove it, or name another file"):
            tau2_gym("export", folder, tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == "kept"
    with pytest.raises(RunError, match="cannot write"):
        tau2_gym("export", folder, tmp_path / "nowhere" / "run.parquet")
    with pytest.raises(UsageError, match=r"a table is written to a file that ends in \.parquet, \.csv, \.jsonl"):
        tau2_gym("export", folder, tmp_path / "run.txt", "--to", "table")


def test_a_failed_export_leaves_no_table(copied: Callable[..., Any], tau2_gym: Command, tmp_path: Path) -> None:
    folder = copied("few")
    episodes = folder.lines("episodes")
    episodes[5]["steps"] = "many"
    folder.write_lines("episodes", episodes)
    with pytest.raises(RunError, match=r"episodes\.jsonl:6: it has the wrong form: .*steps"):
        tau2_gym("export", folder, tmp_path / "run.parquet")
    assert not (tmp_path / "run.parquet").exists()
