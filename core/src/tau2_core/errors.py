"""Every error that the project raises on purpose, each with the place and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class ToolError(Exception):
    """Fail a tool call: raised by handlers, shown to the model as the call's error result."""


class Tau2GymError(Exception):
    """Base of what a user of the project can do something about; the message says what."""


class UsageError(Tau2GymError):
    """A wrong name, option or combination on the command line or in a call: exit code 2."""


class MissingExtraError(UsageError):
    """What was asked for needs a library that an extra of tau2-core installs, and that is not there."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} need {library}, which is not installed: pip install 'tau2-core[{extra}]'")


class EpisodeError(UsageError):
    """A step that an episode cannot take now: it has ended, another step runs, or it is the other side's turn."""


class DatasetError(UsageError):
    """A folder given as a dataset is none, or lacks what is asked of it."""


class PluginError(Tau2GymError):
    """What a plugin brought cannot be used."""


class RunError(Tau2GymError):
    """A run cannot start or go on; what is finished has been kept."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a pack: where, what, and the next step."""

    pack: str
    file: Path
    message: str
    line: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{self.pack}: {place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PackError(Tau2GymError):
    """A pack is wrong; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TaskError(Tau2GymError):
    """A task cannot be set up in its world: its initial state or history does not apply."""
