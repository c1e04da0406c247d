"""The commands that plugins add. They are loaded only to list the commands, and for a command that is not ours."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from typer.core import TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from tau2_core.cli.command_wrapper import epilog, wrapped_command
from tau2_core.errors import PluginError, UsageError

if TYPE_CHECKING:
    from tau2_core.model.registrations import CommandSpec
    from tau2_core.plugins.catalogue import Catalogue


class CommandGroup(TyperGroup):
    """Our commands, followed by those of plugins. No plugin is imported for a command of ours."""

    ours: ClassVar[Any]  # a mapping from names

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = self.ours

    @cached_property
    def catalogue(self) -> Catalogue:
        """All plugins. Raises UsageError if a plugin is blocked that does not exist."""
        from tau2_core.plugins.discovery import discover

        return discover()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, or only ours if plugins cannot be loaded; calling one then gives the reason."""
        ours = super().list_commands(ctx)
        try:
            theirs = [spec.name for spec in self.catalogue.commands()]
        except UsageError:
            return ours
        return list(dict.fromkeys([*ours, *theirs]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, None if there is none with that name. Raises UsageError if two plugins add it."""
        ours = super().get_command(ctx, cmd_name)
        if ours is not None or cmd_name not in {spec.name for spec in self.catalogue.commands()}:
            return ours
        return _command(self.catalogue.command(cmd_name))


def _command(spec: CommandSpec) -> Any:
    from tau2_core.model.lazy import loaded

    try:
        run = loaded(spec.run)
    except PluginError as error:
        cause = error  # raised when this command is called; the list of commands still works

        def run() -> NoReturn:
            raise cause

    info = CommandInfo(
        name=spec.name,
        callback=wrapped_command(run, run.__module__.partition(".")[0]),
        short_help=spec.summary,
        epilog=epilog(list(spec.example) or [f"tau2-gym {spec.name}"]),
    )
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
