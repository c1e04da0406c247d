"""What users install works: wheels of the core, the packs, the root and a new pack, from an index, in new environments.

The index is served on loopback and holds the wheels that are installed here and what they depend on. They are
downloaded once for each Python. An installation asks this index and nothing else. Every Python from 3.11 to 3.13 that
is found on the machine is tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOUND = [*ROOT.glob("[a-z]*/pyproject.toml"), *ROOT.glob("[a-z]*/*/pyproject.toml")]
OURS = [".", *sorted(str(file.parent.relative_to(ROOT)) for file in FOUND)]
VERSIONS = ["3.11", "3.12", "3.13"]
# What the workflow of a new pack installs besides the pack.
TOOLS = ["pytest", "hatchling", "build", "twine"]
NEW_PACK = "bike_shop"
SECONDS = 900


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


def run(command: Sequence[str | Path], cwd: Path, **env: str) -> str:
    """Run a command to its end and return what it prints; variables that steer pip and Python do not reach it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env=own | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@cache
def interpreter(version: str) -> Path | None:
    """Return a Python of this version: the running one, one on the path, or one of pyenv's."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates: list[str | Path] = [
        sys.executable,
        *([on_path] if on_path else []),
        *sorted(pyenv.glob(f"{version}.*/bin/python")),
    ]
    for candidate in candidates:
        asked: list[str | Path] = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return Path(candidate)
    return None


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    return found


@pytest.fixture(scope="module")
def new_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    run([sys.executable, "-P", "-m", "tau2_core", "new", NEW_PACK, "--package"], folder)
    return folder / NEW_PACK


@pytest.fixture(scope="module")
def wheels(new_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that we would publish."""
    target = tmp_path_factory.mktemp("wheels")
    for project in [*(ROOT / name for name in OURS), new_pack]:
        run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target], project)
    return target


def installed_here() -> set[str]:
    """Return the names, as in files, of our packages that the tests install.

    The other integrations are not among them, since what they depend on takes gigabytes.
    """
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [re.split(r"[~\[]", requirement)[0] for requirement in root["dependencies"]]
    return {name.replace("-", "_") for name in [root["name"], *needed, f"tau2-domain-{NEW_PACK}"]}


@pytest.fixture(scope="module")
def index(wheels: Path, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a package index that has what the tests install and all that it needs for one Python."""
    folder = tmp_path_factory.mktemp("index")
    download: list[str | Path] = [
        python,
        "-m",
        "pip",
        "download",
        "-q",
        "-d",
        folder,
        *(wheel for wheel in sorted(wheels.glob("*.whl")) if wheel.name.split("-")[0] in installed_here()),
        *TOOLS,
    ]
    subprocess.run(download, check=True, timeout=SECONDS, cwd=folder)
    for file in list(folder.iterdir()):
        project = re.sub(r"[-_.]+", "-", re.split(r"-(?=\d)", file.name)[0]).lower()
        folder.joinpath("simple", project).mkdir(parents=True, exist_ok=True)
        file.rename(folder / "simple" / project / file.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


class Installed:
    """A new environment in which pip knows one index."""

    def __init__(self, python: Path, index: str, home: Path) -> None:
        run([python, "-m", "venv", home], home.parent)
        self.bin = home / "bin"
        self.pip = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def shell(self, line: str, cwd: Path) -> str:
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        return run(["sh", "-c", line], cwd, PATH=path, LITELLM_LOCAL_MODEL_COST_MAP="True", **self.pip)

    def installs(self, distribution: str, cwd: Path) -> None:
        self.shell(f"python -m pip install -q {distribution} && python -m pip check", cwd)


@pytest.fixture
def installed(python: Path, index: str, tmp_path: Path) -> Installed:
    return Installed(python, index, tmp_path / "env")


@pytest.mark.parametrize("domain", ["airline", "banking_knowledge"])
def test_a_pack_brings_the_core(installed: Installed, tmp_path: Path, domain: str) -> None:
    installed.installs(f"tau2-domain-{domain.replace('_', '-')}", tmp_path)
    domains = installed.shell("tau2-gym domains", tmp_path)
    assert domain in domains
    assert "retail" not in domains
    assert "mean reward 1.0000" in installed.shell(f"tau2-gym run {domain} --name first", tmp_path)
    assert f"{domain}: clean" in installed.shell(f"tau2-gym check {domain}", tmp_path)


def test_the_root_brings_everything(installed: Installed, tmp_path: Path) -> None:
    installed.installs("tau2-gym", tmp_path)
    domains = installed.shell("tau2-gym domains", tmp_path)
    assert all(name in domains for name in ("airline", "banking_kn", "mock", "retail", "telecom"))
    assert "mock: clean" in installed.shell("tau2-gym check mock", tmp_path)
    installed.shell("tau2-gym run mock --name first", tmp_path)
    assert "strict" in installed.shell("tau2-gym report runs/first", tmp_path)  # needs scipy
    assert "litellm" in installed.shell("python -m pip list", tmp_path)


def test_a_new_pack_is_played_over_mcp(installed: Installed, tmp_path: Path) -> None:
    installed.installs(f"tau2-domain-{NEW_PACK.replace('_', '-')}", tmp_path)
    assert f"{NEW_PACK}: clean" in installed.shell(f"tau2-gym check {NEW_PACK}", tmp_path)
    assert "mean reward 1.0000" in installed.shell(f"tau2-gym run {NEW_PACK} --via mcp", tmp_path)


def test_the_steps_of_a_new_packs_workflow_pass(installed: Installed, new_pack: Path, tmp_path: Path) -> None:
    """Runs what GitHub would run, up to the upload."""
    pack = shutil.copytree(new_pack, tmp_path / NEW_PACK)
    workflow = yaml.safe_load((pack / ".github/workflows/pack.yml").read_text(encoding="utf-8"))
    lines = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert len(lines) == 7
    for line in lines:
        installed.shell(line, pack)
    assert sorted(file.suffix for file in (pack / "dist").iterdir()) == [".gz", ".whl"]


def test_publishing_asks_for_no_password_and_waits_for_the_checks(new_pack: Path) -> None:
    workflow = yaml.safe_load((new_pack / ".github/workflows/pack.yml").read_text(encoding="utf-8"))
    publish = workflow["jobs"]["publish"]
    assert workflow["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == ["check", "build"]
    assert "secrets" not in str(workflow)
