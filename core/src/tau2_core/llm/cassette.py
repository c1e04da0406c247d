"""Cassettes: every exchange with a model in a file, so that a run can be played again with no network and no key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelRole
from tau2_core.state.difference import compare, path_text

Place = tuple[str, ModelRole, int]


class Cassette:
    """Exchanges by place: (episode, role, how many were before it). Order in the file does not matter."""

    def __init__(self, file: Path, *, replaying: bool) -> None:
        """Open a cassette. Raises UsageError if it cannot be read, or written anew."""
        self.file = file
        self.replaying = replaying
        self._exchanges: dict[Place, dict[str, Any]] = {}
        if replaying:
            self._read()
        elif file.exists() and file.stat().st_size:
            raise UsageError(f"--record {file}: it exists already; remove it, or use --replay")
        else:
            self._write("")

    def record(self, place: Place, request: dict[str, Any], completion: Completion) -> None:
        """Append one exchange."""
        episode, role, number = place
        line: dict[str, Any] = {"episode": episode, "role": role, "number": number, "request": request}
        line["completion"] = completion.model_dump(mode="json")
        self._write(json.dumps(line, ensure_ascii=False) + "\n")

    def play(self, place: Place, request: dict[str, Any]) -> Completion:
        """Return what was answered then. Raises ModelError, naming the first difference, if something else is asked."""
        known = self._exchanges.get(place)
        episode, role, number = place
        where = f"{self.file}: {episode}, {role}, exchange {number}"
        if known is None:
            raise ModelError(ModelFailure.CASSETTE, f"{where}: not on the cassette; record it again")
        recorded, asked = known["request"], json.loads(json.dumps(request))
        difference = next(compare(recorded, asked), None)
        if difference is not None:
            place_text = path_text(difference.path)
            raise ModelError(
                ModelFailure.CASSETTE,
                f"{where}: {place_text} was {_short(difference.old)}; now {_short(difference.new)}; record it again",
            )
        return Completion.model_validate(known["completion"])

    def _read(self) -> None:
        number = 0
        try:
            with self.file.open(encoding="utf-8") as lines:
                for line in lines:
                    number += 1
                    exchange = json.loads(line)
                    self._exchanges[exchange["episode"], exchange["role"], exchange["number"]] = exchange
        except OSError as error:
            raise UsageError(f"--replay {self.file}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--replay {self.file}:{number}: not an exchange: {error}") from error

    def _write(self, text: str) -> None:
        try:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise UsageError(f"--record {self.file}: {error.strerror}") from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
