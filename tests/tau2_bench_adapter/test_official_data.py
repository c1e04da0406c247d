"""The tau2-bench adapter on the official data."""

from __future__ import annotations

from pathlib import Path

import pytest
from tau2_core.adapters.tau2_bench.dataset import open_dataset
from tau2_core.packs.databases import read_data

from tests.tau2_bench_adapter.checkout import ids

SHARED = Path(__file__).parents[3] / "shared" / "tau2-bench"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared official data is not here")
class TestSharedData:
    @pytest.mark.parametrize(
        ("domain", "tasks", "splits", "databases"),
        [
            ("airline", 30, {"train": 30, "base": 30}, {"agent": "db.json"}),
            ("retail", 74, {"train": 74, "base": 74}, {"agent": "db.json"}),
            ("telecom", 94, {"small": 20, "train": 74, "base": 74}, {"agent": "db.toml", "user": "user_db.toml"}),
            ("mock", 10, {"base": 10}, {"agent": "db.json", "user": "user_db.json"}),
        ],
    )
    def test_official_tasks_splits_and_databases_are_read(
        self, domain: str, tasks: int, splits: dict[str, int], databases: dict[str, str]
    ) -> None:
        dataset = open_dataset(SHARED, domain)
        found = ids(dataset)
        assert len(found) == tasks
        assert {name: len(members) for name, members in dataset.splits.items()} == splits
        assert all(set(members) <= set(found) for members in dataset.splits.values())
        assert dataset.default_split == "base"
        assert {role: file.name for role, file in dataset.databases.items()} == databases
        assert all(read_data(file) for file in dataset.databases.values())

    @pytest.mark.parametrize("domain", ["airline", "retail", "telecom", "mock"])
    def test_official_texts_are_read(self, domain: str) -> None:
        dataset = open_dataset(SHARED / "data", domain)
        assert dataset.policies[("", False)].strip()
        assert set(dataset.user_guidelines) == {False, True}
        assert dataset.origins["policy"] == dataset.origins["user_guidelines"] == "dataset"
        assert all(file.is_file() for file in dataset.files)

    def test_official_solo_policies_are_read(self) -> None:
        assert set(open_dataset(SHARED, "airline").policies) == {("", False)}
        assert set(open_dataset(SHARED, "mock").policies) == {("", False), ("", True)}
        telecom = open_dataset(SHARED, "telecom").policies
        assert set(telecom) == {(variant, solo) for variant in ("", "manual", "workflow") for solo in (False, True)}
        assert len(set(telecom.values())) == 4

    def test_official_criteria_are_read_completely(self) -> None:
        by_id = {each.id: each for each in open_dataset(SHARED, "mock").load_tasks()}
        criteria = by_id["create_task_1_nl_eval"].evaluation_criteria
        assert criteria is not None
        assert criteria.actions is None
        assert criteria.reward_basis == ["DB", "COMMUNICATE"]
        history = by_id["update_task_with_message_history"].initial_state
        assert history is not None
        assert [each.role for each in history.message_history or []] == ["user", "assistant", "tool", "assistant"]
