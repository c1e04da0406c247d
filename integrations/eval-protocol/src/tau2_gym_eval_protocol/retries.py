"""Which failures of rollouts are tried again, and how long to wait before (spec/evaluation_test.md, 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tau2_core.errors import Tau2GymError


class RolloutError(Tau2GymError):
    """A rollout ended for no reason of the agent's: a model or a server could not be reached."""


RETRYABLE: frozenset[type[BaseException]] = frozenset({ConnectionError, TimeoutError, OSError, RolloutError})


@dataclass(frozen=True)
class BackoffConfig:
    """How long to wait before each further try, in seconds.

    `expo` waits `base_delay * factor ** n` before retry n (from 0), at most `max_delay`; `constant` waits
    `base_delay`. `jitter` turns a wait into another, such as a random part of it. `giveup_func` tells of an exception
    that it is not worth another try.
    """

    strategy: Literal["expo", "constant"] = "expo"
    base_delay: float = 1.0
    max_delay: float = 60.0
    max_tries: int = 3
    jitter: Callable[[float], float] | None = None
    factor: float = 2.0
    raise_on_giveup: bool = True
    giveup_func: Callable[[Exception], bool] = field(default=lambda _error: False)

    def wait(self, retry: int) -> float:
        """Return the seconds to wait before a retry, counted from 0."""
        seconds = self.base_delay * (self.factor**retry if self.strategy == "expo" else 1.0)
        seconds = min(seconds, self.max_delay)
        return self.jitter(seconds) if self.jitter else seconds


@dataclass(frozen=True)
class ExceptionHandlerConfig:
    """Exceptions of these types are tried again, at most `backoff_config.max_tries` times after the first."""

    retryable_exceptions: set[type[BaseException]] | frozenset[type[BaseException]] = RETRYABLE
    backoff_config: BackoffConfig = field(default_factory=BackoffConfig)

    def is_worth_retrying(self, error: Exception) -> bool:
        known = isinstance(error, tuple(self.retryable_exceptions))
        return known and not self.backoff_config.giveup_func(error)
