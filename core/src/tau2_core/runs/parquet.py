"""Writing rows as a Parquet file, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tau2_core.errors import RunError, UsageError

if TYPE_CHECKING:
    import pyarrow

PARQUET = ".parquet"
BATCH = 10_000


def write_parquet(file: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows into a new Parquet file. If this fails, no file is left.

    Args:
        file: the file.
        columns: the type of each column by Arrow's name, such as `int32` or `list<string>`.
        rows: the rows; a column that a row lacks is null there.

    Raises:
        RunError: the file already exists, or cannot be written.
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            f"{file}: Parquet needs pyarrow: pip install 'tau2-core[parquet]', or name a file that ends in .jsonl"
        ) from error
    schema = pyarrow.schema([(name, _type(pyarrow, kind)) for name, kind in columns.items()])
    try:
        with file.open("xb") as target:
            try:
                with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
                    for batch in _batches(rows):
                        writer.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema=schema))
            except BaseException:
                file.unlink()
                raise
    except FileExistsError as error:
        raise RunError(f"{file} already exists; remove it, or name another file") from error
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror or error}") from error


def _type(arrow: Any, name: str) -> pyarrow.DataType:
    if name.startswith("list<"):
        return arrow.list_(_type(arrow, name[5:-1]))
    return arrow.type_for_alias(name)


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield batch
