"""Episodes that were open when their server was killed: the next server adds a record of each to its run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tau2_core.errors import RunError
from tau2_core.gym.processes.open_records import open_record
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.records.decoding import line_decoder
from tau2_core.records.figures import PlaceFigures
from tau2_core.records.journal import EPISODES, Journal, lock_folder
from tau2_core.redaction import Redactor

OPEN = ".open-"  # prefix of the folder in which a server keeps the calls of open episodes
WHY = "the server was killed while this episode was open"


def keep_orphaned_episodes(out: Path, redactor: Redactor | None) -> Iterator[str]:
    """Append the records of episodes whose server was killed to their runs below `out`; yield a line for each run.

    Episodes that cannot be recorded are reported and stay there. Folders of running servers are left alone.
    """
    for folder in sorted(out.glob(f"{OPEN}*")):
        try:
            lock = lock_folder(folder)
        except RunError:
            continue  # its server is running
        if lock is None:
            yield f"{folder} may be left from a killed server, but this file system has no locks to tell: remove it"
            continue
        try:
            yield from _kept(folder, out, redactor)
        finally:
            os.close(lock)


def _kept(folder: Path, out: Path, redactor: Redactor | None) -> Iterator[str]:
    found: dict[str, dict[Path, EpisodeRecord]] = {}
    for file in sorted(folder.iterdir()):
        try:
            run, record = open_record(file, WHY)
        except RunError as error:
            yield f"an episode of a killed server cannot be kept: {error}; repair the file, or remove it"
        else:
            found.setdefault(run, {})[file] = record
    for run, records in found.items():
        try:
            count = _append(out / run, list(records.values()), redactor)
        except RunError as error:
            yield f"{len(records)} episodes of a killed server, in {folder}, cannot be kept: {error}"
            continue
        for file in records:
            file.unlink()
        if count:
            grades = f"`tau2-gym grade {out / run}` grades them, --resume plays slots again"
            yield f"{out / run}: {count} episodes were open when their server was killed, and are recorded; {grades}"
    if not any(folder.iterdir()):
        folder.rmdir()


class _Kept(PlaceFigures):
    id: str | None = None


def _append(folder: Path, records: list[EpisodeRecord], redactor: Redactor | None) -> int:
    """Append records that a run does not have yet; return their number. Raises RunError."""
    journal = Journal(folder, resume=True, redactor=redactor)
    with journal.alone():
        end, there, kept_of = 0, set(), line_decoder(folder / EPISODES, _Kept)
        for line in journal.raw_lines(EPISODES):
            kept = kept_of(line)
            there.add((kept.id, kept.task_id, kept.trial))
            end = line.end + 1
        if (folder / EPISODES).exists():
            journal.truncate(EPISODES, end)  # a line that was being written when the server was killed
        lacking = [each for each in records if (each.id, each.task_id, each.trial) not in there]
        for record in lacking:
            journal.append(EPISODES, record.line())
    return len(lacking)
