"""Task families: the tasks of the example in docs/how-to/task-families.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from tau2_core.errors import PackError, UsageError
from tau2_core.model.tasks import Instructions
from tau2_core.runs.family_proofs import AT_MOST, family_tasks_to_play
from tau2_core.runs.loading import load_domain_pack, open_catalogue

from tests.families.heating import (
    FAMILIES,
    PERSONAS,
    SELECT,
    checked,
    families_of,
    hand_written,
    line_of,
    read,
    setting_of,
)


class TestTheExample:
    def test_the_example_is_clean(self, heating: Callable[..., Path]) -> None:
        report = checked(heating())
        assert (report.problems, report.tasks, report.played) == ([], 22, 14)

    def test_makes_solvable_tasks_of_family_blocks_and_facts(self, heating: Callable[..., Path]) -> None:
        folder = heating((FAMILIES, "setup: []", "setup: [{env_type: user, func_name: set_thermostat}]"))
        task = setting_of(folder).tasks()["cold_home[not_delivered|thermostat_low|water_low]brisk"]
        assert task.outcome == "done"
        assert task.user_scenario.persona == "In a hurry, short of words."
        assert isinstance(task.user_scenario.instructions, Instructions)
        assert task.user_scenario.instructions.domain == "heating"
        assert task.user_scenario.instructions.known_info == "You are Ada Byron. The pump is silent."
        assert task.description is not None
        assert task.description.purpose == "The flat is cold: not delivered, thermostat low, water low."
        assert task.initial_state is not None
        calls = [call.func_name for call in task.initial_state.initialization_actions or []]
        assert calls == ["set_thermostat", "stop_delivery", "set_thermostat", "drain"]
        assert [(action.requestor, action.name) for action in task.gold()] == [
            ("assistant", "start_delivery"),
            ("user", "set_thermostat"),
            ("user", "refill"),
            ("user", "restart_pump"),
        ]
        assert len({action.action_id for action in task.gold()}) == 4
        assert task.evaluation_criteria is not None
        assert [each.func_name for each in task.evaluation_criteria.env_assertions or []] == ["is_warm", "is_delivered"]
        assert task.evaluation_criteria.reward_basis == ["ENV_ASSERTION"]

    def test_uses_the_section_unsolvable_if_a_block_has_no_fix(self, heating: Callable[..., Path]) -> None:
        task = setting_of(heating()).tasks()["cold_home[not_delivered|pump_broken]"]
        assert task.outcome == "transferred"
        assert isinstance(task.user_scenario.instructions, Instructions)
        assert task.user_scenario.instructions.known_info == "You are Ada Byron. The pump is rattling."
        assert [action.name for action in task.gold()] == ["look_at_pump", "transfer_to_human_agents"]
        criteria = task.evaluation_criteria
        assert criteria is not None
        assert criteria.env_assertions is not None
        assert [(each.func_name, each.assert_value) for each in criteria.env_assertions] == [("is_warm", False)]
        assert criteria.reward_basis == ["ENV_ASSERTION", "ACTION"]

    def test_assigns_personas_in_turn(self, heating: Callable[..., Path]) -> None:
        tasks = setting_of(heating()).tasks()
        texts = [task.user_scenario.persona for task in tasks.values()]
        turns = [None, "In a hurry, short of words.", "Asks at every step whether something can explode."]
        assert texts == [turns[position % 3] for position in range(22)]
        assert [re.sub(r".*\]", "", task_id) for task_id in tasks][:4] == ["", "brisk", "worried", ""]

    def test_keeps_the_tasks_own_persona_if_the_family_names_none(self, heating: Callable[..., Path]) -> None:
        own = "user_scenario:\n        persona: Calm."
        folder = heating((FAMILIES, "personas: [none, brisk, worried]", ""), (FAMILIES, "user_scenario:", own))
        tasks = setting_of(folder).tasks()
        assert {task.user_scenario.persona for task in tasks.values()} == {"Calm."}
        assert all(task_id.endswith("]") for task_id in tasks)

    def test_builds_a_new_task_on_each_access(self, heating: Callable[..., Path]) -> None:
        tasks = setting_of(heating()).tasks()
        first = tasks["cold_home[water_low]brisk"]
        again = first.model_copy(deep=True)
        first.gold().clear()
        assert first.initial_state is not None
        first.initial_state.initialization_actions = None
        assert tasks["cold_home[water_low]brisk"] == again

    def test_knows_where_each_part_is_defined(self, heating: Callable[..., Path]) -> None:
        folder = heating()
        file = folder / FAMILIES
        task_set = load_domain_pack(open_catalogue([folder]), "heating").task_set()
        solvable = task_set.source("cold_home[not_delivered|thermostat_low|water_low]brisk")
        unsolvable = task_set.source("cold_home[not_delivered|pump_broken]")
        assert solvable.source().line == line_of(file, "  cold_home:")
        wanted = {
            ("initial_state", "initialization_actions", 2): "func_name: drain",
            ("evaluation_criteria", "actions", 1): "degrees: 21",
            ("evaluation_criteria", "actions", 3, "name"): "name: restart_pump",
            ("evaluation_criteria", "env_assertions", 0): "env_assertions: [{env_type: user, func_name: is_warm}]",
            ("evaluation_criteria", "env_assertions", 1): "assertions: [{env_type: assistant",
            ("user_scenario", "instructions", "known_info"): "known_info: You are Ada",
            ("outcome",): "outcome: done",
        }
        assert {path: solvable.source(*path).line for path in wanted} == {
            path: line_of(file, text) for path, text in wanted.items()
        }
        wanted = {
            ("initial_state", "initialization_actions", 1): "func_name: break_pump",
            ("evaluation_criteria", "actions", 0): "found_by: [{requestor: user, name: look_at_pump}]",
            ("evaluation_criteria", "actions", 1): "actions: [{name: transfer_to_human_agents",
            ("user_scenario", "instructions", "known_info"): "known_info: You are Ada",
            ("outcome",): "outcome: transferred",
        }
        assert {path: unsolvable.source(*path).line for path in wanted} == {
            path: line_of(file, text) for path, text in wanted.items()
        }

    def test_is_added_to_hand_written_tasks(self, heating: Callable[..., Path]) -> None:
        folder = heating(("domain.yaml", "{families:", "{files: tasks.yaml, families:"))
        tasks = [hand_written("b") | {"ticket": "Warm it."}, hand_written("a")]
        folder.joinpath("tasks.yaml").write_text(json.dumps(tasks))
        setting = setting_of(folder)
        assert list(setting.tasks())[:3] == ["b", "a", "cold_home[valve_closed]"]
        assert setting.tasks()["a"].user_scenario.instructions == "Help!"
        assert list(setting.splits()["full"]) == list(setting.tasks())
        assert len(setting.tasks()) == 24
        assert "a" not in setting.splits()["base"]
        assert "c" not in setting.tasks()
        number: object = 5
        assert number not in setting.tasks()

    def test_solo_play_counts_skipped_tasks_of_the_selection_only(self, heating: Callable[..., Path]) -> None:
        folder = heating(
            ("domain.yaml", "{families:", "{files: tasks.yaml, families:"),
            ("domain.yaml", "{policy: policy.md.j2}", "{policy: policy.md.j2, solo: policy.md.j2}"),
            (FAMILIES, "outcome: transferred", "outcome: transferred\n      ticket: The pump is {{ pump }}."),
        )
        tasks = [hand_written("a"), hand_written("b") | {"ticket": "Warm it."}]
        folder.joinpath("tasks.yaml").write_text(json.dumps(tasks))
        setting = setting_of(folder, solo=True)
        small = setting.selection(split="small")
        assert ([task.ticket for task in small.tasks], small.left_out) == (["The pump is rattling."], 3)
        full = setting.selection(split="full")
        assert (len(full.tasks), full.left_out) == (1 + 8, 1 + 14)
        first = setting.selection(split="full", limit=1)
        assert ([task.id for task in first.tasks], first.left_out) == (["b"], 1)
        with pytest.raises(UsageError, match="cannot be played solo"):
            setting.select(ids=["cold_home[valve_closed]"])

    def test_selections_keep_the_order_of_the_tasks(self, heating: Callable[..., Path]) -> None:
        setting = setting_of(heating())
        ids = list(setting.tasks())
        assert [task.id for task in setting.select(ids=[ids[9], ids[4]])] == [ids[4], ids[9]]
        assert [task.id for task in setting.select(split="small")] == ids[:4]
        assert [task.id for task in setting.select(split="full", limit=7)] == ids[:7]
        assert setting.select(limit=0) == []
        with pytest.raises(UsageError, match=r"no task .*did you mean 'cold_home\[valve_closed\|water_low\]worried'"):
            setting.select(ids=["cold_home[valve_closed|water_low]"])


class TestLaziness:
    SELECT: ClassVar = [[f"{row}{column}" for column in range(9)] for row in "abcd"]

    def test_thousands_of_ids_are_listed_without_building_a_task(self, tmp_path: Path) -> None:
        families = families_of({"f": [*self.SELECT, ["e"]], "g": [["x"], ["y"]]})
        families["families"]["f"]["task"] = {"user_scenario": {"instructions": "{{ nonsense }}"}}
        splits = {"full": {"all": True}, "base": {"sample": 2, "by": ["blocks"]}, "test": {"blocks": {"max": 1}}}
        task_set = read(tmp_path, families, splits, ())
        assert len(task_set.tasks) == 10**4 * 2 - 1 + 3
        assert len(set(task_set.tasks)) == len(task_set.tasks) == len(task_set.splits["full"])
        assert len(task_set.splits["base"]) == 10
        assert "f[a0|b1|c2|d3]" in task_set.tasks
        assert task_set.tasks["g[x|y]"].user_scenario.instructions == "Help!"
        with pytest.raises(
            PackError, match=r"families\.yaml:1: .*family 'f' cannot be rendered: 'nonsense' is undefined"
        ):
            task_set.tasks["f[a0|b1|c2|d3]"]
        with pytest.raises(KeyError):
            task_set.tasks["f[a0|a1]"]

    def test_a_run_builds_only_the_tasks_that_it_plays(self, heating: Callable[..., Path]) -> None:
        """The broken text is only in tasks whose pump is broken."""
        setting = setting_of(
            heating((FAMILIES, "outcome: transferred", "outcome: transferred\n      ticket: '{{ oh }}'"))
        )
        assert len(setting.splits()["full"]) == 22
        assert [task.id for task in setting.select(ids=["cold_home[valve_closed]"])] == ["cold_home[valve_closed]"]
        assert len(setting.select(split="full", limit=2)) == 2
        with pytest.raises(
            PackError, match=r"cold\.yaml:\d+: a text of family 'cold_home' cannot be rendered: 'oh' is undef"
        ):
            setting.select(split="full")

    def test_check_plays_at_most_two_hundred_tasks_without_a_declared_base(self, tmp_path: Path) -> None:
        families = families_of({"f": self.SELECT, "g": [["x"], ["y"]], "h": self.SELECT[:2]})
        played = family_tasks_to_play(read(tmp_path, families, {"full": {"all": True}}))
        assert len(played) == len(set(played)) <= AT_MOST
        assert len(played) > AT_MOST / 2
        few = families_of(SELECT, PERSONAS)
        task_set = read(tmp_path, few, {"full": {"all": True}})
        assert family_tasks_to_play(task_set) == list(task_set.tasks)
        task_set = read(tmp_path, few, {"full": {"all": True}, "base": ["i[a]", "f[a]"]})
        assert family_tasks_to_play(task_set) == ["i[a]", "f[a]"]
