"""The inputs of an evaluation test: rows from files, URLs, messages and loaders; each input is a case."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from tau2_core.errors import DatasetError, UsageError
from tau2_core.model.llm import ModelSettings

from tau2_gym_eval_protocol.arguments import Arguments, Rows
from tau2_gym_eval_protocol.datasets import dataset_rows
from tau2_gym_eval_protocol.rows import EvaluationRow, Message

LONGEST_NAME = 200
DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, eq=False)
class Case:
    """One input: `load` returns its rows; `kwargs` are further arguments of the test's function."""

    name: str
    load: Callable[[], Rows]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def cases(test: Arguments) -> list[Case]:
    """Return a test's cases; with `split_rows` this reads the rows. Raises UsageError, DatasetError."""
    found = [
        Case(_named(name, kwargs), partial(_rows, test, load), kwargs)
        for name, load in _inputs(test)
        for kwargs in test.evaluation_test_kwargs or [{}]
    ]
    if not test.split_rows:
        return found
    return [
        Case(_named(row.row_id, case.kwargs), partial(_one, row), case.kwargs) for case in found for row in case.load()
    ]


def _one(row: EvaluationRow) -> Rows:
    return [row]


def _named(name: str, kwargs: Mapping[str, Any]) -> str:
    return "-".join([name, *(f"{key}={value}" for key, value in kwargs.items() if _is_scalar(value))])[:LONGEST_NAME]


def _inputs(test: Arguments) -> list[tuple[str, Callable[[], Rows]]]:
    if test.input_dataset is not None:
        paths = list(map(str, test.input_dataset))
        groups = [paths] if test.combine_datasets else [[path] for path in paths]
        return [("+".join(map(_stem, group)), partial(_read, test, group)) for group in groups]
    if test.input_rows is not None:
        return [(_rows_name(rows), partial(list, rows)) for rows in test.input_rows]
    if test.input_messages is not None:
        return [(f"messages-{len(payload)}", partial(_conversations, payload)) for payload in test.input_messages]
    loaders = test.data_loaders if isinstance(test.data_loaders, list | tuple) else [test.data_loaders]
    return [(_loader_name(loader), partial(_loaded, loader)) for loader in loaders]


def _stem(path: str) -> str:
    return Path(urlsplit(path).path).stem


def _rows_name(rows: Rows) -> str:
    return rows[0].row_id if len(rows) == 1 else f"rows-{len(rows)}"


def _loaded(loader: Any) -> Rows:
    return list(getattr(loader, "load", loader)())


def _loader_name(loader: Any) -> str:
    return str(getattr(loader, "__name__", type(loader).__name__))


def _conversations(payload: Sequence[Sequence[Message]]) -> Rows:
    return [EvaluationRow(messages=list(messages)) for messages in payload]


def _rows(test: Arguments, load: Callable[[], Rows]) -> Rows:
    """Return copies of a case's rows, filtered and preprocessed. Raises UsageError if empty or if ids repeat."""
    rows = [row.model_copy(deep=True) for row in load()]
    if test.filtered_row_ids is not None:
        rows = [row for row in rows if row.row_id in test.filtered_row_ids]
    if test.preprocess_fn is not None:
        rows = test.preprocess_fn(rows)
    ids = [row.row_id for row in rows]
    if not ids:
        raise UsageError("there is no row to evaluate: check the dataset, filtered_row_ids and preprocess_fn")
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise UsageError(f"several rows have the id {', '.join(twice)}; give each row its own id")
    return rows


def _read(test: Arguments, paths: Sequence[str]) -> Rows:
    lines = [line for path in paths for line in _lines(path)][: test.max_dataset_rows]
    return (test.dataset_adapter or dataset_rows)(lines)


def _lines(path: str) -> list[dict[str, Any]]:
    found = []
    # `splitlines` would split rows at U+2028, which JSON allows in strings.
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise DatasetError(f"{path}:{number}: not JSON: {error}") from error
    return found


def _text(path: str) -> str:
    try:
        if path.startswith(("http://", "https://")):
            with urlopen(path, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310 - http(s), as was just seen
                content: bytes = answer.read()
            return content.decode("utf-8-sig")
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"input_dataset {path}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        hint = "write one with `tau2-gym export DOMAIN FILE --to eval-protocol`"
        raise DatasetError(f"input_dataset {path}: {getattr(error, 'strerror', None) or error}; {hint}") from error


def model_name(params: Mapping[str, Any] | None) -> str:
    """Return a name for completion parameters: the model's, or the agent's."""
    given = (params or {}).get("model") or (params or {}).get("agent") or "none"
    return given if isinstance(given, str) else str(getattr(given, "__name__", type(given).__name__))


def model_names(all_params: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """Return names for several completion parameters, with the arguments in which they differ but no secrets."""
    public = [_scalars(params or {}) for params in all_params]
    keys = {key for each in public for key in each}
    differing = sorted(key for key in keys if len({str(each.get(key)) for each in public}) > 1)
    names = []
    for params, scalars in zip(all_params, public, strict=True):
        parts = [f"{key}={scalars[key]}" for key in differing if key in scalars]
        names.append(":".join([model_name(params), *parts])[:LONGEST_NAME])
    return names


def _scalars(params: Mapping[str, Any]) -> dict[str, Any]:
    args = {key: value for key, value in params.items() if key not in ("model", "agent") and _is_scalar(value)}
    return ModelSettings(model="-", args=args).deciding_args()


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) or value is None
