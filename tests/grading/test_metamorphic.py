"""Variations of the oracle's episodes that must not change a strict verdict, and others that must."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task
from tau2_core.plugins.discovery import discover

DOMAINS = ("airline", "mock", "retail")
READS = {"airline": "list_all_airports", "mock": "get_users", "retail": "list_all_product_types"}


class Played:
    """The oracle's episodes in a domain, and a grader for variations of them."""

    def __init__(self, setting: Setting) -> None:
        catalogue = discover()
        self.setting = setting
        self.participants = Participants(catalogue.agent("oracle"), catalogue.user("scripted"))
        self.grader = Grader(setting, "strict", catalogue.evaluators("strict"))
        self.tools = {**setting.tools("user"), **setting.tools("agent")}
        self.tasks = [task for task in setting.select() if any(self.writes(action.name) for action in task.gold())]
        self._records: dict[str, EpisodeRecord] = {}

    def writes(self, name: str) -> bool:
        return name in self.tools and self.tools[name].mutates

    def record(self, task: Task) -> dict[str, Any]:
        if task.id not in self._records:
            self._records[task.id] = asyncio.run(play(self.setting, task, self.participants, Slot(task.id, 0), 1))
        return self._records[task.id].model_dump(mode="json")

    def grade(self, task: Task, record: dict[str, Any]) -> Grade:
        return self.grader.grade(EpisodeRecord.model_validate(record), task)

    def written(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the calls that write, with their arguments to be changed in place."""
        calls = [call for message in record["messages"] for call in message.get("tool_calls") or []]
        return [call for call in calls if self.writes(call["name"])]


@pytest.fixture(scope="module")
def played(setting_of: Callable[..., Setting], installed_domains: frozenset[str]) -> dict[str, Played]:
    return {domain: Played(setting_of(domain)) for domain in DOMAINS if domain in installed_domains}


def shuffled(value: Any, data: st.DataObject) -> Any:
    """Return a JSON value with the keys of its objects in another order, and numbers in another spelling."""
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        return {key: shuffled(value[key], data) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, data) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if data.draw(st.booleans()) else value
    if isinstance(value, float) and value.is_integer():
        return int(value) if data.draw(st.booleans()) else value
    return value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """Return a JSON value with one leaf made another of its type."""
    if path:
        copy = deepcopy(value)
        copy[path[0]] = changed(value[path[0]], path[1:])
        return copy
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x"


@given(data=st.data())
def test_extra_reads_key_order_and_number_formats_change_nothing(
    played: dict[str, Played], data: st.DataObject
) -> None:
    domain = played[data.draw(st.sampled_from(sorted(played)))]
    task = data.draw(st.sampled_from(domain.tasks))
    record = domain.record(task)
    for message in record["messages"]:
        for call in message.get("tool_calls") or []:
            call["arguments"] = shuffled(call["arguments"], data)
    messages = record["messages"]
    for number in range(data.draw(st.integers(0, 3))):
        ends = [0] + [index + 1 for index, message in enumerate(messages) if not message.get("tool_calls")]
        place = data.draw(st.sampled_from(ends))
        call = {"id": f"more_{number}", "name": READS[domain.setting.domain], "arguments": {}}
        answer = {"role": "tool", "id": call["id"], "content": "anything"}
        messages[place:place] = [{"role": "assistant", "tool_calls": [call]}, answer]
    record["digests"] = {}  # of a world in which numbers were written differently
    told, grade = domain.grade(task, domain.record(task)), domain.grade(task, record)
    assert grade.reward == 1.0, grade
    for name in told.verdicts.keys() - {"POLICY"}:  # depends on when something is looked up
        assert grade.verdicts[name].reward == told.verdicts[name].reward


@given(data=st.data())
def test_one_changed_argument_of_a_write_fails_and_is_reported(played: dict[str, Played], data: st.DataObject) -> None:
    domain = played[data.draw(st.sampled_from(sorted(played)))]
    task = data.draw(st.sampled_from(domain.tasks))
    record = domain.record(task)
    record["digests"] = {}  # the digests of the live world, which the changed record does not match
    call = data.draw(st.sampled_from(domain.written(record)))
    path = data.draw(st.sampled_from(leaves(call["arguments"])))
    call["arguments"] = changed(call["arguments"], path)
    grade = domain.grade(task, record)
    assert grade.reward == 0.0
    unmet = [check for check in grade.verdicts["DB"].checks if not check.met]
    assert any(item["path"] for check in unmet for item in check.evidence), grade


@given(data=st.data())
def test_grading_is_repeatable_and_does_not_change_the_record(played: dict[str, Played], data: st.DataObject) -> None:
    domain = played[data.draw(st.sampled_from(sorted(played)))]
    task = data.draw(st.sampled_from(domain.tasks))
    content = domain.record(task)
    for call in domain.written(content)[: data.draw(st.integers(0, 1))]:
        path = data.draw(st.sampled_from(leaves(call["arguments"])))
        call["arguments"] = changed(call["arguments"], path)
    record = EpisodeRecord.model_validate(content)
    before, gold = record.model_dump_json(), task.model_dump_json()
    first = domain.grader.grade(record, task)
    assert record.model_dump_json() == before
    assert task.model_dump_json() == gold
    again = Grader(domain.setting, "strict", discover().evaluators("strict")).grade(record, task)
    assert first == again == domain.grader.grade(record, task)
