"""Cassettes: every exchange with a model in a file, so that a run can be played again with no network and no key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelRole
from tau2_core.state.difference import compare, path_text

Place = tuple[str, ModelRole, int]
Request = dict[str, Any]
KEPT = 1000


class Cassette:
    """Exchanges by place: (episode, role, how many were before it). Order in the file does not matter.

    A line holds of its request only what is not as in the exchange before: of the messages those after the `same`
    first ones, of the rest (model, arguments, tools) what has changed. Of two lines for a place the later one counts,
    so a run that was stopped goes on recording into the same file (`resume`).
    """

    def __init__(self, file: Path, *, replaying: bool, resume: bool = False) -> None:
        """Open a cassette. Raises UsageError if it cannot be read, or written anew."""
        self.file = file
        self.replaying = replaying
        self._lines: dict[Place, dict[str, Any]] = {}
        self._last: dict[tuple[str, ModelRole], tuple[int, Request]] = {}
        if replaying:
            self._read()
        elif file.exists() and file.stat().st_size and not resume:
            raise UsageError(f"--record {file}: it exists already; remove it, or use --replay")
        else:
            self._begin()

    def record(self, place: Place, request: Request, answer: Completion | ModelError) -> None:
        """Append one exchange, or how it failed for good. Raises ModelError if the file cannot be written."""
        episode, role, number = place
        line: dict[str, Any] = {"episode": episode, "role": role, "number": number}
        line["request"] = _changes(self._before(place), request)
        self._keep(place, request)
        if isinstance(answer, Completion):
            line["completion"] = answer.model_dump(mode="json", exclude_none=True)
        else:
            line["failure"] = {"kind": answer.kind.value, "message": answer.message}
        try:
            self._append(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ModelError(ModelFailure.CASSETTE, f"cannot write {self.file}: {error.strerror}") from error

    def play(self, place: Place, request: Request) -> Completion:
        """Return what was answered then. Raises ModelError, naming the first difference, if something else is asked."""
        line = self._lines.get(place)
        episode, role, number = place
        where = f"{self.file}: {episode}, {role}, exchange {number}"
        if line is None:
            raise ModelError(ModelFailure.CASSETTE, f"{where}: not on the cassette; record it again")
        recorded = _restored(self._before(place), line["request"])
        self._keep(place, recorded)
        asked = json.loads(json.dumps(request))
        difference = next(compare(recorded, asked), None)
        if difference is not None:
            raise ModelError(
                ModelFailure.CASSETTE,
                f"{where}: {path_text(difference.path)} was {_short(difference.old)}; "
                f"now {_short(difference.new)}; record it again",
            )
        if "failure" in line:
            raise ModelError(ModelFailure(line["failure"]["kind"]), line["failure"]["message"])
        return Completion.model_validate(line["completion"])

    def _before(self, place: Place) -> Request:
        """Return the request before this one, {} before the first."""
        episode, role, number = place
        known, request = self._last.get((episode, role), (-1, {}))
        steps: list[Request] = []
        for earlier in range(number - 1, -1, -1):
            if earlier == known:
                break
            steps.append(self._lines.get((episode, role, earlier), {"request": {}})["request"])
        else:
            request = {}
        for changes in filter(None, reversed(steps)):
            request = _restored(request, changes)
        return request

    def _keep(self, place: Place, request: Request) -> None:
        """Keep the last request of an episode's role at hand, but not those of all episodes that are over."""
        episode, role, number = place
        self._last.pop((episode, role), None)
        self._last[episode, role] = (number, request)
        if len(self._last) > KEPT:
            del self._last[next(iter(self._last))]

    def _read(self) -> None:
        number = 0
        try:
            with self.file.open(encoding="utf-8-sig") as lines:
                for line in lines:
                    number += 1
                    exchange = json.loads(line)
                    place = (exchange["episode"], exchange["role"], exchange["number"])
                    if not isinstance(exchange["request"], dict) or not {"completion", "failure"} & exchange.keys():
                        raise KeyError("request, or completion")
                    self._lines[place] = exchange
        except OSError as error:
            raise UsageError(f"--replay {self.file}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--replay {self.file}:{number}: not an exchange: {error}") from error

    def _begin(self) -> None:
        """Make sure that the file can be written; half a line that a kill left behind is cut off."""
        try:
            self._append("")
            content = self.file.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                self.file.write_bytes(whole)
        except OSError as error:
            raise UsageError(f"--record {self.file}: {error.strerror}") from error

    def _append(self, text: str) -> None:
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(text)


def _changes(before: Mapping[str, Any], request: Request) -> Request:
    """Return what of a request differs from the one before it; see `_restored`."""
    changed = {key: value for key, value in request.items() if key not in before or not _equal(before[key], value)}
    changed.pop("messages", None)
    old, new = before.get("messages", []), request["messages"]
    pairs = enumerate(zip(old, new, strict=False))
    same = next((index for index, (one, other) in pairs if not _equal(one, other)), None)
    if same is None:
        same = min(len(old), len(new))
    return {**changed, "same": same, "messages": new[same:]}


def _equal(one: Any, other: Any) -> bool:
    """Tell whether values are the same JSON; to Python alone, 1 and true are."""
    return bool(one == other) and next(compare(one, other), None) is None


def _restored(before: Mapping[str, Any], changes: Request) -> Request:
    messages = [*before.get("messages", [])[: changes["same"]], *changes["messages"]]
    rest = {key: value for key, value in changes.items() if key not in ("same", "messages")}
    return {**before, **rest, "messages": messages}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
