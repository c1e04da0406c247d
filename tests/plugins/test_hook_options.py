"""The options of pluggy's hooks: `specname`, `optionalhook`, `tryfirst` and `trylast`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.listing import Gym, Plugin, rows


def test_specname_and_optionalhook_are_supported(gym: Gym, plugin: Plugin) -> None:
    source = """
from tau2_core import AgentSpec, hookimpl

@hookimpl(specname="tau2_agents")
def my_agents():
    return [AgentSpec("mine", "", None)]

@hookimpl(optionalhook=True)
def tau2_of_a_later_version():
    return []
"""
    done = gym("plugins", "--json", paths=[plugin("options", source)])
    assert rows(done)["options"] | {"provides": ["agent:mine"], "status": "ok"} == rows(done)["options"]


def test_tryfirst_and_trylast_order_plugins(gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    for name, options in {"b": "tryfirst=True", "c": "", "d": "trylast=True", "e": ""}.items():
        source = f"""
import pathlib
from tau2_core import hookimpl

@hookimpl({options})
def tau2_run_started(start):
    with pathlib.Path("order").open("a") as file:
        file.write("{name}")
"""
        site = plugin(f"plugin_{name}", source)
    assert gym("run", "mock", "--num-tasks", 1, paths=[site]).returncode == 0
    assert (tmp_path / "order").read_text() == "becd"


NAMED_HOOKS = """
import pathlib
from tau2_core import hookimpl

def note(text):
    with pathlib.Path("notes").open("a") as file:
        file.write(text + "\\n")

@hookimpl(specname="tau2_run_started")
def begin(start):
    note("run_started")

@hookimpl(specname="tau2_episode_started")
def begin_episode(start):
    note("episode_started")

@hookimpl(specname="tau2_episode_finished")
def end_episode(record):
    note("episode_finished")

@hookimpl(specname="tau2_run_finished")
def end(summary):
    note("run_finished")
"""
EVALUATE = "import tau2_core; tau2_core.evaluate('mock', num_tasks=1)"


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "tau2_core", "run", "mock", "--num-tasks", "1"],
        ["-m", "tau2_core", "run", "mock", "--num-tasks", "1", "--via", "mcp"],
        ["-c", EVALUATE],
    ],
    ids=["run", "run via mcp", "evaluate"],
)
def test_listeners_with_specname_are_called_however_a_run_is_played(
    plugin: Plugin, tmp_path: Path, command: list[str]
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(plugin("listens", NAMED_HOOKS))}
    subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, check=True, capture_output=True)
    notes = (tmp_path / "notes").read_text().split()
    assert notes == ["run_started", "episode_started", "episode_finished", "run_finished"]


def test_an_opened_episode_has_wrappers_but_no_listeners(plugin: Plugin, tmp_path: Path) -> None:
    wrapper = """
@hookimpl
async def tau2_tool_call(call, proceed):
    note("tool_call")
    return await proceed(call)
"""
    program = """
from tau2_core import open_episode

with open_episode("mock", "complete_task") as episode:
    episode.call("update_task_status", task_id="task_5", status="completed")
    while episode.ended is None:
        episode.say("It is done.")
    assert episode.reward() == 1.0
"""
    environment = {**os.environ, "PYTHONPATH": str(plugin("listens", NAMED_HOOKS + wrapper))}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "notes").read_text().split() == ["tool_call"]


def test_tryfirst_and_trylast_order_wrappers(gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    for name, options in {"b": "tryfirst=True", "c": "", "d": "trylast=True", "e": ""}.items():
        source = f"""
import pathlib
from tau2_core import hookimpl

@hookimpl(specname="tau2_tool_call", {options})
async def around(proceed, call):
    with pathlib.Path("order").open("a") as file:
        file.write("{name}")
    return await proceed(call)
"""
        site = plugin(f"plugin_{name}", source)
    assert gym("run", "mock", "--task", "complete_task", paths=[site]).returncode == 0
    assert (tmp_path / "order").read_text()[:4] == "becd"  # the first is the outermost
