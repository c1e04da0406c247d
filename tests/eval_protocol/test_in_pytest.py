"""Evaluations are ordinary pytest tests: they can be selected, stopped, spread over workers, and read afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

from tests.eval_protocol.conftest import HEAD, PYTEST, lines, own_variables

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate
    from tests.forked import Forks

WORKERS = 4
EACH_ROW = """
@evaluation_test(input_rows=[rows()], completion_params=[SILENT, ORACLE], rollout_processor_kwargs=MOCK,
                 split_rows=True, passed_threshold=1.0)
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
FOUR = "from tau2_gym_eval_protocol import McpGymRolloutProcessor\n" + "".join(
    f"""
@evaluation_test(input_rows=[rows()], completion_params=[{agent}], rollout_processor_kwargs=MOCK, num_runs=2,
                 rollout_processor=McpGymRolloutProcessor(){script}, passed_threshold={threshold})
def test_{number}(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    for number, (agent, threshold, script) in enumerate(
        [
            ("ORACLE", 1.0, ", server_script_path=server_script()"),
            ("SILENT", 0.0, ", server_script_path=server_script()"),
            ("ORACLE", 1.0, ""),
            ("SILENT", 0.0, ""),
        ]
    )
)


def test_a_task_can_be_selected_by_name(evaluate: Evaluate) -> None:
    ran = evaluate(EACH_ROW, "-k", "oracle and complete_task")
    assert ran.failures == {"test_it[oracle-mock_task_complete_task]": ""}, ran.output


def test_exitfirst_stops_at_the_first_failure(evaluate: Evaluate) -> None:
    ran = evaluate(EACH_ROW, "-x")
    assert ran.names == ["test_it[silent-mock_task_create_plain]"]
    assert ran.code == 1


def test_filters_limit_the_rows_that_are_played(evaluate: Evaluate) -> None:
    source = """
def first_two(rows):
    return [*rows][:2]

@evaluation_test(input_rows=[rows()], filtered_row_ids=["mock_task_complete_task"], completion_params=[ORACLE],
                 rollout_processor_kwargs=MOCK)
def test_filtered(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], preprocess_fn=first_two, completion_params=[ORACLE],
                 rollout_processor_kwargs=MOCK)
def test_processed(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], filtered_row_ids=["nobody"])
def test_none(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    ran = evaluate(source)
    played = {
        name: [row["input_metadata"]["row_id"] for row in lines(folder / "rows.jsonl")]
        for name, folder in ran.runs().items()
    }
    assert played == {
        "test_filtered-oracle": ["mock_task_complete_task"],
        "test_processed-oracle": ["mock_task_create_plain", "mock_task_create_with_description"],
    }
    assert "there is no row to evaluate" in ran.failures["test_none[none-rows-4]"]


def test_the_folder_is_a_run(evaluate: Evaluate, gym: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    source = """
@evaluation_test(input_rows=[rows()], completion_params=[SILENT], rollout_processor_kwargs=MOCK, num_runs=2)
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    ran = evaluate(source, "--gym-out", "kept")
    [folder] = tmp_path.glob("kept/*")
    report = json.loads(gym("report", folder, "--json").stdout)[0]
    assert (report["tasks"], report["trials"], report["finished"], report["agent"]) == (4, 2, 8, "silent")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert report["mean_reward"] == evaluation["agg_score"] == 0.0
    before = lines(folder / "grades.jsonl")
    done = gym("grade", folder)
    assert done.returncode == 0, done.stderr
    assert sorted(map(str, lines(folder / "grades.jsonl"))) == sorted(map(str, before))
    done = gym("export", folder, "rows.jsonl", "--to", "eval-protocol")
    assert done.stdout == "8 rows written to rows.jsonl\n", done.stderr
    assert ran.code == 0


def test_progress_is_shown_on_a_terminal(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(HEAD + EACH_ROW.replace("split_rows=True", "num_runs=2"))
    master, terminal = os.openpty()
    command = [*PYTEST, "-k", "oracle", "test_agent.py"]
    process = forks.start(
        command, cwd=tmp_path, env=own_variables(), stdout=terminal, stderr=terminal, program="pytest"
    )
    os.close(terminal)
    shown = "".join(_all_of(master))
    assert process.wait(60) == 0, shown
    assert "\rtest_it[oracle-rows-4]: 1 of 8 rollouts" in shown
    assert "\rtest_it[oracle-rows-4]: 8 of 8 rollouts" in shown


def _all_of(master: int) -> Iterator[str]:
    """Yield what is written to a terminal until no process has it open any more."""
    with os.fdopen(master, "rb", buffering=0) as output:
        while True:
            try:
                yield output.read(2**16).decode(errors="replace")
            except OSError:  # how Linux reports that
                return


@contextmanager
def one_core() -> Iterator[None]:
    """Let processes that are started within the block share one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processes_of(mark: str) -> list[int]:
    """Return all processes that have a mark in their environment."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _is_marked(folder, mark)]


def _is_marked(folder: Path, mark: str) -> bool:
    try:
        return mark.encode() in (folder / "environ").read_bytes()
    except OSError:  # it has ended in the meantime, or is not ours
        return False


@pytest.mark.timeout(400)
def test_workers_under_load_give_the_same_results_and_leave_no_processes(evaluate: Evaluate) -> None:
    mark = uuid.uuid4().hex
    with one_core():
        spread = evaluate(FOUR, "-n", str(WORKERS), "--gym-out", "spread", EVALUATION_MARK=mark)
    assert processes_of(mark) == []
    alone = evaluate(FOUR, "--gym-out", "alone")
    assert not any(spread.failures.values()), spread.output
    assert (
        sorted(spread.names)
        == sorted(alone.names)
        == [f"test_{n}[{a}-rows-4]" for n, a in enumerate(["oracle", "silent"] * 2)]
    )
    for name in ("test_0-oracle", "test_1-silent", "test_2-oracle", "test_3-silent"):
        found = []
        for out in ("spread", "alone"):
            [folder] = spread.folder.glob(f"{out}/*{name}")
            grades = ({**grade, "id": ""} for grade in lines(folder / "grades.jsonl"))
            found.append(sorted(json.dumps(grade, sort_keys=True) for grade in grades))
        assert len(found[0]) == 8
        assert found[0] == found[1]
    assert spread.output.partition("tau2-gym evaluations")[2].count("spread/") == 4


def test_servers_end_when_pytest_is_killed(forks: Forks, tmp_path: Path) -> None:
    """The server of a script ends although its parent was killed: the standard input of its keeper is closed then."""
    source = """
import asyncio
from contextlib import asynccontextmanager
from tau2_gym_eval_protocol import McpGymRolloutProcessor

class Waiting(McpGymRolloutProcessor):
    @asynccontextmanager
    async def playing(self, *arguments):
        async with super().playing(*arguments) as how:
            print("PLAYING", flush=True)
            await asyncio.Event().wait()
            yield how

@evaluation_test(input_rows=[rows(IDS[:1])], completion_params=[ORACLE], rollout_processor_kwargs=MOCK,
                 rollout_processor=Waiting(), server_script_path=server_script())
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    (tmp_path / "test_agent.py").write_text(HEAD + source)
    mark = uuid.uuid4().hex
    env = own_variables(EVALUATION_MARK=mark)
    with (tmp_path / "errors").open("wb") as errors:
        process = forks.start(
            [*PYTEST, "-s", "test_agent.py"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=errors,
            program="pytest",
        )
    assert process.stdout is not None
    with process.stdout:
        assert any("PLAYING" in line for line in process.stdout)
        others = [os.pidfd_open(pid) for pid in processes_of(mark)]
        assert len(others) == 2  # the keeper and the server
        process.kill()
        process.wait(60)
    for handle in others:
        assert select([handle], [], [], 60)[0], "a process of the evaluation has not ended"
        os.close(handle)


def watcher() -> str:
    """Return a plugin that appends the name of every notification to the file `notes`."""
    subjects = {"run_started": "start", "episode_started": "start", "episode_finished": "record"}
    subjects |= {"run_finished": "summary"}
    hooks = "".join(
        f'@hookimpl\ndef tau2_{event}({subject}):\n    with open("notes", "a") as f:\n        f.write("{event} ")\n'
        for event, subject in subjects.items()
    )
    return f"from tau2_core import hookimpl\n{hooks}"


def test_listeners_are_called_in_an_evaluation_as_in_a_run(evaluate: Evaluate, plugin: Callable[..., Path]) -> None:
    site = plugin("watcher", watcher())
    source = EACH_ROW.replace("SILENT, ORACLE", "ORACLE").replace("split_rows=True, ", "max_concurrent_rollouts=1, ")
    ran = evaluate(source.replace("rows()", "rows()[:2]"), PYTHONPATH=str(site))
    assert ran.code == 0, ran.output
    told = (ran.folder / "notes").read_text().split()
    assert told == ["run_started", *(2 * ["episode_started", "episode_finished"]), "run_finished"]


def test_listeners_are_not_called_for_rows_that_another_processor_plays(
    evaluate: Evaluate, plugin: Callable[..., Path]
) -> None:
    source = """
@evaluation_test(input_rows=[rows()[:2]], rollout_processor=NoOpRolloutProcessor())
def test_it(row: EvaluationRow) -> EvaluationRow:
    with open("notes", "a") as f:
        f.write("scored ")
    row.evaluation_result = EvaluateResult(score=1.0)
    return row
"""
    ran = evaluate(source, PYTHONPATH=str(plugin("watcher", watcher())))
    assert ran.code == 0, ran.output
    assert (ran.folder / "notes").read_text().split() == ["scored", "scored"]
