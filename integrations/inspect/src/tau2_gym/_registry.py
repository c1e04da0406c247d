"""The tasks `tau2_gym/DOMAIN`, one for each installed domain, registered when Inspect imports this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspect_ai import Task, task
from tau2_core import installed_domains
from tau2_gym_inspect.tasks import domain_task


def _register(domain: str) -> Callable[..., Task]:
    def create(
        split: str | None = None,
        tasks: str | list[str] | None = None,
        user: str = "scripted",
        variant: str = "",
        solo: bool = False,
        dataset: str | None = None,
        mode: str | None = None,
        evaluators: str = "tau2",
        judge: str | None = None,
        seed: int = 300,
        max_steps: int = 200,
        max_errors: int = 10,
        pack: str | None = None,
    ) -> Task:
        given: dict[str, Any] = {"variant": variant, "solo": solo, "dataset": dataset, "mode": mode, "judge": judge}
        given["tasks"] = [tasks] if isinstance(tasks, str) else tasks
        given |= {"evaluators": evaluators, "max_steps": max_steps, "max_errors": max_errors}
        options = {name: value for name, value in given.items() if value not in (None, "", False)}
        return domain_task(pack or domain, split=split, user=user, seed=seed, **options)

    registered: Callable[..., Task] = task(name=domain)(create)
    return registered


TASKS = {domain: _register(domain) for domain in installed_domains()}
