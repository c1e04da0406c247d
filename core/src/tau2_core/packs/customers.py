"""The customers of the core and of a pack: prompts and personas by name, declared in one YAML file each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tau2_core.errors import PackError
from tau2_core.model.customers import Customers, CustomersFile, Persona, UserPrompt
from tau2_core.model.tools import Source
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place
from tau2_core.problem_kinds import ProblemKind

CORE_FOLDER = Path(__file__).parents[1] / "prompts"


@cache
def core_customers() -> Customers:
    """Return the prompts and personas that every domain has."""
    problems = Problems("core")
    found = read_customers(CORE_FOLDER / "customers.yaml", CORE_FOLDER, Source(CORE_FOLDER), problems, Customers())
    if problems.found:
        raise PackError(problems.found)
    return found


def read_customers(file: Path, folder: Path, named_by: Source, problems: Problems, known: Customers) -> Customers:
    """Read a file of customers and add them to the `known` ones. Invalid entries are noted and left out.

    Templates are relative to the `folder`.
    """
    document = problems.read(file, named_by=named_by)
    declared = None if document is None else problems.validate(CustomersFile, document, document.value or {})
    if document is None or declared is None:
        return known
    prompts, personas = dict(known.prompts), dict(known.personas)
    for section, names, taken in (
        ("prompts", declared.prompts, known.prompts),
        ("personas", declared.personas, known.personas),
    ):
        for name in names:
            if name in taken:
                place = Place(document, (section, name)).source()
                what = f"{section}: the core already has {name!r}"
                problems.at(place, ProblemKind.CUSTOMER, what, hint="choose another name")
    for name, entry in declared.prompts.items():
        if not (folder / entry.file).is_file():
            place = Place(document, ("prompts", name, "file")).source()
            what = f"there is no file {folder / entry.file}"
            problems.at(place, ProblemKind.MISSING_FILE, what, hint="create the file, or correct the path")
        elif name not in prompts:
            prompts[name] = UserPrompt(name, entry.summary, folder, entry.file, entry.plan)
    for name, persona in declared.personas.items():
        personas.setdefault(name, Persona(name, persona.summary, persona.manner.strip(), persona.speech_noise))
    return Customers(prompts, personas)


def prompt_files(customers: Customers) -> Iterator[Path]:
    """Yield the templates of the prompts that a pack adds to the core's."""
    for prompt in customers.prompts.values():
        if prompt.folder != CORE_FOLDER:
            yield prompt.folder / prompt.file
