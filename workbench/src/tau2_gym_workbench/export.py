"""The pages of runs as files: they open from disk, link to each other, and need no script to be read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tau2_core.errors import UsageError
from tau2_core.records.reader import is_run

from tau2_gym_workbench.application import STATIC, message_text, open_reading
from tau2_gym_workbench.episodes import WINDOW, StoredEpisode, read_episode, turns
from tau2_gym_workbench.links import StaticLinks, episode_file, message_file
from tau2_gym_workbench.pages import Reading
from tau2_gym_workbench.settings import Settings
from tau2_gym_workbench.text import LONGEST_TEXT, formatted


def export_runs(runs: Sequence[Path], target: Path, settings: Settings) -> str:
    """Write the pages of runs, or of all runs in a folder, into a new folder; return what was written, in words.

    Raises UsageError if the folder is not empty or there is no run.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--export {target}: it is not empty; name a new folder")
    folder, only = _common(runs)
    reading = open_reading(folder, settings)
    keys = [
        row.key for row in reading.rows() if (only is None or row.found.folder.resolve() in only) and not row.damaged
    ]
    if not keys:
        raise UsageError(f"{', '.join(map(str, runs))}: no run is there that can be read")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(STATIC, target / "static")
    _write(target / "index.html", reading.runs_page(StaticLinks(root=""), {}, keys))
    episodes = sum(_export_run(reading, key, target) for key in keys)
    return f"{len(keys)} runs, {episodes} episodes: open {target / 'index.html'}"


def _common(runs: Sequence[Path]) -> tuple[Path, set[Path] | None]:
    """Return the folder that holds the runs, and which of those in it are meant; None: all."""
    if len(runs) == 1 and not is_run(runs[0]):
        return runs[0], None
    for each in runs:
        if not is_run(each):
            raise UsageError(f"{each} holds no run; name folders that `tau2-gym run` has left")
    resolved = [each.resolve() for each in runs]
    parents = {each.parent for each in resolved}
    if len(parents) > 1:
        raise UsageError("--export: the runs should lie in one folder")
    return parents.pop(), set(resolved)


def _export_run(reading: Reading, key: str, target: Path) -> int:
    links = StaticLinks(root="../../")
    folder = target / "runs" / key
    folder.mkdir(parents=True)
    _write(folder / "index.html", reading.run_page(links, key, {}))
    index = reading.runs.index(key)
    with index.reading() as connection:
        slots = [tuple(row) for row in connection.execute("SELECT task, trial FROM episodes ORDER BY task, trial")]
    for task, trial in slots:
        episode = read_episode(index, key, task, trial)
        parts = len(list(turns(episode.record.messages)))
        starts = [each.number for each in list(turns(episode.record.messages))[:parts:WINDOW]] or [0]
        for start in starts:
            page = reading.episode_page(links, key, task, trial, start)
            _write(folder / episode_file(task, trial, start if start != starts[0] else 0), page)
        _write_long_messages(folder, episode)
    return len(slots)


def _write_long_messages(folder: Path, episode: StoredEpisode) -> None:
    """Write the messages that a page cuts, whole."""
    for number, message in enumerate(episode.record.messages):
        text = message_text(message)
        if len(text) > LONGEST_TEXT or len(formatted(message.content or "")) > LONGEST_TEXT:
            _write(folder / message_file(episode.number, episode.trial, number), text)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
