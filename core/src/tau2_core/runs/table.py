"""A run as a table in a file: Parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
from pathlib import Path

from tau2_core.errors import RunError, UsageError
from tau2_core.records.reader import RecordedRun
from tau2_core.records.rows import COLUMNS, criteria_of, episode_rows
from tau2_core.runs.export import write_lines
from tau2_core.runs.parquet import PARQUET, write_parquet

SUFFIXES = (PARQUET, ".csv", ".jsonl")


def write_table(file: Path, run: RecordedRun) -> int:
    """Write one row per finished episode into a new file, in the format that its name ends in; return the number.

    The columns are documented in docs/reference/runs.md.

    Raises:
        RunError: there is no finished episode, or the file already exists or cannot be written.
        UsageError: the name has another ending, or pyarrow is missing.
    """
    if not run.records:
        raise RunError(f"{run.folder} contains no finished episode")
    criteria = criteria_of(run)
    rows = episode_rows(run, criteria)
    columns = COLUMNS | dict.fromkeys(criteria, "float64")
    if file.suffix == PARQUET:
        write_parquet(file, columns, rows)
    elif file.suffix == ".jsonl":
        write_lines(file, rows)
    elif file.suffix == ".csv":
        try:
            with file.open("x", newline="", encoding="utf-8") as target:
                writer = csv.DictWriter(target, columns)
                writer.writeheader()
                writer.writerows(rows)
        except FileExistsError as error:
            raise RunError(f"{file} already exists; remove it, or name another file") from error
        except OSError as error:
            raise RunError(f"cannot write {file}: {error.strerror}") from error
    else:
        raise UsageError(f"{file}: a table is written to a file that ends in {', '.join(SUFFIXES)}")
    return len(run.records)
