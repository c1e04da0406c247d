"""Cassettes: files with every exchange with a model, so that a run can be replayed without network and keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from tau2_core.errors import UsageError
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelRole
from tau2_core.state.difference import path_text, value_changes
from tau2_core.validation_errors import first_wrong_part

ExchangeKey = tuple[str, ModelRole, int]
Request = dict[str, Any]
KEPT = 1000
_BEGINNING = b'{"episode": '
_Count = Annotated[StrictInt, Field(ge=0)]


class _Changes(BaseModel):
    model_config = ConfigDict(extra="allow")

    same: _Count
    messages: list[dict[str, Any]]


class _Failed(BaseModel):
    kind: ModelFailure
    message: str


class _Exchange(BaseModel):
    """One line of a cassette: a request with its answer or its final failure."""

    model_config = ConfigDict(extra="forbid")

    episode: str
    role: ModelRole
    number: _Count
    request: _Changes
    completion: Completion | None = None
    failure: _Failed | None = None


class Cassette:
    """Exchanges by key: (episode, role, number of exchanges before). Their order in the file does not matter.

    A line stores its request as the difference to the exchange before: the messages after the first `same` ones, and
    changed values of the rest (model, arguments, tools). Of two lines with the same key the later one counts, so a run
    that was stopped can continue recording into the same file (`resume`).

    A worker's cassette (`record_line`) opens no file: it replays the lines that its run gives it, and hands over the
    lines that it records.
    """

    def __init__(
        self,
        file: Path,
        *,
        replaying: bool,
        resume: bool = False,
        record_line: Callable[[str], None] | None = None,
    ) -> None:
        """Open a cassette. Raises UsageError if it cannot be read or created."""
        self.file = file
        self.replaying = replaying
        # as JSON text: parsed, they would use too much memory
        self._lines: dict[str, dict[tuple[ModelRole, int], bytes]] = {}
        self._last: dict[tuple[str, ModelRole], tuple[int, Request]] = {}
        self._record_line = record_line or self.append_line
        if record_line is not None:
            return
        if replaying:
            self._read()
        else:
            self._begin(resume=resume)

    def lines_of(self, episode: str) -> list[bytes]:
        """Return the lines of one episode, to replay it elsewhere."""
        return list(self._lines.get(episode, {}).values())

    def insert(self, lines: Iterable[bytes]) -> None:
        """Replay these lines too."""
        for line in lines:
            self._insert(json.loads(line), line)

    def remove(self, episode: str) -> None:
        """Forget the lines of one episode."""
        self._lines.pop(episode, None)

    def _insert(self, exchange: Mapping[str, Any], line: bytes) -> None:
        self._lines.setdefault(exchange["episode"], {})[exchange["role"], exchange["number"]] = line

    def append_line(self, line: str) -> None:
        """Append a recorded line. Raises ModelError if the file cannot be written."""
        try:
            self._append(line)
        except OSError as error:
            raise ModelError(ModelFailure.CASSETTE, f"cannot write {self.file}: {error.strerror}") from error

    def record(self, place: ExchangeKey, request: Request, answer: Completion | ModelError) -> None:
        """Append one exchange, or its final failure. Raises ModelError if the file cannot be written."""
        episode, role, number = place
        line: dict[str, Any] = {"episode": episode, "role": role, "number": number}
        line["request"] = _changes(self._before(place), request)
        self._keep(place, request)
        if isinstance(answer, Completion):
            line["completion"] = answer.model_dump(mode="json", exclude_none=True)
        else:
            line["failure"] = {"kind": answer.kind.value, "message": answer.message}
        self._record_line(json.dumps(line, ensure_ascii=False) + "\n")

    def play(self, place: ExchangeKey, request: Request) -> Completion:
        """Return the recorded answer. Raises ModelError, naming the first difference, if the request differs."""
        episode, role, number = place
        line = self._exchange(place)
        where = f"{self.file}: {episode}, {role}, exchange {number}"
        if line is None:
            raise ModelError(ModelFailure.CASSETTE, f"{where}: not on the cassette; record it again")
        recorded = _restored(self._before(place), line["request"])
        self._keep(place, recorded)
        asked = json.loads(json.dumps(request))
        difference = next(value_changes(recorded, asked), None)
        if difference is not None:
            raise ModelError(
                ModelFailure.CASSETTE,
                f"{where}: {path_text(difference.path)} was {_short(difference.old)}; "
                f"now {_short(difference.new)}; record it again",
            )
        if "failure" in line:
            raise ModelError(ModelFailure(line["failure"]["kind"]), line["failure"]["message"])
        return Completion.model_validate(line["completion"])

    def _before(self, place: ExchangeKey) -> Request:
        """Return the previous request, {} for the first."""
        episode, role, number = place
        known, request = self._last.get((episode, role), (-1, {}))
        steps: list[Request] = []
        for earlier in range(number - 1, -1, -1):
            if earlier == known:
                break
            steps.append((self._exchange((episode, role, earlier)) or {"request": {}})["request"])
        else:
            request = {}
        for changes in filter(None, reversed(steps)):
            request = _restored(request, changes)
        return request

    def _exchange(self, place: ExchangeKey) -> dict[str, Any] | None:
        episode, role, number = place
        line = self._lines.get(episode, {}).get((role, number))
        return None if line is None else json.loads(line)

    def _keep(self, place: ExchangeKey, request: Request) -> None:
        """Keep the last request of an episode's role, for a limited number of episodes."""
        episode, role, number = place
        self._last.pop((episode, role), None)
        self._last[episode, role] = (number, request)
        if len(self._last) > KEPT:
            del self._last[next(iter(self._last))]

    def _read(self) -> None:
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise UsageError(f"--replay {self.file}: {error.strerror}") from error
        if not content.strip():
            raise UsageError(f"--replay {self.file}: the file is empty; nothing was recorded")
        for exchange, line in _exchanges(f"--replay {self.file}", content):
            self._insert(exchange, line)

    def _begin(self, *, resume: bool) -> None:
        """Check that the file can be written, and remove an incomplete last line that a killed process has left.

        Raises UsageError, also for a file with anything but exchanges, which is left unchanged.
        """
        option = f"--record {self.file}"
        try:
            content = self.file.read_bytes() if self.file.exists() else b""
            if content and not resume:
                raise UsageError(f"{option}: it already exists; remove it, or use --replay")
            whole = content[: content.rfind(b"\n") + 1]
            half = content[len(whole) :]
            if half[: len(_BEGINNING)] != _BEGINNING[: len(half)]:
                raise UsageError(f"{option}: it is not a cassette and was not changed; record into another file")
            for _ in _exchanges(option, whole):
                pass
            self._append("")
            if half:
                self.file.write_bytes(whole)
        except OSError as error:
            raise UsageError(f"{option}: {error.strerror}") from error

    def _append(self, text: str) -> None:
        with self.file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)


def _exchanges(option: str, content: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the exchanges of a cassette with their lines. Raises UsageError with file and line for an invalid one."""
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        wrong = ""
        try:
            exchange: dict[str, Any] = json.loads(line.decode())
            _Exchange.model_validate(exchange)
            if b"\\u" in line:
                json.dumps(exchange, ensure_ascii=False).encode()
            if (exchange.get("completion") is None) is (exchange.get("failure") is None):
                wrong = "it should have a completion or a failure"
        except ValidationError as error:
            wrong = first_wrong_part(error)
        except UnicodeEncodeError:
            wrong = "it contains a lone surrogate"
        except RecursionError:
            wrong = "it is nested too deeply"
        except ValueError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                wrong = "it is incomplete, as after a killed recording; remove the line, or continue with --resume"
                raise UsageError(f"{option}:{number}: {wrong}") from error
            wrong = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        if wrong:
            raise UsageError(f"{option}:{number}: not an exchange: {wrong}; record it again, or fix the line")
        yield exchange, line


def _changes(before: Mapping[str, Any], request: Request) -> Request:
    """Return the difference of a request to the previous one; see `_restored`."""
    changed = {key: value for key, value in request.items() if key not in before or not _equal(before[key], value)}
    changed.pop("messages", None)
    old, new = before.get("messages", []), request["messages"]
    pairs = enumerate(zip(old, new, strict=False))
    same = next((index for index, (one, other) in pairs if not _equal(one, other)), None)
    if same is None:
        same = min(len(old), len(new))
    return {**changed, "same": same, "messages": new[same:]}


def _equal(one: Any, other: Any) -> bool:
    """Tell whether values are the same JSON. Python alone considers 1 and true equal."""
    return bool(one == other) and next(value_changes(one, other), None) is None


def _restored(before: Mapping[str, Any], changes: Request) -> Request:
    messages = [*before.get("messages", [])[: changes["same"]], *changes["messages"]]
    rest = {key: value for key, value in changes.items() if key not in ("same", "messages")}
    return {**before, **rest, "messages": messages}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
