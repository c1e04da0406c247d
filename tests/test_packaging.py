"""What `pip install` installs: wheels contain the whole package and nothing else, and work without the source tree."""

from __future__ import annotations

import json
import re
import tomllib
import zipfile
from collections.abc import Callable
from configparser import ConfigParser
from email import message_from_string
from email.message import Message
from importlib.metadata import entry_points
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hatchling.builders.wheel import WheelBuilder

Gym = Callable[..., CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[1]
PACKS = sorted(f"domains/{file.parent.name}" for file in ROOT.glob("domains/*/pyproject.toml"))
BROUGHT = ["integrations/eval-protocol", "workbench"]  # installed by the root, as are the core and all packs
INTEGRATIONS = sorted(f"integrations/{file.parent.name}" for file in ROOT.glob("integrations/*/pyproject.toml"))
PROJECTS = ["core", *PACKS, *BROUGHT]
# Files that a package needs besides its modules; without one, a wheel would fail only when it is used.
DATA = {".yaml", ".md", ".yml", ".json", ".jsonl", ".toml", ".j2", ".typed", ".html", ".css", ".js", ".svg"}


def build(project: Path, target: Path) -> Path:
    """Build a project's wheel with its build backend, as pip does, and return it."""
    (wheel,) = WheelBuilder(str(project)).build(directory=str(target), versions=["standard"])
    return Path(wheel)


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each wheel in a folder of its own, where Python keeps the bytecode from one test to the next."""
    target = tmp_path_factory.mktemp("installed")
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target / name)
    return {name: target / name for name in wheels}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(ROOT / name, tmp_path_factory.mktemp("wheel")) for name in {*PROJECTS, *INTEGRATIONS}}


def metadata(archive: zipfile.ZipFile) -> Message:
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_string(archive.read(name).decode())


@pytest.mark.parametrize("project", sorted({*PROJECTS, *INTEGRATIONS}))
def test_a_wheel_is_the_package_and_nothing_else(wheels: dict[str, Path], project: str) -> None:
    source = ROOT / project / "src"
    files = {
        file.relative_to(source).as_posix(): file
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {Path(name).suffix for name in files} <= DATA | {".py"}
    packages = {name.partition("/")[0] for name in files}
    assert {f"{package}/py.typed" for package in packages} <= files.keys()
    with zipfile.ZipFile(wheels[project]) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert packed == files.keys()
        assert [name for name, file in files.items() if archive.read(name) != file.read_bytes()] == []


@pytest.mark.parametrize("project", PROJECTS)
def test_a_wheel_says_what_its_project_says(wheels: dict[str, Path], project: str) -> None:
    declared = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheels[project]) as archive:
        found = metadata(archive)
        entries = ConfigParser()
        (name,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        entries.read_string(archive.read(name).decode())
    assert (found["Name"], found["Version"]) == (declared["name"], declared["version"])
    assert found["Requires-Python"] == ">=3.11"
    if project == "core":
        assert dict(entries["console_scripts"]) == {"tau2-gym": "tau2_core.cli.app:main"}
        return
    name = Path(project).name
    package = f"tau2_domain_{name}" if project in PACKS else f"tau2_gym_{name.replace('-', '_')}"
    assert dict(entries["tau2_core"]) == {name: f"{package}.plugin"}
    # A pack works with the minor version of the core that it was made for.
    required = found.get_all("Requires-Dist") or []
    assert any(re.fullmatch(r"tau2-core(\[.*\])?~=0\.1\.0", each) for each in required)


def test_the_root_brings_the_core_all_packs_and_evaluations(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(ROOT, tmp_path)) as archive:
        assert [name for name in archive.namelist() if ".dist-info/" not in name] == []
        required = metadata(archive).get_all("Requires-Dist") or []
    names = {each.partition("~=")[0] for each in required if "extra ==" not in each}
    packs = {f"tau2-domain-{Path(name).name.replace('_', '-')}" for name in PACKS}
    assert names == {"tau2-core[models,new,stats]", *packs, *(f"tau2-gym-{Path(name).name}" for name in BROUGHT)}


def test_wheels_work_without_the_source_tree(gym: Gym, installed: dict[str, Path]) -> None:
    """The next test plays each of the packs."""
    paths = list(installed.values())
    others = ",".join(Path(name).name for name in PACKS if not name.endswith(("airline", "mock")))
    shown = gym("describe", "mock", "get_users", paths=paths, TAU2_GYM_DISABLE=others)
    assert f"declared {installed['domains/mock']}" in shown.stdout
    done = gym("check", "airline", "mock", paths=paths, TAU2_GYM_DISABLE=others)
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == ["airline: clean", "mock: clean"]


@pytest.mark.parametrize("project", PACKS)
def test_a_pack_plays_with_the_core_alone(gym: Gym, installed: dict[str, Path], project: str) -> None:
    domain = Path(project).name
    others = entry_points(group="tau2_core").names - {domain}
    paths = [installed["core"], installed[project]]
    done = gym("run", domain, "--num-tasks", 10, "--json", paths=paths, TAU2_GYM_DISABLE=",".join(others))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["mean_reward"] == 1.0


def test_the_core_has_no_word_of_a_pack_that_came_later() -> None:
    """banking_knowledge must need nothing in the core that is not every domain's."""
    files = [file for file in (ROOT / "core").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert [file for file in files if b"bank" in file.read_bytes().lower()] == []
