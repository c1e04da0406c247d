"""`tau2-gym replay`: replaying recorded calls of the official implementation, and comparing the results."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import DatasetOption, NoPluginOption, PackOption, PackTau2Option, all_packs, example
from tau2_core.cli.safe_text import say
from tau2_core.errors import UsageError

if TYPE_CHECKING:
    from tau2_core.episode.setting import Setting
    from tau2_core.llm.model import RoleModel


RECORDED = {"requestor": "assistant", "name": "get_users", "arguments": {}, "error": False, "content": None}
RECORDING = {"id": "mine", "domain": "mock", "calls": [{**RECORDED, "compare": "outcome"}]}


@example(f"echo '{json.dumps(RECORDING)}' > calls.jsonl", "tau2-gym replay calls.jsonl")
def replay(
    file: Annotated[list[Path], typer.Argument(help="Files of recorded calls, .jsonl or .jsonl.gz.")],
    dataset: DatasetOption = None,
    mode: Annotated[
        Literal["strict", "tau2"], typer.Option(help="The argument mode: tau2, as in tau2-bench, or strict.")
    ] = "tau2",
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Replay recorded calls, compare results and hashes, and report every mismatch. Exits with 1 if there is one."""
    from asyncio import Runner

    from tau2_core.cli.progress import progress
    from tau2_core.llm.limits import Patience
    from tau2_core.runs.loading import load_setting, open_catalogue
    from tau2_core.runs.model_clients import close_models, open_models
    from tau2_core.runs.replay import Replayed, ReplayReport, replay_file

    catalogue = open_catalogue(all_packs(pack, pack_tau2), no_plugin or ())
    loop = Runner()
    opened: list[RoleModel] = []

    @cache
    def default_of(domain: str) -> Setting:
        return load_setting(catalogue, domain, dataset=dataset, mode=mode)

    @cache
    def replayed_in(domain: str, variant: str, options: str) -> Replayed | str:
        default = default_of(domain)
        if not variant:
            return Replayed(default, {}, loop)
        if variant not in default.pack.manifest.variants:
            return "there is no such variant"
        try:
            chosen = replace(default, variant=variant)
            given = json.loads(options)  # tau2-bench ignores options that a variant does not have
            known = {name: value for name, value in given.items() if name in chosen.options}
            chosen = replace(chosen, variant_options=known) if known else chosen
            models = open_models(chosen.search_models, patience=Patience())
        except UsageError as error:  # it needs something that is missing here: a package, or access to a model
            return str(error)
        opened.extend(models.values())
        return Replayed(chosen, models, loop)

    report = ReplayReport()
    shown = 0
    for path in file:
        before = report.episodes
        with progress(f"replaying {path.name}", None) as bar:
            replay_file(path, replayed_in, report, bar.advance)
        if report.episodes == before:  # an empty recording; the others still count
            say(f"note: {path} contains no recorded episode", err=True)
        for mismatch in report.mismatches[shown:]:
            say(str(mismatch))
        shown = len(report.mismatches)
    loop.run(close_models(opened))
    loop.close()
    say(report.closing_line())
    for note in report.notes():
        say(note, err=True)
    if report.mismatches:
        raise typer.Exit(1)
