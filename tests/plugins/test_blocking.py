"""Blocked plugins, and plugins that provide the same name."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.plugins.listing import IMPORTS, Gym, Plugin, rows


@pytest.mark.parametrize("command", ["check", "domains", "serve"])
def test_a_command_without_domains_names_the_blocked_plugins(
    gym: Gym, installed_domains: frozenset[str], command: str
) -> None:
    blocked = sorted(installed_domains)
    done = gym(command, TAU2_GYM_DISABLE=",".join(blocked))
    assert (done.returncode, f"no domain is installed; unblock one of {', '.join(blocked)}" in done.stderr) == (2, True)


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
