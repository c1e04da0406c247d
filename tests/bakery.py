"""A pack with one tool, written to a folder with some of its files changed, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

from tau2_core.cli.app import app
from tau2_core.errors import Tau2GymError, UsageError
from typer.testing import CliRunner

NAME = "bakery"
OWN = {NAME, "acme", "corner_shop", "tau2_domain_corner_shop"}  # packages that tests write
FILES = {
    "__init__.py": "",
    "domain.yaml": """
name: bakery
clock: 2025-03-01T09:00:00
databases:
  agent: {model: models:BakeryDB, data: data/db.yaml}
tools: {agent: tools/agent.yaml}
ids: {orders: [O1, O2]}
prompts: {policy: prompts/policy.md.j2}
tasks: {files: data/tasks/*, splits: data/splits.yaml}
""",
    "models.py": """
from tau2_core import Database, Record

class Loaf(Record):
    loaf_id: str
    title: str
    left: int = 0
    price: float = 0.0
    sliced: bool = False

class BakeryDB(Database):
    loaves: dict[str, Loaf]
""",
    "tools/agent.yaml": """
sell:
  description: Sell one loaf.
  kind: write
  handler: counter:sell
  parameters:
    loaf_id: {type: string}
""",
    "handlers/counter.py": """
from tau2_core import ToolError

from bakery.models import BakeryDB, Loaf

def sell(db: BakeryDB, loaf_id: str) -> Loaf:
    loaf = db.loaves.get(loaf_id)
    if loaf is None:
        raise ToolError("no such loaf")
    loaf.left -= 1
    return loaf
""",
    "prompts/policy.md.j2": "You sell bread.",
    "data/db.yaml": """
loaves:
  L1: {loaf_id: L1, title: Rye, left: 4}
  L2: {loaf_id: L2, title: Spelt, left: 2}
""",
    "data/tasks/selling.yaml": """
- id: buy
  outcome: done
  user_scenario: {instructions: "You want a rye loaf, L1."}
  evaluation_criteria:
    actions: [{name: sell, arguments: {loaf_id: L1}}]
""",
    "data/splits.yaml": "base: [buy]",
}


def write_bakery(folder: Path, changed: Mapping[str, str | bytes] | None = None) -> Path:
    """Write the pack with some of its files changed, and return its folder."""
    return write_files(folder, {**FILES, **(changed or {})})


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.lstrip("\n").encode("utf-8", "surrogatepass"))
    return folder


def in_process(*arguments: object) -> CompletedProcess[str]:
    """Run the command in this process, which is much faster; modules of packs are forgotten before and after."""
    forget_packs()
    words = [str(each) for each in arguments]
    done = CliRunner().invoke(app, words)
    code, said = done.exit_code, done.stderr
    if isinstance(done.exception, Tau2GymError):
        code, said = (2 if isinstance(done.exception, UsageError) else 1), f"{said}error: {done.exception}\n"
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    forget_packs()
    return CompletedProcess(words, code, done.stdout, said)


def forget_packs() -> None:
    """Remove the modules of such packs from this process."""
    for name in [
        each
        for each in sys.modules
        if each.partition(".")[0] in (NAME, "acme", "corner_shop", "desk", "tau2_domain_corner_shop")
    ]:
        del sys.modules[name]
