"""`tau2-gym plugins`: what each plugin provides; a broken plugin is listed with the cause and affects no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

IMPORTS = "from tau2_core import AgentSpec, Domain, Toolset, hookimpl\n"


@dataclass(frozen=True)
class Broken:
    """A plugin's source, the expected message, and the line to be named (None: no line of the plugin is at fault)."""

    source: str
    cause: str
    line: int | None
    target: str = ""


BROKEN = {
    "absent_import": Broken("import nothing_like_it\n", "ModuleNotFoundError: No module named 'nothing_like_it'", 1),
    "torn_syntax": Broken("fine = 1\ndef torn(:\n", "SyntaxError: invalid syntax", 2),
    "ends_process": Broken("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
    "no_attribute": Broken("", "AttributeError: module 'no_attribute' has no attribute 'p'", None, "no_attribute:p"),
    "no_module": Broken("", "ModuleNotFoundError: No module named 'elsewhere'", None, "elsewhere"),
    "strange_hook": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_agent():\n    return []\n",
        "unknown hook 'tau2_agent' (did you mean 'tau2_agents'?)",
        3,
    ),
    "strange_argument": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_episode_finished(episode):\n    pass\n",
        "hook 'tau2_episode_finished' has no argument 'episode'; it may take record",
        3,
    ),
    "never_awaited": Broken(
        f"{IMPORTS}\n@hookimpl\nasync def tau2_run_started(start):\n    pass\n",
        "hook 'tau2_run_started' is called, not awaited; write `def`, not `async def`",
        3,
    ),
    "wrapping": Broken(
        f"{IMPORTS}\n@hookimpl(wrapper=True)\ndef tau2_agents():\n    return (yield)\n",
        "hook 'tau2_agents' is a wrapper, which is not supported (tau2_tool_call wraps a call",
        3,
    ),
    "old_wrapping": Broken(
        f"{IMPORTS}\n@hookimpl(hookwrapper=True)\ndef tau2_run_started():\n    yield\n",
        "hook 'tau2_run_started' is a wrapper, which is not supported (tau2_tool_call wraps a call",
        3,
    ),
    "wrapping_calls": Broken(
        f"{IMPORTS}\n@hookimpl(wrapper=True)\ndef tau2_tool_call(call):\n    return (yield)\n",
        "hook 'tau2_tool_call' is a wrapper, which is not supported (tau2_tool_call wraps a call",
        3,
    ),
    "raising_hook": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_agents():\n    return [AgentSpec('a')]\n",
        "TypeError: AgentSpec.__init__() missing 2 required positional arguments: 'summary' and 'create'",
        5,
    ),
    "returns_none": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_agents():\n    pass\n",
        "hook 'tau2_agents' returned None, not a list of AgentSpec",
        3,
    ),
    "returns_names": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_environments():\n    return ['mock']\n",
        "hook 'tau2_environments' returned 'mock' in its list, which is not of type Domain",
        3,
    ),
    "lost_package": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_environments():\n    return [Domain('lost', package='lost_pack')]\n",
        "package 'lost_pack' cannot be imported: ModuleNotFoundError: no package 'lost_pack' is installed",
        None,
    ),
    "lost_tools": Broken(
        f"{IMPORTS}\n@hookimpl\ndef tau2_toolsets():\n    return [Toolset('more', 'airline', 'agent', 'lost_tools')]\n",
        "toolset 'more': package 'lost_tools' cannot be imported: ModuleNotFoundError",
        None,
    ),
}


def rows(done: CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.fixture
def site(plugin: Plugin, tmp_path: Path) -> Path:
    for module, broken in BROKEN.items():
        plugin(module, broken.source, target=broken.target)
    return tmp_path / "site"


class TestBroken:
    def test_each_broken_plugin_is_listed_with_file_line_and_cause(
        self, gym: Gym, site: Path, installed_domains: frozenset[str]
    ) -> None:
        found = rows(gym("plugins", "--json", paths=[site]))
        for name, broken in BROKEN.items():
            row = found[name]
            assert row["status"] == "broken", name
            assert row["cause"].startswith(broken.cause), name
            assert row["line"] == broken.line, name
            assert row["from"] == f"dist-{name} 1.0"
            assert row["file"] == (None if name == "no_module" else str(site / f"{name}.py")), name
        others = {name: row["status"] for name, row in found.items() if name not in BROKEN}
        assert others == dict.fromkeys({"core", *installed_domains}, "ok") | others
        assert set(others.values()) == {"ok"}

    def test_the_table_shows_the_same_as_json(self, gym: Gym, site: Path) -> None:
        done = gym("plugins", paths=[site])
        assert done.returncode == 0
        for name, broken in BROKEN.items():
            place = "" if name == "no_module" else f"{site / name}.py: "
            if broken.line:
                place = f"{site / name}.py:{broken.line}: "
            assert f"\n{name}: {place}{broken.cause}" in done.stdout

    def test_a_broken_plugin_does_not_affect_others(self, gym: Gym, site: Path) -> None:
        done = gym("run", "mock", "--num-tasks", 1, "--json", paths=[site])
        assert (done.returncode, done.stderr) == (0, "")
        domains = {row["name"]: row for row in json.loads(gym("domains", "--json", paths=[site]).stdout)}
        assert domains["mock"]["tasks"] == 18
        assert "no package 'lost_pack' is installed" in domains["lost"]["broken"]

    @pytest.mark.parametrize("command", ["run", "check", "describe"])
    def test_using_a_broken_plugin_is_an_error(self, gym: Gym, site: Path, command: str) -> None:
        done = gym(command, "torn_syntax", paths=[site])
        told = f"torn_syntax: {site / 'torn_syntax.py'}:2: the plugin is broken: SyntaxError: invalid syntax"
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {told}")
        lost = gym(command, "lost", paths=[site])
        assert lost.returncode == 1
        assert "lost_pack' cannot be imported" in lost.stderr + lost.stdout
        assert "Traceback" not in done.stderr + lost.stderr

    def test_tools_that_cannot_be_added_are_an_error_of_their_domain(self, gym: Gym, site: Path) -> None:
        done = gym("run", "airline", "--num-tasks", 1, paths=[site])
        assert done.returncode == 1
        assert "toolset 'more': package 'lost_tools' cannot be imported" in done.stderr
        assert "block its plugin with --no-plugin" in done.stderr
        assert gym("run", "airline", "--num-tasks", 1, "--no-plugin", "lost_tools", paths=[site]).returncode == 0

    def test_an_error_about_an_unknown_name_mentions_broken_plugins(self, gym: Gym, site: Path) -> None:
        done = gym("run", "mock", "--agent", "oracel", paths=[site])
        assert done.returncode == 2
        assert "no agent 'oracel' (did you mean 'oracle'?)\nit may come from a broken plugin: " in done.stderr
        assert f"{site / 'torn_syntax.py'}:2: the plugin is broken: SyntaxError: invalid syntax" in done.stderr

    def test_check_and_domains_report_broken_plugins(self, gym: Gym, site: Path) -> None:
        told = f"torn_syntax: {site / 'torn_syntax.py'}:2: the plugin is broken: SyntaxError: invalid syntax"
        done = gym("check", paths=[site], TAU2_GYM_DISABLE="airline,retail,telecom")
        assert (done.returncode, told in done.stdout) == (1, True)
        done = gym("domains", paths=[site])
        assert (done.returncode, told in done.stderr) == (0, True)


@pytest.mark.parametrize("command", ["check", "domains", "serve"])
def test_a_command_without_domains_names_the_broken_plugins(
    gym: Gym, plugin: Plugin, installed_domains: frozenset[str], command: str
) -> None:
    site = plugin("torn", "import nothing_of_this_name\n")
    done = gym(command, paths=[site], TAU2_GYM_DISABLE=",".join(sorted(installed_domains)))
    assert done.returncode == 1
    told = (
        f"torn: {site / 'torn.py'}:1: the plugin is broken: ModuleNotFoundError: No module named 'nothing_of_this_name'"
    )
    assert told in done.stderr


@pytest.mark.parametrize("command", ["check", "domains", "serve"])
def test_a_command_without_domains_names_the_blocked_plugins(
    gym: Gym, installed_domains: frozenset[str], command: str
) -> None:
    blocked = sorted(installed_domains)
    done = gym(command, TAU2_GYM_DISABLE=",".join(blocked))
    assert (done.returncode, f"no domain is installed; unblock one of {', '.join(blocked)}" in done.stderr) == (2, True)


def test_a_pack_with_invalid_files_is_listed_with_their_location(gym: Gym, plugin: Plugin, mock_copy: Path) -> None:
    site = plugin(
        "spoilt", f"{IMPORTS}\n@hookimpl\ndef tau2_environments():\n    return [Domain('spoilt', 'bad_pack')]\n"
    )
    package = Path(shutil.move(mock_copy, site / "bad_pack"))
    manifest = package / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("name: mock", "name: spoilt"))

    def row() -> tuple[object, ...]:
        found = rows(gym("plugins", "--json", paths=[site]))["spoilt"]
        return found["status"], found["file"], found["line"], found["cause"]

    (package / "data" / "splits.yaml").rename(package / "data" / "kept.yaml")
    status, file, line, cause = row()
    named = next(n for n, text in enumerate(manifest.read_text().splitlines(), 1) if "data/splits.yaml" in text)
    assert (status, file, line) == ("broken", str(manifest), named)
    assert str(cause).startswith(f"cannot read {package / 'data' / 'splits.yaml'}: No such file")
    (package / "tools" / "user.yaml").write_text("check_notifications: [\n")
    status, file, line, cause = row()
    assert (status, file, line) == ("broken", str(package / "tools" / "user.yaml"), 2)
    assert "(and 1 more: tau2-gym check spoilt)" in str(cause)
    manifest.unlink()
    status, file, line, cause = row()
    assert (status, file, line) == ("broken", str(manifest), None)
    assert str(cause).startswith(f"cannot read {manifest}: No such file")


class TestBlocking:
    MARKER = "from pathlib import Path\nPath('imported').touch()\n"

    @pytest.mark.parametrize("name", ["marker", "dist-marker"])
    @pytest.mark.parametrize("how", ["option", "variable"])
    def test_a_blocked_plugin_is_not_imported(
        self, gym: Gym, plugin: Plugin, tmp_path: Path, name: str, how: str
    ) -> None:
        site = plugin("marker", self.MARKER)
        options, variables = (
            ([], {"TAU2_GYM_DISABLE": f"airline, {name}"})
            if how == "variable"
            else (
                ["--no-plugin", name],
                {},
            )
        )
        found = rows(gym("plugins", "--json", *options, paths=[site], **variables))
        assert not (tmp_path / "imported").exists()
        assert (found["marker"]["status"], found["marker"]["provides"]) == ("blocked", [])
        assert found["airline"]["status"] == ("blocked" if how == "variable" else "ok")

    def test_a_plugin_that_is_not_blocked_is_imported(self, gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
        found = rows(gym("plugins", "--json", paths=[plugin("marker", self.MARKER)]))
        assert (tmp_path / "imported").exists()
        assert found["marker"]["status"] == "ok"

    def test_using_a_blocked_plugin_says_that_it_is_blocked(self, gym: Gym) -> None:
        done = gym("run", "mock", "--no-plugin", "mock")
        told = "domain 'mock' of tau2-domain-mock 0.1.0 is blocked; take it out of --no-plugin or TAU2_GYM_DISABLE"
        assert (done.returncode, done.stderr) == (2, f"error: {told}\n")

    def test_only_existing_plugins_can_be_blocked(self, gym: Gym) -> None:
        done = gym("plugins", "--no-plugin", "airlin")
        told = "cannot block 'airlin': no such plugin (did you mean 'airline'?)"
        assert (done.returncode, done.stderr) == (2, f"error: {told}\n")


class TestConflicts:
    @pytest.fixture
    def rival(self, plugin: Plugin) -> Path:
        source = f"{IMPORTS}\n@hookimpl\ndef tau2_environments():\n    return [Domain('mock', 'tau2_domain_mock')]\n"
        return plugin("rival", source, name="mock")  # under the same entry-point name, as with two packs of a domain

    def test_a_name_conflict_names_both_packages(self, gym: Gym, rival: Path) -> None:
        done = gym("run", "mock", paths=[rival])
        assert done.returncode == 2
        told = "domain 'mock' comes from dist-rival 1.0 and tau2-domain-mock 0.1.0; block one of these packages"
        assert done.stderr.startswith(f"error: {told}")

    def test_conflicting_plugins_are_listed_and_others_keep_working(self, gym: Gym, rival: Path) -> None:
        done = gym("plugins", "--json", paths=[rival])
        found = [(row["from"], row["status"]) for row in json.loads(done.stdout) if row["name"] == "mock"]
        assert found == [("dist-rival 1.0", "conflict"), ("tau2-domain-mock 0.1.0", "conflict")]
        assert gym("run", "airline", "--num-tasks", 1, paths=[rival]).returncode == 0
        others = {point.name for point in entry_points(group="tau2_core")} - {"mock", "airline"}
        report = gym("check", paths=[rival], TAU2_GYM_DISABLE=",".join(others)).stdout
        assert "mock: 1 problem (" in report
        assert "airline: clean (" in report

    def test_a_conflicting_package_can_be_blocked_by_its_own_name(self, gym: Gym, rival: Path) -> None:
        done = gym("run", "mock", "--num-tasks", 1, "--no-plugin", "dist-rival", paths=[rival])
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_folder_replaces_an_installed_pack(self, gym: Gym, mock_copy: Path) -> None:
        splits = mock_copy / "data" / "splits.yaml"
        splits.write_text(splits.read_text() + "tiny: [complete_task]\n")
        done = gym("run", "mock", "--split", "tiny", "--json", "--pack", mock_copy)
        assert json.loads(done.stdout)["solved_tasks"] == ["complete_task"]
        report = json.loads(gym("plugins", "--json", "--pack", mock_copy).stdout)
        found = [(row["from"], row["status"], row["provides"]) for row in report if row["name"] == "mock"]
        assert found == [(str(mock_copy), "ok", ["domain:mock"]), ("tau2-domain-mock 0.1.0", "replaced", [])]


def test_tools_for_a_missing_domain_are_reported(gym: Gym, plugin: Plugin) -> None:
    source = f"{IMPORTS}\n@hookimpl\ndef tau2_toolsets():\n    return [Toolset('more', 'airlin', 'agent', 'x')]\n"
    found = rows(gym("plugins", "--json", paths=[plugin("adds", source)]))["adds"]
    told = "toolset 'more' adds to domain 'airlin', which does not exist (did you mean 'airline'?)"
    assert (found["status"], found["cause"]) == ("ok", told)


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
