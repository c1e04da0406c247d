"""Reading a database file into its records."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tau2_core.packs.yaml_source import YamlError, read_yaml
from tau2_core.state.records import Database, UnshareableError
from tau2_core.state.world import Base


class DataError(ValueError):
    """A database file that cannot be read; says where."""

    def __init__(self, message: str, file: Path, line: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


def read_data(file: Path) -> Any:
    """Parse a .json, .yaml, .yml or .toml file. Raises DataError."""
    try:
        if file.suffix == ".json":
            return json.loads(file.read_bytes())
        if file.suffix in (".yaml", ".yml"):
            document = read_yaml(file)
            for repeat in document.repeats:
                raise repeat
            return document.value
        if file.suffix == ".toml":
            return tomllib.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}", file, error.lineno) from error
    except YamlError as error:
        raise DataError(str(error), file, error.line) from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"not TOML: {error}", file) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text: {error.reason} at byte {error.start}", file) from error
    except (ValueError, RecursionError) as error:  # numbers too long or nesting too deep for Python
        raise DataError(f"cannot be parsed: {error}", file) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file) from error
    raise DataError(f"{file.suffix or 'no suffix'} is none of .json, .yaml, .toml", file)


def load_base(model: type[Database], file: Path) -> Base:
    """Read and validate a database. Raises DataError with the place of the first wrong value."""
    content = read_data(file)
    try:
        return Base(model.model_validate(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise DataError(f"{place}: {first['msg']}{more}", file, _line_of(file, first["loc"])) from error
    except UnshareableError as error:
        raise DataError(str(error), file) from error


def _line_of(file: Path, path: tuple[str | int, ...]) -> int | None:
    """Find the line of a value: exact in YAML; in JSON the line that first names the record's key."""
    if file.suffix in (".yaml", ".yml"):
        return read_yaml(file).line(path)
    keys = [part for part in path if isinstance(part, str)][:2]
    lines = file.read_text(encoding="utf-8").splitlines()
    start = 0
    for key in keys:
        found = next(
            (n for n in range(start, len(lines)) if f'"{key}"' in lines[n] or lines[n].startswith(f"{key} ")), None
        )
        if found is None:
            break
        start = found
    return start + 1
