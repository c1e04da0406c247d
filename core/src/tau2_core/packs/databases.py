"""Reading a database file into its records."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tau2_core.foreign_code import describe_error, foreign
from tau2_core.name_suggestions import close_name
from tau2_core.packs.conversions import Conversions
from tau2_core.packs.json_source import load_json
from tau2_core.packs.problems import keys_at
from tau2_core.packs.source_error import SourceError, SourcePath
from tau2_core.packs.yaml_source import Document, read_yaml
from tau2_core.runtime.garbage_collection import no_garbage_collection
from tau2_core.state.records import Database
from tau2_core.state.shared_values import UnshareableError
from tau2_core.state.world import Base
from tau2_core.validation_errors import dotted

_TOML_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_TOML_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOML_NAME = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


Read = Callable[[Path], bytes]


class DataError(ValueError):
    """A database file that cannot be read; carries the location."""

    def __init__(self, message: str, file: Path, line: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


def read_data(file: Path, read: Read = Path.read_bytes) -> Any:
    """Parse a .json, .yaml, .yml or .toml file. Raises DataError, with the line if it is known.

    Duplicate keys, numbers that are not finite (NaN, 1e400) and YAML tags are refused.
    """
    try:
        if file.suffix == ".json":
            return load_json(read(file))
        if file.suffix in (".yaml", ".yml"):
            document = read_yaml(file, read)
            for repeat in document.repeats:
                raise repeat
            return document.value
        if file.suffix == ".toml":
            return tomllib.loads(read(file).decode("utf-8-sig"), parse_float=_finite)
    except SourceError as error:
        raise DataError(f"{'not JSON: ' if file.suffix == '.json' else ''}{error}", file, error.line) from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise DataError(f"not TOML: {error}", file, int(found[1]) if found else None) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text: {error.reason} at byte {error.start}", file) from error
    except (ValueError, RecursionError) as error:  # too long a number or too deep nesting for Python
        raise DataError(f"cannot be parsed: {error}", file) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file) from error
    raise DataError(f"{file.suffix or 'no suffix'} is not one of .json, .yaml, .toml", file)


def _finite(text: str) -> float:
    number = float(text.replace("_", ""))
    if not isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def load_base(model: type[Database], file: Path, *, exact: bool = True, read: Read = Path.read_bytes) -> Base:
    """Read and validate a database. Raises DataError with the location of the first wrong value.

    Args:
        model: the database's type.
        file: a .json, .yaml, .yml or .toml file.
        exact: refuse text in place of a number or a bool, which pydantic would convert.
        read: returns the file's content.
    """
    try:
        with no_garbage_collection(), foreign():
            content = read_data(file, read)
            return Base(_exactly(model, content, file) if exact else model.model_validate(content))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        message = f"{_dotted(detail['loc'])}: {detail['msg']}{_misspelt(detail, model)}{_more(error.error_count())}"
        raise DataError(message, file, _line(file, detail["loc"])) from error
    except DataError:
        raise
    except UnshareableError as error:
        raise DataError(str(error), file) from error
    except Exception as error:  # a validator in the pack may raise anything
        raise DataError(f"its model raised {describe_error(error)}", file) from error


def _exactly(model: type[Database], content: Any, file: Path) -> Database:
    """Validate a database without conversions of text. Raises ValidationError, DataError."""
    with suppress(ValidationError):  # it may just have dates, which are text in a file
        return model.model_validate(content, strict=True)
    database = model.model_validate(content)
    converted = Conversions().look(content, database).converted
    if converted:
        first = converted[0]
        raise DataError(f"{_dotted(first.path)}: {first}{_more(len(converted))}", file, _line(file, first.path))
    return database


def _dotted(path: SourcePath) -> str:
    return dotted(path) or "the whole file"


def _misspelt(detail: ErrorDetails, model: type[Database]) -> str:
    """Return the key that was probably meant for a missing field; "" if there is none."""
    if detail["type"] != "missing" or not isinstance(detail["input"], Mapping):
        return ""
    fields = keys_at(model, detail["loc"][:-1])
    close = close_name(str(detail["loc"][-1]), [key for key in detail["input"] if key not in fields])
    return f"; is it {close!r} that should be {detail['loc'][-1]!r}?" if close else ""


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


def read_document(file: Path) -> Document:
    """Parse a database file again, with the line of each part, after `read_data` has read it."""
    return _toml_document(file) if file.suffix == ".toml" else read_yaml(file)


def _line(file: Path, path: SourcePath) -> int | None:
    return read_document(file).line(path)


def _toml_document(file: Path) -> Document:
    """Return a TOML document with the lines of its tables and keys; a multi-line value has its first line only."""
    text = file.read_text(encoding="utf-8-sig")
    document = Document(file, tomllib.loads(text), {(): 1})
    table: SourcePath = ()
    counts: dict[SourcePath, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TOML_HEADER.match(line):
            table = _toml_names(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            document.lines.setdefault(table, number)
        elif key := _TOML_KEY.match(line):
            document.lines.setdefault((*table, *_toml_names(key[1])), number)
    return document


def _toml_names(text: str) -> SourcePath:
    return tuple(name.strip("\"'") for name in _TOML_NAME.findall(text))
