"""Fixtures for all tests: settings of the installed packs, small packs written by tests, shared data."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Slot
from tau2_core.model.messages import AssistantMessage, UserMessage
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.runs.loading import load_setting, open_catalogue

from tests.forked import FORKS, Forks
from tests.lines import Lines
from tests.small_pack import write_small_pack
from tests.terminal import Terminal

# Examples are the same on every machine and day. To search for new ones: --hypothesis-profile=search.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile("steady")

# Background jobs of a shell ignore Ctrl-C, and child processes that the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

OUR_DOMAINS = {"airline", "banking_knowledge", "mock", "retail", "telecom"}
SHARED = Path(__file__).parents[2] / "shared"
MOCK = Path(__file__).parents[1] / "domains" / "mock" / "src" / "tau2_domain_mock"
Gym: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
_numbers = itertools.count(1)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from scanning thousands of tests and modules, which stay in memory."""
    gc.freeze()
    gc.set_threshold(20_000, *gc.get_threshold()[1:])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared facts and data; skips the test if there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    return SHARED


@pytest.fixture(scope="session")
def installed_domains() -> frozenset[str]:
    """The names of the domains that are installed."""
    return frozenset(entry.name for entry in open_catalogue().domains())


@pytest.fixture(autouse=True)
def _domain_is_there(request: pytest.FixtureRequest, installed_domains: frozenset[str]) -> None:
    """Skip a test of a domain that is not installed: named by its parameter `domain` or its mark `domain(NAME)`."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    marked = [name for mark in request.node.iter_markers("domain") for name in mark.args]
    for name in [parameters.get("domain"), *marked]:
        if name in OUR_DOMAINS - installed_domains:
            pytest.skip(f"the pack {name} is not installed")


@pytest.fixture(scope="session")
def setting_of() -> Callable[..., Setting]:
    """Return settings of installed packs, each prepared once: `setting_of("airline", mode="strict", …)`."""
    known: dict[str, Setting] = {}

    def get(domain: str, *, mode: ArgumentMode = "strict", dataset: Path | None = None, solo: bool = False) -> Setting:
        key = f"{domain} {mode} {dataset} {solo}"
        if key not in known:
            known[key] = load_setting(open_catalogue(), domain, dataset=dataset, mode=mode, solo=solo)
        return known[key]

    return get


@pytest.fixture(scope="session")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Setting]]:
    """Write a small pack to a folder, open it as `--pack` does, and return it as a setting.

    `handlers` is the text of handlers/tools.py. `tools`, `user_tools` and `functions` are the entries of their YAML
    files; by default, each is of kind `read` and bound to the function with its name. Further keywords go into the
    manifest.
    """
    names: list[str] = []

    def make(
        handlers: str,
        tools: dict[str, dict[str, Any]],
        *,
        user_tools: dict[str, dict[str, Any]] | None = None,
        functions: dict[str, dict[str, Any]] | None = None,
        mode: ArgumentMode = "strict",
        **manifest: Any,
    ) -> Setting:
        name = f"small_{next(_numbers)}"
        names.append(name)
        folder = tmp_path_factory.mktemp("packs") / name
        write_small_pack(folder, handlers, tools, user_tools, functions, manifest)
        return load_setting(open_catalogue([folder]), name, mode=mode)

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[module]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts commands as forks of a process that has already imported the core."""
    yield FORKS
    FORKS.close()


@pytest.fixture
def gym(tmp_path: Path, forks: Forks) -> Gym:
    """Run the command in a process of its own: `gym("run", "mock", paths=[folder], TAU2_GYM_DISABLE="airline")`.

    `paths` are what PYTHONPATH holds, `disk` is how many bytes fit into a file, capitals are environment variables.
    A warning is an error there too, and the working folder is the test's own. The process is a fork, unless `fresh`,
    `disk`, a variable for Python itself or a module in place of an installed one asks for one that Python starts.
    """

    def run(
        *arguments: object, paths: Sequence[Path] = (), disk: int | None = None, fresh: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        left_out = ("PYTHON", "TAU2_GYM", "COLUMNS")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        env = inherited | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "NO_COLOR": "1", **variables}
        fresh = fresh or disk is not None or any(name.startswith(("PYTHON", "LANG", "LC_")) for name in variables)
        if not fresh and not any(_hides_installed(folder) for folder in paths):
            return forks.run(list(map(str, arguments)), cwd=tmp_path, env=env, timeout=120)
        limited = "import resource, runpy, sys; sys.dont_write_bytecode = True; "  # which would be truncated, and kept
        limited += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({disk}, {disk})); "
        limited += "runpy.run_module('tau2_core', run_name='__main__')"
        start = ["-m", "tau2_core"] if disk is None else ["-c", limited]
        return subprocess.run(
            [sys.executable, "-P", "-W", "error", *start, *map(str, arguments)],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _hides_installed(folder: Path) -> bool:
    """Tell whether a folder for PYTHONPATH contains a module that hides an installed one."""
    names = {file.stem for file in folder.iterdir()} - {"__pycache__"} if folder.is_dir() else set()
    return any(name.isidentifier() and importlib.util.find_spec(name) is not None for name in names)


@pytest.fixture
def converse(setting_of: Callable[..., Setting]) -> Callable[..., tuple[EpisodeRecord, Lines, Lines]]:
    """Play an episode with the given lines on the mock domain; return its record and both participants."""

    def run(
        agent: Sequence[Any] = ("hm",),
        user: Sequence[Any] = ("###STOP###",),
        *,
        setting: Setting | None = None,
        history: Sequence[dict[str, Any]] = (),
        wrappers: Sequence[Any] = (),
        sees_gold: bool = False,
        task: dict[str, Any] | None = None,
        **limits: Any,
    ) -> tuple[EpisodeRecord, Lines, Lines]:
        sides = Lines(AssistantMessage, agent), Lines(UserMessage, user)
        setting = setting or setting_of("mock")
        specs = AgentSpec("lines", "", sides[0].create, sees_gold), UserSpec("lines", "", sides[1].create, sees_gold)
        state = {"message_history": list(history)}
        content = {"id": "t", "user_scenario": {"instructions": "x"}, "initial_state": state, **(task or {})}
        participants = Participants(*specs, Limits(**limits), wrappers)
        record = asyncio.run(play(setting, Task.model_validate(content), participants, Slot("t", 0), seed=1))
        return record, *sides

    return run


@pytest.fixture
def mock_copy(tmp_path: Path) -> Path:
    """A copy of the mock pack's package, which tests modify and load with `--pack`."""
    return shutil.copytree(MOCK, tmp_path / MOCK.name, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., Path]:
    """Write a module and register it like an installed package; return the folder for PYTHONPATH."""

    def make(module: str, source: str, *, name: str = "", target: str = "") -> Path:
        folder = tmp_path / "site"
        announced = folder / f"{module}-1.0.dist-info"
        announced.mkdir(parents=True, exist_ok=True)
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        (announced / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{module}\nVersion: 1.0\n")
        (announced / "entry_points.txt").write_text(f"[tau2_core]\n{name or module} = {target or module}\n")
        return folder

    return make


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Run the command in a terminal, in the test's folder: `terminal("run", "mock", columns=80)`."""
    opened: list[Terminal] = []

    def start(*arguments: str, rows: int = 40, columns: int = 80) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, rows=rows, columns=columns))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
