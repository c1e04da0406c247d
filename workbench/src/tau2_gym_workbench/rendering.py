"""Jinja templates with autoescaping; control characters in values are made visible first."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from tau2_core.records.verdict_text import NOT_IN_REWARD, remark, verdict_sign

from tau2_gym_workbench import text


def environment(packages: tuple[tuple[str, str], ...] = ()) -> Environment:
    """Return an environment with our templates, and each plugin's templates under the plugin's name."""
    loaders: dict[str, Any] = {name: PackageLoader(package, "") for name, package in packages}
    return _environment(PrefixLoader({"workbench": PackageLoader("tau2_gym_workbench"), **loaders}, delimiter="/"))


@cache
def own() -> Environment:
    """Return our own templates."""
    return environment()


def _environment(loader: PrefixLoader) -> Environment:
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "formatted": text.formatted,
        "compact": text.compact,
        "one_line": text.one_line,
        "arguments": text.arguments,
        "clipped": text.clipped,
        "money": text.money,
        "count": text.count,
        "seconds": text.seconds,
        "percent": text.percent,
    }
    made.globals |= {"verdict_sign": verdict_sign, "remark": remark, "not_in_reward": NOT_IN_REWARD}
    return made
