"""One installed package with every hook (tests/workshop): each has its effect without any change in the core.

tau2_environments is the exception: a pack uses it, and test_own_pack.py tests it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core import hookspecs

Gym = Callable[..., CompletedProcess[str]]
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WORKSHOP = Path(__file__).with_name("workshop")  # the package


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, target = tmp_path_factory.mktemp("workshop"), tmp_path_factory.mktemp("target")
    shutil.copytree(WORKSHOP, folder, dirs_exist_ok=True)  # building writes into it
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *offline, str(folder)], check=True, capture_output=True)
    return target


Play = Callable[..., tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture
def play(gym: Gym, installed: Path, tmp_path: Path) -> Play:
    """Run mock with the package installed; return the summary, records, grades and notifications."""

    def run(*options: object) -> Any:
        log = tmp_path / "log.jsonl"
        done = gym("run", "mock", "--name", "r", "--json", *options, paths=[installed], WORKSHOP_LOG=str(log))
        assert (done.returncode, done.stderr) == (0, "")
        folder = tmp_path / "runs" / "r"
        files = [folder / "episodes.jsonl", folder / "grades.jsonl", log]
        lines = [file.read_text(encoding="utf-8").splitlines() for file in files]
        return json.loads(done.stdout), *(list(map(json.loads, each)) for each in lines)

    return run


def texts(record: dict[str, Any], role: str) -> list[str]:
    return [message.get("content", "") for message in record["messages"] if message["role"] == role]


@pytest.mark.parametrize("agent", ["counter", "count-by:count_tasks"])
def test_a_run_uses_its_agent_customer_toolset_wrapper_and_evaluators(play: Play, agent: str) -> None:
    options = ["--task", "tell_whose_task", "--agent", agent, "--user", "curt", "--evaluators", "busy"]
    summary, (record,), (grade,), _ = play(*options)
    assert (summary["agent"], summary["user"], summary["evaluators"]) == (agent, "curt", "busy")
    assert texts(record, "user") == ["How many?", "###STOP###"]
    assert texts(record, "tool") == ["half a dozen"]  # the toolset counted six, and the wrapper wrote it as a word
    assert texts(record, "assistant")[-1] == "There are half a dozen tasks."
    assert (grade["evaluators"], grade["reward"]) == ("busy", 1.0)
    assert grade["verdicts"]["COMMUNICATE"]["checks"][0]["what"] == "1 calls"  # `tau2` would have decided differently


@pytest.mark.parametrize(("rate", "result"), [(1, '"12"'), (0, "half a dozen")])
def test_its_fault_is_applied(play: Play, rate: int, result: str) -> None:
    _, (record,), _, _ = play("--task", "tell_whose_task", "--agent", "counter", "--fault", f"doubling={rate}")
    assert texts(record, "tool")[0] == result


def test_its_executor_starts_workers(play: Play, gym: Gym, installed: Path) -> None:
    """Its worker has the plugin's tools, wrappers and evaluators; the run notifies its listeners."""
    options = ["--task", "tell_whose_task", "--agent", "counter", "--user", "curt", "--evaluators", "busy"]
    _, (record,), (grade,), noted = play(*options, "--executor", "nearby", "--workers", 1)
    assert texts(record, "tool") == ["half a dozen"]
    assert grade["evaluators"] == "busy"
    assert [line["hook"] for line in noted] == ["run_started", "episode_started", "episode_finished", "run_finished"]
    failing = ("--executor", "nearby", "--executor-option", "closed=it is Sunday")
    done = gym("run", "mock", "--name", "closed", *failing, paths=[installed])
    assert done.returncode == 1
    assert "executor 'nearby' cannot be opened: LookupError: it is Sunday" in done.stderr


@pytest.mark.parametrize("executor", [[], ["--executor", "nearby", "--workers", 1]])
def test_its_observer_is_told_every_step(gym: Gym, installed: Path, tmp_path: Path, executor: list[object]) -> None:
    options = ["--task", "tell_whose_task", "--agent", "counter", "--user", "curt", "--name", "r", *executor]
    log = tmp_path / "steps"
    assert (
        gym("run", "mock", *options, paths=[installed], WORKSHOP_STEPS=str(log), WORKSHOP_LOG=os.devnull).returncode
        == 0
    )
    assert [*map(json.loads, log.read_text().splitlines())] == [
        ["opened", "r", "counter"],
        ["episode", "tell_whose_task#0", 626729],
        ["user…", "tell_whose_task#0"],
        ["user", "UserMessage", None],
        ["agent…", "tell_whose_task#0"],
        ["agent", "AssistantMessage", None],
        ["count_tasks", "half a dozen"],
        ["agent…", "tell_whose_task#0"],
        ["agent", "AssistantMessage", None],
        ["user…", "tell_whose_task#0"],
        ["user", "UserMessage", None],
        ["user_stop", 0.0],
        ["closed"],
    ]


def test_an_observer_that_fails_changes_nothing(gym: Gym, installed: Path, tmp_path: Path) -> None:
    options = ["--task", "tell_whose_task", "--agent", "counter", "--user", "curt", "--name", "r"]
    done = gym(
        "run", "mock", *options, paths=[installed], WORKSHOP_STEPS=str(tmp_path / "fails"), WORKSHOP_LOG=os.devnull
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "observer steps failed and is not called again: LookupError: no more paper" in done.stderr
    assert (tmp_path / "runs" / "r" / "grades.jsonl").read_text().count("\n") == 1
    assert len((tmp_path / "fails").read_text().splitlines()) == 4


def test_an_exporter_that_sends(gym: Gym, installed: Path, tmp_path: Path) -> None:
    gym("run", "mock", "--num-tasks", 3, "--name", "r")
    sent = gym("export", "runs/r", "--to", "told", "--option", "unit=talks", paths=[installed])
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "3 episodes sent\n", "")
    assert (tmp_path / "told.txt").read_text() == "3 talks r"
    refused = {
        ("runs/r", "x", "--to", "told"): "x: --to told sends its output and writes no file; leave the file out",
        ("runs/r", "--to", "ends"): "--to ends: name the file to write",
        ("runs/r",): "--to tau2-bench: name the file to write",
        ("runs/r", "x", "--option", "a=b"): "--option a=b: the format tau2-bench has no options",
        (
            "runs/r",
            "--to",
            "told",
            "--option",
            "units=a",
        ): "exporter 'told' has no option 'units' (did you mean 'unit'?)",
        ("runs/r", "--to", "told", "--option", "unit"): "--option unit: should read NAME=VALUE",
        ("runs/r", "--to", "told", "--endpoint", "http://x"): "exporter 'told' has no option 'endpoint'",
    }
    for arguments, why in refused.items():
        done = gym("export", *arguments, paths=[installed])
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr


def test_the_plugin_implements_every_hook() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("tau2_")}
    text = (WORKSHOP / "our_workshop" / "plugin.py").read_text(encoding="utf-8")
    assert set(re.findall(r"def (tau2_\w+)", text)) == hooks - {"tau2_environments"}


def test_its_retriever_answers_a_tool(gym: Gym, installed: Path, tmp_path: Path) -> None:
    pack = tmp_path / "it_desk"
    shutil.copytree(EXAMPLES / "it_desk", pack)
    search = pack / "tools" / "search.yaml"
    search.write_text(search.read_text().replace("bm25", "everything").replace("  options: {top_k: $top_k}\n", ""))
    assert gym("check", "--pack", pack, paths=[installed]).stdout == "it_desk: clean (6 tools, 4 tasks, 4 played)\n"


def test_commands_run_in_its_sandbox(gym: Gym, installed: Path, tmp_path: Path) -> None:
    pack = tmp_path / "it_desk"
    shutil.copytree(EXAMPLES / "it_desk", pack)
    search = pack / "tools" / "search.yaml"
    text = search.read_text().replace("bm25", "shell").replace("{top_k: $top_k}", "{sandbox: echo, writable: true}")
    search.write_text(text)
    assert gym("check", "--pack", pack, paths=[installed]).stdout == "it_desk: clean (6 tools, 4 tasks, 4 played)\n"
    searching = f"""
from tau2_core import load_domain, open_episode

with open_episode({str(pack)!r}) as episode:
    print(episode.call(next(iter(load_domain({str(pack)!r}).tools)), query="ls").content)
"""
    command = [sys.executable, "-P", "-c", searching]
    assert b"ls among 11 files" in subprocess.check_output(command, env=os.environ | {"PYTHONPATH": str(installed)})


def test_its_command_and_panel_are_shown(play: Play, gym: Gym, installed: Path, tmp_path: Path) -> None:
    play("--task", "complete_task")
    done = gym("tally", "runs/r", paths=[installed])
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 episodes\n", "")
    help_text = gym("tally", "--help", paths=[installed]).stdout
    assert "Count the episodes of a run." in help_text
    assert "tau2-gym tally runs/first" in help_text
    assert "tally" in gym("--help", paths=[installed]).stdout
    done = gym("view", "--export", "pages", "runs/r", paths=[installed])
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "pages" / "runs" / "r" / "episode-0-0.html").read_text(encoding="utf-8")
    assert "<p>It ended: &lt;b&gt;user_stop&lt;/b&gt;</p>" in page


def test_its_exporter_writes_runs(gym: Gym, installed: Path, tmp_path: Path) -> None:
    done = gym("export", "mock", "ids.jsonl", "--to", "ids", paths=[installed])
    assert (done.returncode, done.stderr) == (0, "")
    assert {"id": "complete_task"} in map(json.loads, (tmp_path / "ids.jsonl").read_text().splitlines())
    nothing = gym("export", "mock", "x", "--to", "nothing", paths=[installed])
    assert "exporter 'nothing' has none of `lines`, `write` and `send`; fix or block its plugin" in nothing.stderr
    assert not (tmp_path / "x").exists()


def test_an_exporter_of_files(gym: Gym, installed: Path, tmp_path: Path) -> None:
    gym("run", "mock", "--num-tasks", 3, "--name", "r")
    done = gym("export", "runs/r", "ends", "--to", "ends", paths=[installed])
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 episodes written to ends\n", "")
    assert [file.read_text() for file in sorted((tmp_path / "ends").iterdir())] == ["user_stop"] * 3
    again = gym("export", "runs/r", "ends", "--to", "ends", paths=[installed])
    assert (again.returncode, again.stderr) == (1, "error: ends already exists; remove it, or name another place\n")
    failed = gym("export", "mock", "other", "--to", "ends", paths=[installed])
    assert "exporter 'ends' failed: AttributeError: " in failed.stderr


def test_its_evaluators_can_fail_an_episode(play: Play) -> None:
    summary, _, (grade,), _ = play("--task", "tell_whose_task", "--agent", "silent", "--evaluators", "busy")
    assert (summary["mean_reward"], grade["verdicts"]["DB"]["checks"][0]["what"]) == (0.0, "0 calls")


def test_its_adapter_reads_a_dataset(play: Play, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("You want nothing.\nYou want less.\n")
    summary, records, _, _ = play("--dataset", tmp_path)
    assert summary["dataset"] == str(tmp_path)
    assert [record["task_id"] for record in records] == ["line_0", "line_1"]
    assert texts(records[1], "user")[0] == "You want less."


def test_listeners_are_notified_in_order(play: Play) -> None:
    _, _, _, notes = play("--task", "complete_task", "--trials", 2, "--concurrency", 1)
    assert notes == [
        {"hook": "run_started", "tasks": ["complete_task"], "slots": 2, "folder_exists": True},
        {"hook": "episode_started", "slot": "complete_task#0"},
        {"hook": "episode_finished", "slot": "complete_task#0", "ended": "user_stop"},
        {"hook": "episode_started", "slot": "complete_task#1"},
        {"hook": "episode_finished", "slot": "complete_task#1", "ended": "user_stop"},
        {"hook": "run_finished", "finished": 2, "mean": 1.0},
    ]


def test_its_tool_is_described_and_checked_with_the_domain(gym: Gym, installed: Path) -> None:
    done = gym("describe", "mock", "--json", paths=[installed])
    names = [tool["name"] for tool in json.loads(done.stdout) if tool["role"] == "agent"]
    assert names == ["create_task", "get_users", "update_task_status", "transfer_to_human_agents", "count_tasks"]
    assert gym("check", "mock", paths=[installed]).stdout == "mock: clean (7 tools, 18 tasks, 18 played)\n"


def test_a_blocked_plugin_provides_nothing(gym: Gym, installed: Path) -> None:
    done = gym("run", "mock", "--agent", "counter", "--no-plugin", "workshop", paths=[installed])
    assert done.returncode == 2
    assert done.stderr.startswith("error: no agent 'counter' (")
    tools = gym("describe", "mock", "count_tasks", paths=[installed], TAU2_GYM_DISABLE="our-workshop")
    assert tools.returncode == 2
    assert tools.stderr.startswith("error: mock has no tool 'count_tasks' (")


def test_everything_that_it_provides_is_listed(gym: Gym, installed: Path) -> None:
    rows = {row["name"]: row for row in json.loads(gym("plugins", "--json", paths=[installed]).stdout)}
    assert (rows["workshop"]["from"], rows["workshop"]["status"]) == ("our-workshop 2.0", "ok")
    assert sorted(rows["workshop"]["provides"]) == [
        "adapter:lines",
        "agent-kind:count-by",
        "agent:counter",
        "command:tally",
        "detector:broken",
        "detector:shouting",
        "evaluator:busy.COMMUNICATE",
        "evaluator:busy.DB",
        "executor:nearby",
        "exporter:ends",
        "exporter:ids",
        "exporter:nothing",
        "exporter:told",
        "fault:doubling",
        "observer:steps",
        "page:ends",
        "page:folder",
        "retriever:everything",
        "sandbox:echo",
        "toolset:counting",
        "user:curt",
    ]
