"""tau2-gym in Inspect: the domains as tasks (`domain_task`), and runs as logs (`tau2-gym export RUN out.eval`)."""

from __future__ import annotations

from tau2_gym_inspect.tasks import domain_task

__all__ = ["domain_task"]
