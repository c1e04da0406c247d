"""The models of a pack's databases, as named in its manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tools import Role, Source
from tau2_core.packs.binding import failure_place
from tau2_core.packs.manifest import Databases
from tau2_core.packs.pack import ROLES
from tau2_core.packs.pack_modules import load_name
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.records import Database


def read_models(
    databases: Databases, package: str, folder: Path, source: Callable[..., Source], problems: Problems
) -> dict[Role, type[Database]]:
    """Return the model of each side's database. Problems are noted, at the `source` of a part of the manifest."""
    models: dict[Role, type[Database]] = {}
    for role in ROLES:
        entry = databases.agent if role == "agent" else databases.user
        if entry is None:
            continue
        if entry == "agent":
            if "agent" in models:
                models[role] = models["agent"]
            continue
        place = source("databases", role, "model")
        try:
            with foreign():
                model = load_name(package, entry.model)
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; it is reported
            file, line = failure_place(error, source().file)
            if not any((each.file, each.line) == (file, line) for each in problems.found):
                what = f"model {entry.model!r}: {describe_error(error)}"
                problems.at(place, ProblemKind.DATABASE_MODEL, what)
            continue
        if not (isinstance(model, type) and issubclass(model, Database)):
            problems.at(place, ProblemKind.DATABASE_MODEL, f"{entry.model} is not a subclass of tau2_core.Database")
            continue
        data = folder / entry.data
        if not data.is_file():
            problems.at(
                source("databases", role, "data"),
                ProblemKind.MISSING_FILE,
                f"there is no file {data}",
                hint="create the file, or correct the path",
            )
            continue
        models[role] = model
    return models
