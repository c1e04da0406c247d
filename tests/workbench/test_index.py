"""The index of a run: its figures equal the report's, it follows the files, and it reports damage."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tau2_core import Run
from tau2_core.errors import RunError
from tau2_gym_workbench.comparison import compare
from tau2_gym_workbench.figures import figures
from tau2_gym_workbench.index import FILE, RunIndex

pytestmark = pytest.mark.domain("mock")


def copied(run: Path, target: Path) -> Path:
    return Path(shutil.copytree(run, target, ignore=shutil.ignore_patterns(FILE)))


def opened(folder: Path) -> RunIndex:
    index = RunIndex(folder)
    index.refresh()
    return index


@pytest.mark.parametrize("name", ["oracle", "random", "more/strict"])
def test_figures_equal_those_of_the_report(runs: Path, tmp_path: Path, name: str) -> None:
    folder = copied(runs / name, tmp_path / "run")
    lines = (folder / "grades.jsonl").read_text().splitlines(keepends=True)
    (folder / "grades.jsonl").write_text("".join(lines[:-3]))  # some slots are not graded yet
    found, report = figures(opened(folder)), Run(folder).report
    assert (found.rate, found.pass_hat_k) == (report.strict_rate, report.pass_hat_k)
    assert found.mean_reward == pytest.approx(report.mean_reward)
    assert (found.finished, found.coverage, found.outcomes) == (report.finished, report.coverage, report.outcomes)
    assert (found.tool_calls, found.tool_errors) == (report.tool_calls, sum(report.tool_errors.values()))
    for each in found.criteria:
        theirs = report.criteria[each.name]
        assert (each.met, each.unmet, each.unchecked, each.vacuous) == (
            theirs.met,
            theirs.unmet,
            theirs.unchecked,
            theirs.vacuous,
        ), each.name
        assert each.rate == theirs.strict_rate
    assert {each.name for each in found.criteria} == set(report.criteria)


def test_added_and_rewritten_lines_are_read(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    grades = (folder / "grades.jsonl").read_text().splitlines(keepends=True)
    (folder / "grades.jsonl").write_text("".join(grades[:3]))
    index = opened(folder)
    assert figures(index).finished == 3
    assert not index.refresh()
    with (folder / "grades.jsonl").open("a") as file:
        file.writelines([grades[3], grades[4][:20]])  # a line, and the beginning of the next
    assert index.refresh()
    assert figures(index).finished == 4
    with (folder / "grades.jsonl").open("a") as file:
        file.write(grades[4][20:])
    index.refresh()
    assert figures(index).finished == 5
    solved = [json.dumps({**json.loads(line), "outcome": "solved", "reward": 1.0}) + "\n" for line in grades]
    (folder / "grades.jsonl").write_text("".join(solved))
    index.refresh()
    assert figures(index).solved == len(grades)
    assert figures(opened(folder)).solved == len(grades)


def test_a_damaged_line_is_reported_and_the_rest_is_read(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    lines = (folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    lines[1:3] = ["{\n", '{"domain": 5}\n']
    (folder / "episodes.jsonl").write_text("".join(lines))
    index = opened(folder)
    with index.reading() as connection:
        damage = [tuple(row)[:2] for row in connection.execute("SELECT file, line FROM damage ORDER BY line")]
        episodes = connection.execute("SELECT count(*) FROM episodes").fetchone()[0]
    assert damage == [("episodes.jsonl", 2), ("episodes.jsonl", 3)]
    assert (episodes, figures(index).state) == (len(lines) - 2, "damaged")


def test_damage_in_any_part_that_the_index_reads_is_reported(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    episodes = (folder / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    first = json.loads(episodes[0])
    damaged: list[dict[str, object]] = [{"termination": "bored"}, {"steps": -1}, {"messages": [{"role": "nobody"}]}]
    with (folder / "episodes.jsonl").open("ab") as file:
        file.writelines(json.dumps({**first, **each}).encode() + b"\n" for each in damaged)
        file.write(json.dumps({**first, "error": "~"}).encode().replace(b"~", b"\xff") + b"\n")
        file.write(json.dumps({**first, "variant": "~"}).encode().replace(b"~", b"\xff") + b"\n")
    with (folder / "timings.jsonl").open("a") as file:
        slot = {"task_id": first["task_id"], "trial": first["trial"]}
        file.writelines(f"{json.dumps({**slot, 'seconds': each})}\n" for each in (-1, float("nan"), float("inf")))
    with opened(folder).reading() as connection:
        rows = connection.execute("SELECT file, line, why FROM damage ORDER BY file, line").fetchall()
        found = [(row["file"], row["line"]) for row in rows]
        kept = connection.execute("SELECT count(*) FROM episodes").fetchone()[0]
    last, timed = len(episodes), len((folder / "timings.jsonl").read_text().splitlines())
    assert found == [("episodes.jsonl", last + n) for n in range(1, 6)] + [
        ("timings.jsonl", timed - n) for n in (2, 1, 0)
    ]
    assert all(row["why"] for row in rows)
    assert kept == last


def test_the_last_line_of_an_episode_counts_and_its_calls_are_paired_by_position(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    record = json.loads((folder / "episodes.jsonl").read_text().splitlines()[0])
    calls: list[dict[str, object]] = [{"name": name, "arguments": {}} for name in ("first", "second", "third")]
    answers = [{"role": "tool", "id": "", "error": False}, {"role": "tool", "id": "", "error": True}]
    stray = {"role": "tool", "id": "", "error": False}
    told = {"role": "user", "content": "\ud800", "tool_calls": [{"name": "own \ud800", "arguments": {}}]}
    messages = [stray, {"role": "assistant", "tool_calls": calls}, *answers, told, stray, stray]
    with (folder / "episodes.jsonl").open("a") as file:
        file.write(json.dumps({**record, "seed": 2**64, "messages": messages}) + "\n")
    with opened(folder).reading() as connection:
        slot = [record["task_id"], record["trial"]]
        chosen = "JOIN tasks USING (task) WHERE id = ? AND trial = ?"
        query = f"SELECT side, name, made, failed FROM calls {chosen} ORDER BY name"
        found = [tuple(row) for row in connection.execute(query, slot)]
        seed = connection.execute(f"SELECT seed FROM episodes {chosen}", slot).fetchone()[0]
    assert found == [
        ("agent", "first", 1, 0),
        ("user", "own \\ud800", 1, 0),
        ("agent", "second", 1, 1),
        ("agent", "third", 1, 1),
    ]
    assert int(seed) == 2**64


def test_a_damaged_index_is_rebuilt(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    before = figures(opened(folder))
    (folder / FILE).write_bytes(b"no database, whatever its name says" * 100)
    assert figures(opened(folder)).solved == before.solved


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_index_of_a_read_only_folder_is_kept_elsewhere(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    folder.chmod(0o555)
    assert figures(opened(folder)).finished > 0
    assert not (folder / FILE).exists()


def test_a_run_of_another_format_is_refused(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs / "random", tmp_path / "run")
    config = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(RunError, match="is not of format"):
        opened(folder)


def test_comparisons_equal_those_of_the_command(runs: Path) -> None:
    found = compare(opened(runs / "random"), opened(runs / "oracle"), ignore=["digests.plugins"])
    assert found.comparison is not None, found.refused
    assert found.comparison.gate.value == "better"
    assert {pair.task_id for pair in found.pairs} == {change.task_id for change in found.comparison.changed}
    refused = compare(opened(runs / "random"), opened(runs / "more" / "strict"), ignore=[])
    assert refused.comparison is None
    assert "evaluators" in {each.name for each in refused.unlike or []}
