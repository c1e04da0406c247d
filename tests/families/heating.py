"""The example of docs/how-to/task-families.md, and small families, for the tests of this folder."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.packs.manifest import TaskFiles
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_defaults import TaskDefaults
from tau2_core.packs.tasks import TaskSet, read_tasks
from tau2_core.runs.check import CheckReport, check_domain
from tau2_core.runs.loading import load_setting, open_catalogue

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "task-families.md"
FAMILIES, SPLITS = "families/cold.yaml", "splits.yaml"


def example_files() -> dict[str, str]:
    """Return the files of the document's pack `heating`, by their path below its folder."""
    blocks = re.findall(
        r"^```\w+\n(?:#|\{#) heating/(\S+).*\n([^`]*(?:`[^`]+`[^`]*)*?)^```$", DOCUMENT.read_text(), re.M
    )
    return dict(blocks)


def checked(folder: Path) -> CheckReport:
    return check_domain(open_catalogue([folder]), "heating")


def setting_of(folder: Path, **options: Any) -> Setting:
    return load_setting(open_catalogue([folder]), "heating", **options)


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text().split("\n"), 1) if text in line)


def read(
    folder: Path, families: dict[str, Any], splits: dict[str, Any], tasks: Sequence[dict[str, Any]] = ()
) -> TaskSet:
    """Read families, splits and hand-written tasks (JSON is YAML); they must be valid."""
    problems = Problems("small")
    task_set = read_anyhow(folder, families, splits, tasks, problems)
    assert not problems.found, [str(problem) for problem in problems.found]
    return task_set


def read_anyhow(
    folder: Path, families: Any, splits: Any, tasks: Sequence[dict[str, Any]], problems: Problems
) -> TaskSet:
    folder.joinpath("families.yaml").write_text(json.dumps(families))
    folder.joinpath("splits.yaml").write_text(json.dumps(splits, indent=1))
    folder.joinpath("tasks.yaml").write_text(json.dumps(list(tasks)))
    files = TaskFiles(files="tasks.yaml", families="families.yaml", splits="splits.yaml")
    return read_tasks(folder, files, TaskDefaults("small", ["ENV_ASSERTION"]), problems)


def families_of(select: dict[str, Sequence[Sequence[str]]], personas: Sequence[str] = ()) -> dict[str, Any]:
    """Return families that only choose blocks."""
    fix = [{"name": "mend"}]
    task = {"outcome": "done", "user_scenario": {"instructions": "Help!"}}
    return {
        "blocks": {block: {"fix": fix} for lines in select.values() for line in lines for block in line},
        "personas": {persona: f"I am {persona}." for persona in personas},
        "families": {
            name: {"select": lines, "personas": list(personas), "task": task} for name, lines in select.items()
        },
    }


def hand_written(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "outcome": "done", "user_scenario": {"instructions": "Help!"}}


SELECT: dict[str, Sequence[Sequence[str]]] = {
    "f": [["a"], ["b", "c"], ["d"], ["e", "g", "h"]],
    "i": [["a"], ["d"], ["k"], ["l"], ["m"]],
}
PERSONAS = ["none", "easy", "hard"]
