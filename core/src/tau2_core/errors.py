"""The errors that the project raises on purpose. Each names the place and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tau2_core.problem_kinds import ProblemKind


class ToolError(Exception):
    """Fails a tool call: raised by handlers, and shown to the model as the call's error result."""


class Refusal(ToolError):  # noqa: N818 - named after what the business says
    """Declines a request: raised by handlers.

    In argument mode `tau2` the answer carries no error flag, and effects that came before stay, as in the official
    environment; in `strict` it is a failed call like any other.
    """


class HeldUpError(BaseException):  # not an Exception, so that retry loops do not swallow it
    """Interrupts foreign code that keeps the event loop busy for too long."""


class Tau2GymError(Exception):
    """Base of errors that a user of the project can fix; the message says how."""


class UsageError(Tau2GymError):
    """A wrong name, option or combination on the command line or in a call: exit code 2."""


class UnavailableError(UsageError):
    """Something is not available on this machine; the message says what to install or to allow."""


class MissingExtraError(UnavailableError):
    """A feature needs a library that is not installed, from an extra of a package or from the package itself."""

    def __init__(self, what: str, library: str, extra: str, package: str = "tau2-core") -> None:
        wanted = f"'{package}[{extra}]'" if extra else package
        super().__init__(f"{what} need {library}, which is not installed: pip install {wanted}")


class EpisodeError(UsageError):
    """A step is not possible now: the episode has ended, another step is running, or it is the other side's turn."""


class DatasetError(UsageError):
    """A folder given as a dataset is not one, or lacks what was requested."""


class PluginError(Tau2GymError):
    """Something that a plugin provides cannot be used."""


class RunError(Tau2GymError):
    """A run cannot start or continue; finished episodes have been kept."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a pack: where it is, what is wrong, and the next step.

    `replace` is a word in that line and its replacement, if the right word is certain.
    """

    pack: str
    kind: ProblemKind
    file: Path
    message: str
    line: int | None = None
    hint: str = ""
    replace: tuple[str, str] | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.pack}: {place}: {self.message}{hint} [{self.kind.code}]"


class PackError(Tau2GymError):
    """A pack has problems; carries all of them, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TaskError(Tau2GymError):
    """A task cannot be set up: its initial state or history does not apply to its world."""
