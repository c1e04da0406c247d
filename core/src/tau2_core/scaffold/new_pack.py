"""The files of a new pack, depending on its options."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.scaffold.pack_name import PackName
from tau2_core.scaffold.schemas import shipped_schema
from tau2_core.scaffold.templates import SCHEMAS, render, template_files

# Next to the package in a distribution, otherwise in it.
_OUTSIDE = ("tests/",)
_PACKAGE_FILES = ("plugin.py",)
_SCHEMAS = ("domain", "tools", "functions", "tasks", "splits")


def new_pack(name: PackName, *, minimal: bool = False, customer_tools: bool = False) -> dict[str, str]:
    """Return the files of a new pack by their path below its folder. Raises UsageError for contradicting options."""
    if minimal and customer_tools:
        raise UsageError("--minimal and --with-customer-tools exclude each other: give only one of them")
    values = template_values(name, customer_tools=customer_tools)
    kinds = ["minimal"] if minimal else ["plain", *(["customer"] if customer_tools else [])]
    files: dict[str, str] = {}
    for kind in kinds:
        add_files(files, kind, name, values)
    finish_package(files, name, values)
    return dict(sorted(files.items()))


def template_values(name: PackName, **more: Any) -> dict[str, Any]:
    """Return the variables of every template."""
    major, minor, *_ = version("tau2-core").split(".")
    return {
        "name": name.domain,
        "package": name.package,
        "distribution": name.distribution,
        "camel": name.camel,
        "title": name.title,
        "core_version": f"{major}.{minor}.0",
        **more,
    }


def add_files(files: dict[str, str], kind: str, name: PackName, values: Mapping[str, Any]) -> None:
    """Add the files of one folder of templates."""
    for file in template_files(kind):
        target = _target(file, name)
        files[target] = render(kind, file, target, values)


def finish_package(files: dict[str, str], name: PackName, values: Mapping[str, Any]) -> None:
    """Add the schemas that the files name and, for a distribution, its own files."""
    if name.distributed:
        files[_target("py.typed", name)] = ""
        for file in template_files("package"):
            target = _target(file, name) if file in _PACKAGE_FILES else file
            files[target] = render("package", file, target, values)
    else:
        files["tests/__init__.py"] = ""  # so that pytest finds the package around it
    named = "\n".join(files.values())
    for schema in _SCHEMAS:
        if f"{SCHEMAS}/{schema}.json" in named:
            files[f"{SCHEMAS}/{schema}.json"] = shipped_schema(schema)


def _target(file: str, name: PackName) -> str:
    if file == "tests/test_pack.py":
        file = f"tests/test_{name.domain}.py"
    if not name.distributed or file.startswith(_OUTSIDE):
        return file
    return f"src/{name.package}/{file}"
