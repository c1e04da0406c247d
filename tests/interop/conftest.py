"""Fixtures for checks with clients that others wrote, each installed into an environment of its own.

They need the package registries, so they run only when asked for: `make interop`, or `pytest tests/interop`.
`INTEROP_TOOLS` names a folder to keep what is installed; without it every run installs anew.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import ToolCall

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
GYM = [sys.executable, "-P", "-m", "tau2_core"]
INSTALL_SECONDS = 900
NODE_PACKAGES = (
    "node@22.23.3",  # the tools need a newer Node than many machines have
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/conformance@0.1.16",
    "conformance-next@npm:@modelcontextprotocol/conformance@0.2.0-alpha.12",  # the first that know 2026-07-28
)

# A task of the mock domain, and calls that solve it, with two on the way that fail and leave no trace.
TASK = "create_plain"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_users", {}),
    ("update_task_status", {"task_id": "task_99", "status": "completed"}),
    ("create_task", {"user_id": "piet_lindgren"}),
    ("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"}),
]

Start: TypeAlias = Callable[..., AbstractContextManager[str]]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over this folder unless the command line names it, or something in it."""
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return None if any(FOLDER in [path.resolve(), *path.resolve().parents] for path in named) else True


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the tests of this folder the time to install what they need."""
    item.add_marker(pytest.mark.timeout(2 * INSTALL_SECONDS))


@dataclass(frozen=True)
class Gym:
    """A running `tau2-gym serve`, and what its control plane says."""

    address: str

    def create(self, domain: str, **more: Any) -> dict[str, Any]:
        """Open an episode and return its URLs."""
        return self.ask("POST", "/v1/episodes", {"domain": domain, **more})

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else self.address + path
        request = Request(url, data, {"content-type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                content: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            pytest.fail(f"{method} {path}: {error.code} {error.read().decode()}")
        return content


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for what the checks install."""
    kept = os.environ.get("INTEROP_TOOLS")
    folder = Path(kept).resolve() if kept else tmp_path_factory.mktemp("tools")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def python_with(tools: Path) -> Callable[..., Path]:
    """Return the interpreter of a new environment: `python_with("name", "package==1.0", …)`."""

    def install(name: str, *requirements: str) -> Path:
        home = tools / name
        python = home / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if not (done := home / "installed").exists():
            run_to_end([sys.executable, "-m", "venv", "--clear", str(home)])
            run_to_end([*pip, *requirements])
            done.touch()
        elif ours := [each for each in requirements if each.startswith(f"{ROOT}/") and not each.endswith(".txt")]:
            # A kept environment has older builds of our own packages.
            run_to_end([*pip, "--no-deps", "--force-reinstall", *ours])
        return python

    return install


@pytest.fixture(scope="session")
def node_packages(tools: Path) -> Path:
    """Node and the Node tools, installed in one folder; the value is that of their commands."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    home = tools / "node"
    if not (done := home / "installed").exists():
        home.mkdir(exist_ok=True)
        home.joinpath("package.json").write_text('{"private": true}')
        run_to_end([npm, "install", "--no-audit", "--no-fund", *NODE_PACKAGES], cwd=home)
        done.touch()
    return home / "node_modules" / ".bin"


@pytest.fixture(scope="session")
def node(node_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a command of the Node packages to its end: `node("mcp-inspector", "--cli", …)`; returns what it prints."""
    home = tmp_path_factory.mktemp("home")  # the tools keep settings there

    def run(command: str, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        path = os.pathsep.join([str(node_packages), os.environ["PATH"]])
        own = os.environ | {"PATH": path, "HOME": str(home), "NO_COLOR": "1"}
        return run_to_end([str(node_packages / command), *arguments], env=own, cwd=home, ok=ok, seconds=300)

    return run


@pytest.fixture(scope="session")
def started() -> Start:
    """Run a program whose first line tells its address, and end it: `with started(["…"], folder) as address`."""

    @contextmanager
    def run(command: list[str], cwd: Path) -> Iterator[str]:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            first = process.stdout.readline()  # blocks until the listening socket is there
            assert "http://" in first, f"{command} began with {first!r}"
            yield "http://" + first.partition("http://")[2].split(";")[0].strip()
        finally:
            process.terminate()
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise

    return run


@pytest.fixture(scope="session")
def gym_server(started: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gym]:
    """A server of the domains that the checks act on, and of a pack made for the conformance checks."""
    packs = ["--pack", str(FOLDER / "conformance_pack")]
    command = [*GYM, "serve", "mock", "airline", "retail", "conformance", *packs, "--port", "0"]
    with started(command, tmp_path_factory.mktemp("gym")) as address:
        yield Gym(address)


@dataclass(frozen=True)
class Truth:
    """What a client should see of a mock episode, from the pack itself."""

    task: str
    calls: list[tuple[str, dict[str, Any]]]
    results: list[dict[str, Any]]
    tools: dict[str, tuple[str, dict[str, Any]]]
    policy: str


@pytest.fixture(scope="session")
def truth(setting_of: Callable[..., Setting]) -> Truth:
    setting = setting_of("mock")
    environment = Environment(setting)
    results = []
    for number, (name, arguments) in enumerate(CALLS):
        result = environment.call(ToolCall(id=str(number), name=name, arguments=arguments))
        results.append({"error": result.failure is not None, "content": [result.content]})
    assert [result["error"] for result in results] == [False, True, True, False]
    tools = {name: (tool.description, dict(tool.parameters)) for name, tool in setting.tools("agent").items()}
    return Truth(TASK, CALLS, results, tools, setting.policy_text)


def run_to_end(
    command: list[str],
    *,
    ok: tuple[int, ...] = (0,),
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    seconds: int = INSTALL_SECONDS,
) -> str:
    """Run a program and return what it prints; how it ends should be among `ok`. Nothing that it started is left."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    said = f"{output[-8000:]}\n{errors[-8000:]}"
    assert process.returncode in ok, f"{command} ended with {process.returncode}\n{said}"
    return output


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """`program(["…"], cwd=…, env=…)` runs a program to its end and returns what it prints."""
    return run_to_end
