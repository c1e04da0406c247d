"""Playing a study: run after run, each resumed where it was stopped, and graded again where only the judge differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tau2_core.api.evaluate import play_composed
from tau2_core.api.study.cells import Cell, Grid, composed
from tau2_core.errors import RunError
from tau2_core.records.journal import CONFIGURATION, EPISODES, Journal
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.composition import Composition
from tau2_core.runtime import event_loop

STUDY = "study.json"
FORMAT = 1


def begin(grid: Grid, *, resume: bool) -> None:
    """Create the study's folder, or check that it is this study's. Raises RunError."""
    about = described(grid)
    file = grid.folder / STUDY
    if not resume:
        try:
            grid.folder.mkdir(parents=True)
        except FileExistsError as error:
            advice = "add --resume, choose another --name, or remove it"
            raise RunError(f"{grid.folder} already exists; {advice}") from error
        except OSError as error:
            raise RunError(f"cannot create {grid.folder}: {error.strerror}; choose another place with --out") from error
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(file)
    elif (found := read_description(grid.folder)) != about:
        differing = next(key for key in about if found.get(key) != about[key])
        raise RunError(
            f"--resume: {grid.folder} holds another study: its {differing} differ; restore the file, or choose "
            "another --name"
        )


def described(grid: Grid) -> dict[str, Any]:
    """Return the content of `study.json`: the factors with their levels, and the runs."""
    runs = [{"folder": cell.name, "levels": dict(cell.levels)} for cell in grid.cells]
    return {"format": FORMAT, "factors": {name: list(each) for name, each in grid.factors.items()}, "runs": runs}


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of a study's `study.json`. Raises RunError if there is none or it is damaged."""
    file = folder / STUDY
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{folder} holds no study: {file.name}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"cannot read {file}: {error}; restore it") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RunError(f"{file} is not of format {FORMAT}; read it with the version that wrote it")
    return found


def play(grid: Grid, *, on_begun: Callable[[int], None], on_graded: Callable[[], None]) -> str:
    """Play and grade all runs in turn; return why it stopped early, "" if the study is complete.

    `on_begun` is called for each run with the number of its episodes that were finished before.
    """
    for cell in grid.cells:
        run = composed(cell)
        if cell.source is not None and not cell.folder.exists():
            _take_conversations(cell.source, cell, run)
        work = play_composed(
            run, via=cell.options.via, resume=cell.folder.exists(), on_begun=on_begun, on_graded=on_graded
        )
        result = event_loop.run_async(work)
        if result.stopped:
            return f"{cell.name}: {result.stopped}"
    return ""


def _take_conversations(source: Path, cell: Cell, run: Composition) -> None:
    """Make a run folder with the conversations of another one, in which only grades and judgements are missing."""
    draft = cell.folder.with_name(f"{cell.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    journal = Journal(draft)
    try:
        shutil.copyfile(source / EPISODES, draft / EPISODES)
        journal.write(CONFIGURATION, check_plan(run.plan, run.catalogue).config)
        draft.replace(cell.folder)
    except OSError as error:
        raise RunError(f"cannot write {cell.folder}: {error.strerror}; make room, then --resume") from error
