"""Opening a checkout: the parts that it has for a domain, with their sources."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tau2_core.adapters.tau2_bench.files import RESTORE, Files
from tau2_core.adapters.tau2_bench.policies import read_policies
from tau2_core.adapters.tau2_bench.prompt_templates import read_policy_parts
from tau2_core.adapters.tau2_bench.source_texts import read_source_texts
from tau2_core.adapters.tau2_bench.tasks import load_splits, load_tasks
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import Dataset
from tau2_core.model.tools import Role
from tau2_core.name_suggestions import did_you_mean

_DOMAINS = Path("data", "tau2", "domains")
_USER_SIMULATOR = Path("data", "tau2", "user_simulator")
_SOURCES = Path("src", "tau2")

_TASKS, _DOCUMENTS, _PROMPTS = "tasks", "documents", "prompts"
_DATABASES: dict[Role, str] = {"agent": "db", "user": "user_db"}
_DATA_SUFFIXES = (".json", ".toml", ".yaml", ".yml")
_GUIDELINES = {False: "simulation_guidelines.md", True: "simulation_guidelines_tools.md"}
_OURS = {
    "databases": "pack",
    "policy": "pack",
    "tools": "pack",
    "agent_instruction": "core",
    "solo_instruction": "core",
    "opening": "core",
    "user_guidelines": "core",
}


def detect(folder: Path) -> bool:
    """Tell whether a folder is a checkout of tau2-bench, or the `data` folder of one."""
    return _root(folder) is not None


def open_dataset(folder: Path, domain: str) -> Dataset:
    """Open a checkout's data for a domain; tasks are read later. Raises DatasetError."""
    root = _checkout(folder)
    home = _domain_folder(root, domain)
    files = Files()
    tasks = _task_files(home, domain, files)
    documents = [files.take(file) for file in sorted((home / _DOCUMENTS).glob("*.json"))]
    splits_file = home / "split_tasks.json"
    splits = load_splits(files.take(splits_file)) if splits_file.is_file() else {}
    databases = _databases(home, files)
    policies = read_policies(home, files)
    parts = read_policy_parts(home / _PROMPTS, files)
    user_guidelines = _user_guidelines(root / _USER_SIMULATOR, files)
    texts = read_source_texts(root / _SOURCES, domain)
    taken = {"tasks": tasks, "databases": databases, "policy": policies or parts, "user_guidelines": user_guidelines}
    origins = _OURS | {part: "dataset" for part, found in taken.items() if found}
    for part, sources in texts.files.items():
        names = [files.take(file).relative_to(root).as_posix() for file in sources]
        origins[part] = f"dataset {', '.join(names)}"
    return Dataset(
        adapter="tau2-bench",
        domain=domain,
        root=root,
        databases=databases,
        load_tasks=partial(load_tasks, tasks),
        splits=splits,
        default_split="base" if "base" in splits else None,
        policies=policies,
        policy_parts=parts,
        documents=documents,
        tool_texts=texts.tools,
        agent_instruction=texts.agent_instruction,
        solo_instruction=texts.solo_instruction,
        solo_request="",  # tau2-bench's first request has only the system message (spec/conversation.md, 3)
        opening=texts.opening,
        user_guidelines=user_guidelines,
        origins=origins,
        files=tuple(files.taken),
    )


def _root(folder: Path) -> Path | None:
    folder = folder.resolve()
    root = folder.parent if folder.name == _DOMAINS.parts[0] else folder
    return next((each for each in (folder, root) if (each / _DOMAINS).is_dir()), None)


def _checkout(folder: Path) -> Path:
    root = _root(folder)
    if root is not None:
        return root
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder; give the root of a tau2-bench checkout")
    above = next((each for each in folder.resolve().parents if (each / _DOMAINS).is_dir()), None)
    advice = f"did you mean {above}?" if above else "give the root of a checkout"
    raise DatasetError(f"{folder} contains no tau2-bench dataset: it has no {_DOMAINS.as_posix()} ({advice})")


def _domain_folder(root: Path, domain: str) -> Path:
    known = {each.name: each for each in (root / _DOMAINS).iterdir() if each.is_dir() and each.name[0] not in "._"}
    if domain not in known:
        raise DatasetError(f"the dataset {root} has no domain {domain!r} ({did_you_mean(domain, known)})")
    return known[domain]


def _task_files(home: Path, domain: str, files: Files) -> list[Path]:
    """Return the files of tasks: those of a folder, which count alone if there are any, or one for all tasks."""
    folder = home / _TASKS
    found = sorted(folder.glob("task_*.json")) if folder.is_dir() else []
    if not found:
        found = [home / "tasks.json"]
        if not found[0].is_file():
            raise DatasetError(f"{found[0]} does not exist, so {domain} has no tasks to play; {RESTORE}")
    return [files.take(file) for file in found]


def _databases(home: Path, files: Files) -> dict[Role, Path]:
    databases: dict[Role, Path] = {}
    for role, stem in _DATABASES.items():
        found = [file for suffix in _DATA_SUFFIXES if (file := home / f"{stem}{suffix}").is_file()]
        if len(found) > 1:
            names = " and ".join(file.name for file in found)
            raise DatasetError(f"{home}: {names} are both a database of the {role} side; keep one of them")
        if found:
            databases[role] = files.take(found[0])
    return databases


def _user_guidelines(folder: Path, files: Files) -> dict[bool, str]:
    texts = {with_tools: files.read_if_present(folder / name) for with_tools, name in _GUIDELINES.items()}
    return {with_tools: text for with_tools, text in texts.items() if text is not None}
