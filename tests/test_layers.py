"""The layers hold, the public names are there, and the command starts without what it does not need."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tau2_core
from tau2_core import hookspecs

ROOT = Path(__file__).resolve().parents[1]
# Modules that take long to import, and are of no use to somebody who asks for help.
HEAVY = [
    "aiohttp",
    "pydantic",
    "jinja2",
    "yaml",
    "jsonschema_rs",
    "msgspec",
    "rich.table",
    "litellm",
    "openai",
    "mcp",
    "starlette",
    "numpy",
    "scipy",
]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code, *arguments], check=True, capture_output=True, text=True
    )


@pytest.mark.domain("airline", "mock", "retail", "telecom")
def test_imports_go_down_only() -> None:
    script = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([script, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken." in done.stdout


@pytest.fixture(scope="module")
def declared() -> list[str]:
    """The names that a type checker sees in `tau2_core`."""
    module = ast.parse(Path(tau2_core.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in module.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    return [alias.asname or "" for node in imports for alias in node.names]


def test_every_public_name_is_there(declared: list[str]) -> None:
    assert tau2_core.__all__ == ["__version__", *sorted(declared)]
    assert dir(tau2_core) == sorted(tau2_core.__all__)
    for name in declared:
        found = getattr(tau2_core, name)
        assert not inspect.isclass(found) or found.__name__ == name


def test_public_names_and_hooks_are_the_listed_ones(declared: list[str]) -> None:
    """What others build on changes only together with this list."""
    hooks = {
        name: str(inspect.signature(hook))
        for name, hook in vars(hookspecs).items()
        if name.startswith("tau2_") and callable(hook)
    }
    listed = json.loads((ROOT / "tests" / "public_names.json").read_text(encoding="utf-8"))
    assert {"names": sorted(declared), "hooks": hooks} == listed


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tau2_core' has no attribute 'Nothing'"):
        _ = tau2_core.Nothing


def test_each_public_name_can_be_the_first(declared: list[str]) -> None:
    """No name depends on another having been imported before it: circles show only so."""
    code = """
import sys
names, kept = sys.argv[1:], set(sys.modules)
for name in names:
    for module in [module for module in sys.modules if module.startswith("tau2_core")]:
        del sys.modules[module]
    getattr(__import__("tau2_core"), name)
print(len(names))
"""
    assert python(code, *declared).stdout == f"{len(declared)}\n"


MAIN = "from tau2_core.cli.app import main; main()"


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import tau2_core", ""),
        (f"import sys; sys.argv = ['tau2-gym', '--help']; {MAIN}", "pydantic"),  # plugins' commands are listed
        (f"import sys; sys.argv = ['tau2-gym', 'run', '--help']; {MAIN}", "pydantic"),  # typer's own wish
        ("from tau2_core import AgentSpec, Domain, Lazy, hookimpl", "pydantic"),
    ],
    ids=["import", "help", "help of a command", "what a plugin imports"],
)
def test_little_is_imported(code: str, needed: str) -> None:
    tell = f"print(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    assert python(f"import atexit, sys\natexit.register(lambda: {tell})\n{code}").stderr in ("\n", f"{needed}\n")
