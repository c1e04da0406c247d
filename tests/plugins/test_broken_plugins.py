"""`tau2-gym plugins`: a broken plugin is listed with the cause and affects no other."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.listing import IMPORTS, Gym, Plugin, rows


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


def test_tools_for_a_missing_domain_are_reported(gym: Gym, plugin: Plugin) -> None:
    source = f"{IMPORTS}\n@hookimpl\ndef tau2_toolsets():\n    return [Toolset('more', 'airlin', 'agent', 'x')]\n"
    found = rows(gym("plugins", "--json", paths=[plugin("adds", source)]))["adds"]
    told = "toolset 'more' adds to domain 'airlin', which does not exist (did you mean 'airline'?)"
    assert (found["status"], found["cause"]) == ("ok", told)
