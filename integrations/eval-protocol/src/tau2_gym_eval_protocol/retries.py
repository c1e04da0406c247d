"""Which failed rollouts are retried, and after what delay (spec/evaluation_test.md, 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tau2_core.errors import Tau2GymError


class RolloutError(Tau2GymError):
    """A rollout failed through no fault of the agent: a model or a server could not be reached."""


RETRYABLE: frozenset[type[BaseException]] = frozenset({ConnectionError, TimeoutError, OSError, RolloutError})


@dataclass(frozen=True)
class BackoffConfig:
    """The delay before each retry, in seconds.

    `expo` waits `base_delay * factor ** n` before retry n (from 0), at most `max_delay`; `constant` waits
    `base_delay`. `jitter` maps a delay to another one, for example a random part of it. No retry follows an exception
    for which `giveup_func` returns True.
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
        """Return the delay in seconds before a retry, counted from 0."""
        seconds = self.base_delay * (self.factor**retry if self.strategy == "expo" else 1.0)
        seconds = min(seconds, self.max_delay)
        return self.jitter(seconds) if self.jitter else seconds


@dataclass(frozen=True)
class ExceptionHandlerConfig:
    """Retry after exceptions of these types, at most `backoff_config.max_tries` times."""

    retryable_exceptions: set[type[BaseException]] | frozenset[type[BaseException]] = RETRYABLE
    backoff_config: BackoffConfig = field(default_factory=BackoffConfig)

    def is_worth_retrying(self, error: Exception) -> bool:
        known = isinstance(error, tuple(self.retryable_exceptions))
        return known and not self.backoff_config.giveup_func(error)
