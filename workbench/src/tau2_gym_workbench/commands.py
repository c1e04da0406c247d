"""The commands `view` and `dev`: serve the workbench, export its pages as files, and author mode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PackOption = Annotated[
    list[Path] | None, typer.Option("--pack", metavar="PATH", help="Load a pack from a folder, without installing it.")
]
NoPluginOption = Annotated[
    list[str] | None, typer.Option("--no-plugin", metavar="NAME", help="Block a plugin before it is imported.")
]
HostOption = Annotated[str, typer.Option(help="The address to listen on.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="TAU2_GYM_TOKEN", help="The token that browsers must send; required beyond loopback."),
]
NoOpenOption = Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")]


def view(
    folder: Annotated[
        list[Path] | None, typer.Argument(help="Folders that contain run folders; with --export, run folders.")
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8710,
    token: TokenOption = None,
    no_open: NoOpenOption = False,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the pages of these runs as files instead of serving them.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The dataset's folder, if it has moved since the runs.")
    ] = None,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Open the workbench: runs, episodes and domains in a web page, live or finished; or write its pages as files."""
    from tau2_core.errors import UsageError

    from tau2_gym_workbench.settings import Settings

    folders = folder or [Path("runs")]
    settings = Settings(pack or (), dataset, no_plugin or ())
    if export is not None:
        from tau2_gym_workbench.export import export_runs

        typer.echo(export_runs(folders, export, settings))
        return
    if len(folders) > 1:
        raise UsageError(f"give one folder, not {len(folders)}; only --export takes several")
    from tau2_gym_workbench.application import application, open_page_source
    from tau2_gym_workbench.serve import serve

    serve(
        lambda: application(open_page_source(folders[0], settings), host, token),
        host,
        port,
        token,
        say=typer.echo,
        opens=not no_open,
    )


def dev(
    pack: Annotated[Path, typer.Argument(help="The folder of your pack.")],
    folder: Annotated[Path, typer.Option("--runs", help="The folder that contains run folders.")] = Path("runs"),
    host: HostOption = "127.0.0.1",
    port: PortOption = 8710,
    token: TokenOption = None,
    no_open: NoOpenOption = False,
    no_plugin: NoPluginOption = None,
) -> None:
    """Work on a pack: check it whenever a file changes, play its tasks, and turn what was played into tasks."""
    from tau2_core.packs.locations import find_pack_folder

    from tau2_gym_workbench.application import application, open_page_source
    from tau2_gym_workbench.serve import serve
    from tau2_gym_workbench.settings import Settings

    found = find_pack_folder(pack)
    settings = Settings([found], None, no_plugin or ())
    serve(
        lambda: application(open_page_source(folder, settings, authors=True), host, token, found),
        host,
        port,
        token,
        say=typer.echo,
        opens=not no_open,
        path="dev",
    )
