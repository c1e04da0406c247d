"""`python -m benchmarks train` with another gym wrapper, here a stand-in with tau2-bench's interface."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Figure

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """
import json
import urllib.request


class AgentGymEnv:
    def __init__(self, domain, task_id, max_steps=100, solo_mode=False, user_llm=None, user_llm_args=None):
        assert (domain, task_id, user_llm) == ("retail", "0", "openai/customer")
        self.endpoint = user_llm_args["api_base"]

    def reset(self, seed=None, options=None):
        body = json.dumps({"model": "customer", "messages": [{"role": "user", "content": "Hi!"}]}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.endpoint}/chat/completions", body, headers)
        with urllib.request.urlopen(request) as answer:
            said = json.load(answer)["choices"][0]["message"]["content"]
        print("a reset prints something")
        return f"user: {said}", {}

    def step(self, action):
        assert json.loads(action)["name"] == "list_all_product_types"
        return "tool: {}", 0.0, False, False, {}

    def close(self):
        pass
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a package that has the interface of tau2-bench's wrapper but does nothing."""
    folder = tmp_path / "checkout" / "src" / "tau2" / "gym"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent):
        (each / "__init__.py").touch()
    (folder / "gym_agent.py").write_text(STAND_IN, encoding="utf-8")
    return tmp_path / "checkout"


def train(*options: str, environments: tuple[str, ...] = ("1",)) -> str:
    pytest.importorskip("tau2_gymnasium")
    command = [sys.executable, "-m", "benchmarks", "train", "--environments", *environments, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_are_measured_in_one_run(package: Path) -> None:
    printed = train("--tau2-bench", str(package), environments=("1", "2"))
    assert "was not measured" not in printed
    rows = re.findall(r"^  resets +\S+ /s +(\S+) /s +\S+$", printed, re.MULTILINE)
    assert len(rows) == 2  # of 1 and of 2 environments, with figures of both
    assert len(re.findall(r"^  steps of list_all_product_types +\S+ /s +\S+ /s", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"^a vector of \d: start all episodes, first time +\S+ s +\S+ s", printed, re.MULTILINE)) == 2


def test_missing_measurements_are_named(package: Path) -> None:
    (package / "src" / "tau2" / "gym" / "gym_agent.py").write_text("import loguru_of_nowhere")
    printed = " ".join(train("--tau2-bench", str(package)).split())
    assert f"tau2.gym.gym_agent cannot be imported from {package}: ModuleNotFoundError: No module named" in printed
    assert "'loguru_of_nowhere'" in printed
    assert "name its package with --tau2-bench PATH" in " ".join(train().split())


def test_a_figure_of_zero_has_no_ratio() -> None:
    assert Figure("memory above the idle domain", 0.0, "MB", official=12.0).row()[-1] == ""
    assert Figure("memory above the idle domain", -0.1, "MB", official=12.0).row()[-1] == ""
    assert Figure("memory above the idle domain", 3.0, "MB", official=12.0).row()[-1] == "4"
