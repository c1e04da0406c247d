"""Make a large run folder from a small one: the same episodes repeatedly, under other task ids."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tau2_core.runs.plan import trial_seeds

CUT_OFF = 1000  # bytes, in the middle of a line
FILES = ("tasks.jsonl", "episodes.jsonl", "grades.jsonl", "timings.jsonl")


def make_large_run(source: Path, target: Path, *, episodes: int, trials: int) -> None:
    """Write a run of `episodes` slots to `target`, repeating the lines of `source`."""
    target.mkdir(parents=True)
    lines = {name: [json.loads(line) for line in (source / name).open(encoding="utf-8")] for name in FILES}
    config = json.loads((source / "run.json").read_text(encoding="utf-8"))
    names = [f"{lines['tasks.jsonl'][n % len(config['tasks'])]['id']}_{n}" for n in range(episodes // trials)]
    config |= {"tasks": names, "trials": trials, "seeds": [*range(trials)]}
    (target / "run.json").write_text(json.dumps(config), encoding="utf-8")
    tasks = [lines["tasks.jsonl"][n % len(lines["tasks.jsonl"])] | {"id": name} for n, name in enumerate(names)]
    _write(target / "tasks.jsonl", tasks)
    for name in FILES[1:]:
        known = lines[name]
        slots = ({"task_id": name, "trial": trial} for trial in range(trials) for name in names)
        _write(target / name, (known[n % len(known)] | slot for n, slot in enumerate(slots)))


def make_long_run(source: Path, target: Path, *, episodes: int) -> int:
    """Write a run of the tasks of `source` with more trials, as if it had been killed in the last episode.

    Returns the number of trials.
    """
    target.mkdir(parents=True)
    config = json.loads((source / "run.json").read_text(encoding="utf-8"))
    trials = episodes // len(config["tasks"])
    config |= {"trials": trials, "seeds": trial_seeds(config["seed"], trials)}
    (target / "run.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(source / "tasks.jsonl", target)
    for name in FILES[1:]:
        lines = {(row := json.loads(line))["task_id"]: row for line in (source / name).open(encoding="utf-8")}
        slots = ((task, trial) for trial in range(trials) for task in config["tasks"])
        _write(target / name, (lines[task] | {"trial": trial} for task, trial in slots))
    for name in ("episodes.jsonl", "grades.jsonl"):
        os.truncate(target / name, (target / name).stat().st_size - CUT_OFF)
    return trials


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
