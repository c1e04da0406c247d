"""The limits of a conversation: its steps, its failed tool calls and its time."""

from __future__ import annotations

from dataclasses import dataclass

from tau2_core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a conversation. `max_errors` counts failed tool calls of both sides over the whole episode."""

    max_steps: int = 200
    max_errors: int = 10
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse impossible limits. Raises UsageError."""
        for name in ("max_steps", "max_errors"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise UsageError(f"--timeout must be more than 0 seconds, not {self.timeout_seconds}")
