"""Opening a checkout: which parts it has for a domain, and where each came from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tau2_core.adapters.tau2_bench.files import Files
from tau2_core.adapters.tau2_bench.policies import read_policies
from tau2_core.adapters.tau2_bench.source_texts import (
    FoundText,
    find_agent_instruction,
    find_opening,
    read_tool_texts,
)
from tau2_core.adapters.tau2_bench.tasks import load_splits, load_tasks
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import Dataset, ToolText
from tau2_core.model.tools import Role
from tau2_core.names import did_you_mean

DOMAINS = Path("data", "tau2", "domains")
GUIDELINES = Path("data", "tau2", "user_simulator")
SOURCES = Path("src", "tau2")

_DATABASES: dict[Role, str] = {"agent": "db", "user": "user_db"}
_TOOLKITS: dict[Role, str] = {"agent": "tools.py", "user": "user_tools.py"}
_GUIDELINES = {False: "simulation_guidelines.md", True: "simulation_guidelines_tools.md"}
_DATA_SUFFIXES = (".json", ".toml", ".yaml", ".yml")


def detect(folder: Path) -> bool:
    """Tell whether a folder is a checkout of tau2-bench, or the `data` folder of one."""
    return _root(folder) is not None


def open_dataset(folder: Path, domain: str) -> Dataset:
    """Open what a checkout has for a domain; tasks are read later. Raises DatasetError."""
    root = _checkout(folder)
    home = _domain_folder(root, domain)
    files = Files()
    tasks = files.take(home / "tasks.json")
    if not tasks.is_file():
        raise DatasetError(f"{tasks} does not exist: the dataset has no tasks for {domain}; restore it, or drop --dataset")
    splits_file = home / "split_tasks.json"
    splits = load_splits(files.take(splits_file)) if splits_file.is_file() else {}
    databases = _databases(home, files)
    policies = read_policies(home, files)
    guidelines = {tools: files.read_if_present(root / GUIDELINES / name) for tools, name in _GUIDELINES.items()}
    user_guidelines = {tools: text for tools, text in guidelines.items() if text is not None}
    toolkits = _toolkits(root / SOURCES / "domains" / domain)
    instruction = find_agent_instruction(root / SOURCES / "agent")
    opening = find_opening(root / SOURCES / "orchestrator")
    sources = [*(file for file, _ in toolkits.values()), *(found.file for found in (instruction, opening) if found)]
    for file in sources:
        files.take(file)
    return Dataset(
        adapter="tau2-bench",
        domain=domain,
        root=root,
        databases=databases,
        load_tasks=partial(load_tasks, tasks),
        splits=splits,
        default_split="base" if "base" in splits else None,
        policies=policies,
        tool_texts={role: texts for role, (_, texts) in toolkits.items()},
        agent_instruction=instruction.text if instruction else None,
        opening=opening.text if opening else None,
        user_guidelines=user_guidelines,
        origins={
            "tasks": "dataset",
            "databases": "dataset" if databases else "pack",
            "policy": "dataset" if policies else "pack",
            "tools": _origin(root, [file for file, _ in toolkits.values()], "pack"),
            "agent_instruction": _origin(root, _file(instruction), "core"),
            "opening": _origin(root, _file(opening), "core"),
            "user_guidelines": "dataset" if user_guidelines else "core",
        },
        files=tuple(files.taken),
    )
