"""The tau2-bench adapter: tasks and splits."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tau2_core.adapters.tau2_bench.dataset import open_dataset

from tests.tau2_bench_adapter.checkout import SHOP, ids, refusal, task, write


class TestTasks:
    def test_tasks_keep_the_file_order_and_ignore_unknown_keys(self, checkout: Path) -> None:
        assert ids(open_dataset(checkout, "shop")) == ["a", "b", "c"]

    def test_a_tasks_file_may_be_an_object_with_tasks(self, checkout: Path) -> None:
        assert ids(open_dataset(checkout, "phone")) == ["x"]

    def test_an_opened_dataset_can_be_pickled(self, checkout: Path) -> None:
        assert ids(pickle.loads(pickle.dumps(open_dataset(checkout, "shop")))) == ["a", "b", "c"]

    def test_splits_are_read_as_declared(self, checkout: Path) -> None:
        dataset = open_dataset(checkout, "shop")
        assert dataset.splits == {"base": ["c", "a", "kept aside"], "test": ["kept aside"]}
        assert dataset.default_split == "base"

    def test_there_is_no_default_split_without_base(self, checkout: Path) -> None:
        write(checkout, {f"{SHOP}/split_tasks.json": {"train": ["a"]}})
        assert open_dataset(checkout, "shop").default_split is None

    def test_splits_are_optional(self, checkout: Path) -> None:
        dataset = open_dataset(checkout, "phone")
        assert dataset.splits == {}
        assert dataset.default_split is None

    def test_missing_tasks_are_refused(self, checkout: Path) -> None:
        (checkout / SHOP / "tasks.json").unlink()
        assert "tasks.json does not exist" in refusal(lambda: open_dataset(checkout, "shop"))

    def test_damaged_tasks_are_reported_with_the_line_when_they_are_needed(self, checkout: Path) -> None:
        write(checkout, {f"{SHOP}/tasks.json": '[\n {"id": "a",\n  oops}\n]'})
        dataset = open_dataset(checkout, "shop")
        message = refusal(dataset.load_tasks)
        assert "tasks.json:3: not JSON" in message
        assert "restore" in message

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ({"jobs": []}, ["should be a list of tasks"]),
            ("7", ["should be a list of tasks"]),
            ([task("a"), 7], ["task 1: ", "not 7"]),
            ([task("a"), task(7)], ["task 1 (id 7): id: ", "not 7"]),
            ([{"id": "a"}], ["task 0 (id 'a'): user_scenario: Field required"]),
            (
                [task("a", evaluation_criteria={"actions": [{"name": "count", "requestor": "robot"}]})],
                ["task 0 (id 'a')", "evaluation_criteria.actions.0.requestor", "not 'robot'"],
            ),
            (
                [task("a", evaluation_criteria={"actions": [{}] * 5})],
                ["evaluation_criteria.actions.2.name: Field required (and 2 more)"],
            ),
            ([task("a"), task("b"), task("a")], ["tasks 0 and 2 both have the id 'a'"]),
        ],
    )
    def test_an_invalid_task_is_named(self, checkout: Path, content: object, told: list[str]) -> None:
        write(checkout, {f"{SHOP}/tasks.json": content})
        message = refusal(open_dataset(checkout, "shop").load_tasks)
        assert all(part in message for part in ["tasks.json: ", *told]), message

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ('{"base": [\n}', "split_tasks.json:2: not JSON"),
            ({"base": ["a", 3]}, "base.1: Input should be a valid string, not 3"),
            (["a"], "a split is a name with a list of task ids"),
        ],
    )
    def test_invalid_splits_are_refused(self, checkout: Path, content: object, told: str) -> None:
        write(checkout, {f"{SHOP}/split_tasks.json": content})
        assert told in refusal(lambda: open_dataset(checkout, "shop"))
