"""The workbench's hook implementations."""

from __future__ import annotations

from tau2_core import CommandSpec, Lazy, PageSpec, hookimpl

PACKAGE = "tau2_gym_workbench"


@hookimpl
def tau2_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            "view",
            "Open the workbench: runs, episodes and domains in a web page, or write its pages as files.",
            Lazy(f"{PACKAGE}.commands:view"),
            ["tau2-gym run mock --agent random --name first", "tau2-gym view --export pages runs/first"],
        ),
        CommandSpec(
            "dev",
            "Work on a pack: check it whenever a file changes, play its tasks, and turn what was played into tasks.",
            Lazy(f"{PACKAGE}.commands:dev"),
            ["tau2-gym new bike_shop", "tau2-gym dev bike_shop"],
        ),
    ]


@hookimpl
def tau2_pages() -> list[PageSpec]:
    return [
        PageSpec(
            "judge", "Judge", "episode", PACKAGE, "templates/panels/judge.html", Lazy(f"{PACKAGE}.builtin_panels:judge")
        ),
        PageSpec(
            "usage",
            "Models",
            "episode",
            PACKAGE,
            "templates/panels/usage.html",
            Lazy(f"{PACKAGE}.builtin_panels:usage"),
        ),
        PageSpec(
            "plugins",
            "Plugins",
            "page",
            PACKAGE,
            "templates/panels/plugins.html",
            Lazy(f"{PACKAGE}.builtin_panels:plugins"),
        ),
    ]
