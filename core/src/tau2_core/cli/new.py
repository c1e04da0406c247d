"""`tau2-gym new`: the files of a new pack."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tau2_core.cli.options import example
from tau2_core.cli.safe_text import say


@example("tau2-gym new bike_shop")
def new(
    name: Annotated[str, typer.Argument(help="The domain's name, such as bike_shop.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where to write the new folder.")] = Path(),
    minimal: Annotated[bool, typer.Option("--minimal", help="As few files as possible: one tool, one task.")] = False,
    with_customer_tools: Annotated[
        bool, typer.Option("--with-customer-tools", help="Give the customer a database and tools of their own.")
    ] = False,
    package: Annotated[
        bool, typer.Option("--package", help="Make a distribution that pip can build and install.")
    ] = False,
) -> None:
    """Write a new pack that passes `check`, to be changed into your own."""
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.scaffold.folder import write_folder
    from tau2_core.scaffold.new_pack import new_pack
    from tau2_core.scaffold.pack_name import new_pack_name

    catalogue = open_catalogue()
    taken = {domain: catalogue.origin("domain", domain) for domain in catalogue.domain_names()}
    pack = new_pack_name(name, taken, distributed=package)
    folder = directory / name
    files = new_pack(pack, minimal=minimal, customer_tools=with_customer_tools)
    write_folder(folder, files)
    say(f"{folder}: {len(files)} files")
    say("Next:")
    place = shlex.quote(str(folder))
    say(f"  tau2-gym check --pack {place}")
    say(f"  tau2-gym run {name} --pack {place}")
    say(f"  {'tau2-gym describe ' + name + ' --pack ' + place if minimal else 'python -m pytest ' + place}")
