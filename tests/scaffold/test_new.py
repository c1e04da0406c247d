"""`tau2-gym new`: what it writes is sound as it stands, whatever is asked for; nothing half-written is left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.bakery import in_process

Gym = Callable[..., CompletedProcess[str]]
OPTIONS = {
    "plain": [],
    "minimal": ["--minimal"],
    "customer": ["--with-customer-tools"],
    "package": ["--package", "--with-customer-tools"],
    "minimal_package": ["--package", "--minimal"],
}


def pytest_in(folder: Path, *arguments: str) -> CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_new_pack_passes_check_audit_and_the_oracle(gym: Gym, tmp_path: Path, kind: str) -> None:
    made = gym("new", "bike_shop", *OPTIONS[kind])
    assert (made.returncode, made.stderr) == (0, ""), made.stdout
    checked = gym("check", "--pack", "bike_shop", "--strict")
    assert checked.stdout.startswith("bike_shop: clean ("), checked.stdout
    audited = gym("check", "--audit", "--evaluators", "strict", "--pack", "bike_shop")
    assert (audited.returncode, "passes 0, allowed 0, not allowed 0" in audited.stdout) == (0, True), audited.stdout
    run = gym("run", "bike_shop", "--pack", "bike_shop", "--json")
    assert json.loads(run.stdout)["mean_reward"] == 1.0


@pytest.mark.parametrize(("kind", "passed"), [("plain", 2), ("minimal_package", 1)])
def test_the_tests_of_a_new_pack_pass(gym: Gym, tmp_path: Path, kind: str, passed: int) -> None:
    made = gym("new", "bike_shop", *OPTIONS[kind])
    assert made.stdout.endswith("  python -m pytest bike_shop\n")
    done = pytest_in(tmp_path, "bike_shop")
    assert (done.returncode, f"{passed} passed" in done.stdout) == (0, True), done.stdout


def test_a_plain_pack_is_short_enough_to_read(tmp_path: Path) -> None:
    in_process("new", "bike_shop", "--dir", tmp_path)
    written = [file for file in (tmp_path / "bike_shop").rglob("*") if file.is_file() and file.suffix != ".json"]
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in written) < 200
    tools = (tmp_path / "bike_shop" / "tools" / "agent.yaml").read_text(encoding="utf-8")
    assert re.findall(r"kind: (\w+)", tools) == ["read", "write", "generic"]
    tasks = (tmp_path / "bike_shop" / "data" / "tasks" / "bookings.yaml").read_text(encoding="utf-8")
    assert re.findall(r"outcome: (\w+)", tasks) == ["done", "refused", "transferred"]


def test_all_names_derive_from_the_given_one(tmp_path: Path) -> None:
    in_process("new", "bike_shop", "--package", "--dir", tmp_path)
    folder = tmp_path / "bike_shop"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "tau2-domain-bike-shop"
    assert project["entry-points"] == {"tau2_core": {"bike_shop": "tau2_domain_bike_shop.plugin"}}
    assert "class BikeShopDB(Database)" in (folder / "src/tau2_domain_bike_shop/models.py").read_text(encoding="utf-8")


def test_a_package_is_found_by_its_entry_point_once_it_is_installed(gym: Gym, tmp_path: Path) -> None:
    gym("new", "bike_shop", "--package")
    wheel = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(wheel, cwd=tmp_path / "bike_shop", check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    target = tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(built), str(target)], check=True)
    done = gym("check", "bike_shop", paths=[target])
    assert done.stdout == "bike_shop: clean (3 tools, 3 tasks, 3 played)\n"


def test_every_schema_that_a_file_names_is_there(tmp_path: Path) -> None:
    in_process("new", "bike_shop", "--package", "--with-customer-tools", "--dir", tmp_path)
    named = 0
    for file in (tmp_path / "bike_shop").rglob("*.yaml"):
        first = file.read_text(encoding="utf-8").partition("\n")[0]
        if match := re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first):
            assert (file.parent / match[1]).is_file(), file
            named += 1
    assert named == 6


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My Shop", "'my_shop', for example"),
        ("bike-shop", "'bike_shop', for example"),
        ("1a", "is not a valid name for a pack"),
        ("class", "is not a valid name for a pack"),
        ("x" * 41, "is not a valid name for a pack"),
        ("../up", "'up', for example"),
        ("Café_", "'cafe', for example"),
        ("a.b", "'a_b', for example"),
        ("店", "is not a valid name for a pack"),
        ("", "is not a valid name for a pack"),
        ("json", "there is already a Python module 'json'"),
        ("pydantic", "there is already a Python module 'pydantic'"),
    ],
)
def test_an_invalid_name_for_a_pack_is_refused(tmp_path: Path, name: str, told: str) -> None:
    done = in_process("new", name, "--dir", tmp_path)
    assert (done.returncode, told in done.stderr, list(tmp_path.iterdir())) == (2, True, []), done.stderr


def test_a_folder_that_takes_no_files(gym: Gym) -> None:
    done = gym("new", "bike_shop", "--dir", "/proc")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the system refused /proc/bike_shop: ")
    assert not Path("/proc/bike_shop").exists()


@pytest.mark.domain("mock")
def test_a_name_in_use_is_refused(tmp_path: Path) -> None:
    done = in_process("new", "mock", "--dir", tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert done.stderr.startswith("error: there is already a domain 'mock', from tau2-domain-mock")


def test_an_existing_folder_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "bike_shop").mkdir()
    (tmp_path / "bike_shop" / "mine.txt").write_text("mine")
    done = in_process("new", "bike_shop", "--dir", tmp_path)
    assert (done.returncode, "already exists" in done.stderr) == (2, True)
    assert [file.name for file in (tmp_path / "bike_shop").iterdir()] == ["mine.txt"]


def test_incompatible_options_are_refused(tmp_path: Path) -> None:
    done = in_process("new", "bike_shop", "--minimal", "--with-customer-tools", "--dir", tmp_path)
    assert (done.returncode, "exclude each other" in done.stderr, list(tmp_path.iterdir())) == (2, True, [])


def test_a_full_disk_leaves_nothing_half_written(gym: Gym, tmp_path: Path) -> None:
    done = gym("new", "bike_shop", disk=500)
    assert (done.returncode, done.stderr.startswith("error: the system refused")) == (1, True), done.stderr
    assert list(tmp_path.iterdir()) == []
