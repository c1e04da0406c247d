"""The layers and the public names are as declared, and the command imports only what it needs."""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import tau2_core
from tau2_core import evaluate, hookspecs, records

ROOT = Path(__file__).resolve().parents[1]
# Modules that take long to import, and that the help does not need.
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
    """Changes to public names and hooks require a change to this list."""
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
    """No name requires that another was imported first; only this test would reveal import cycles."""
    code = """
import sys
names, homes = sys.argv[1:], set()
for name in names:
    import tau2_core
    home = tau2_core._MODULES[name]
    if home not in homes:  # names of one module are imported in the same way
        homes.add(home)
        for module in [module for module in sys.modules if module.startswith("tau2_core")]:
            del sys.modules[module]
        import tau2_core
    getattr(tau2_core, name)
print(len(names), homes == set(tau2_core._MODULES.values()))
"""
    assert python(code, *declared).stdout == f"{len(declared)} True\n"


# What reading and reporting runs must not import either.
PLAYING = ["tau2_core.episode", "tau2_core.evaluators", "tau2_core.llm", "tau2_core.packs", "tau2_core.plugins"]
RECORDS = [f"tau2_core.records.{module.name}" for module in pkgutil.iter_modules(records.__path__)]
MAIN = "import sys; from tau2_core.cli.app import main; sys.argv = ['tau2-gym', {}]; main()"
READING = ["msgspec", "numpy", "pydantic", "rich.table", "scipy"]
# Commands, and which heavy modules they may import.
STARTS = {
    "import": ("import tau2_core", []),
    "help": (MAIN.format("'--help'"), ["tau2_core.plugins"]),  # their commands are listed
    "help of a command": (MAIN.format("'run', '--help'"), ["pydantic"]),  # by new versions of typer
    "what a plugin imports": ("from tau2_core import AgentSpec, Domain, Lazy, hookimpl", []),
    "records": (f"import {', '.join(RECORDS)}", ["msgspec", "pydantic"]),
    "report": (MAIN.format("'report', sys.argv[2]"), READING),
    "compare": (
        MAIN.format("'compare', sys.argv[2], sys.argv[2]"),
        ["msgspec", "numpy", "pydantic", "rich.table", "scipy"],
    ),
}
# Runs each command in a fork of a process without imports, and prints what the fork imported.
EACH_IN_A_FORK = """
import json, os, sys
starts = json.loads(sys.argv[1])
modules = sys.argv.pop(3).split()
for name, code in starts.items():
    pid = os.fork()
    if pid == 0:
        sys.stdout = open(os.devnull, "w")
        end = 0
        try:
            exec(code, {})
        except SystemExit as left:
            end = left.code
        print(json.dumps([name, end, [module for module in modules if module in sys.modules]]), file=sys.stderr)
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_little_is_imported(tmp_path: Path) -> None:
    evaluate("mock", agent="silent", out=tmp_path, name="run")
    codes = json.dumps({name: code for name, (code, _) in STARTS.items()})
    told = python(EACH_IN_A_FORK, codes, str(tmp_path / "run"), " ".join(HEAVY + PLAYING)).stderr
    for name, end, imported in map(json.loads, told.splitlines()):
        assert (name, end or 0, set(imported) - set(STARTS[name][1])) == (name, 0, set())
    assert len(told.splitlines()) == len(STARTS)
