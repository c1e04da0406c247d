"""The tau2-bench adapter: which folders are a checkout, and where the parts of a dataset come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tau2_core.adapters.tau2_bench.dataset import detect, open_dataset
from tau2_core.plugins.builtin import tau2_adapters

from tests.tau2_bench_adapter.checkout import SHOP, names, refusal, write


class TestDetect:
    def test_detects_a_checkout_and_its_data_folder(self, checkout: Path) -> None:
        assert detect(checkout)
        assert detect(checkout / "data")

    def test_detects_a_relative_folder(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(checkout / "data")
        assert detect(Path())
        assert open_dataset(Path(), "shop").root == checkout.resolve()

    def test_detects_nothing_else(self, checkout: Path, tmp_path: Path) -> None:
        assert not detect(tmp_path)
        assert not detect(tmp_path / "absent")
        assert not detect(checkout / "data" / "tau2")
        assert not detect(checkout / SHOP)

    def test_the_registered_names_load(self, checkout: Path) -> None:
        adapter = next(each for each in tau2_adapters() if each.name == "tau2-bench")
        assert not callable(adapter.detect)
        assert not callable(adapter.open)
        assert adapter.detect.load()(checkout)
        assert adapter.open.load()(checkout, "shop").adapter == "tau2-bench"


class TestFolder:
    def test_a_folder_without_a_dataset_is_refused(self, tmp_path: Path) -> None:
        message = refusal(lambda: open_dataset(tmp_path, "shop"))
        assert str(tmp_path) in message
        assert "no data/tau2/domains" in message

    def test_a_missing_folder_is_refused(self, tmp_path: Path) -> None:
        assert "no such folder" in refusal(lambda: open_dataset(tmp_path / "absent", "shop"))

    def test_a_folder_inside_a_checkout_names_its_root(self, checkout: Path) -> None:
        message = refusal(lambda: open_dataset(checkout / "data" / "tau2", "shop"))
        assert f"did you mean {checkout.resolve()}?" in message

    def test_an_unknown_domain_suggests_a_name(self, checkout: Path) -> None:
        assert "did you mean 'shop'?" in refusal(lambda: open_dataset(checkout, "shopp"))
        assert "available: phone, shop" in refusal(lambda: open_dataset(checkout, "../domains/shop"))

    def test_a_data_folder_finds_the_sources_beside_it(self, sources: Path) -> None:
        dataset = open_dataset(sources / "data", "shop")
        assert dataset.root == sources.resolve()
        assert dataset.opening == "Good day. What is it?"


class TestOrigins:
    def test_all_parts_can_come_from_the_dataset(self, sources: Path) -> None:
        dataset = open_dataset(sources, "shop")
        assert dataset.origins == {
            "tasks": "dataset",
            "databases": "dataset",
            "policy": "dataset",
            "tools": "dataset src/tau2/domains/shop/tools.py, src/tau2/domains/shop/user_tools.py",
            "agent_instruction": "dataset src/tau2/agent/llm_agent.py",
            "solo_instruction": "core",
            "opening": "dataset src/tau2/orchestrator/orchestrator.py",
            "user_guidelines": "dataset",
        }

    def test_missing_parts_come_from_the_pack(self, tmp_path: Path) -> None:
        write(tmp_path, {f"{SHOP}/tasks.json": []})
        dataset = open_dataset(tmp_path, "shop")
        assert dataset.origins == {
            "tasks": "dataset",
            "databases": "pack",
            "policy": "pack",
            "tools": "pack",
            "agent_instruction": "core",
            "solo_instruction": "core",
            "opening": "core",
            "user_guidelines": "core",
        }
        assert names(dataset) == [f"{SHOP}/tasks.json"]

    def test_a_toolkit_without_tools_is_not_an_origin(self, checkout: Path) -> None:
        write(checkout, {"src/tau2/domains/shop/tools.py": "class Tools: ...\n"})
        dataset = open_dataset(checkout, "shop")
        assert dataset.tool_texts == {}
        assert dataset.origins["tools"] == "pack"

    def test_files_lists_everything_that_was_read(self, sources: Path) -> None:
        assert sorted(names(open_dataset(sources, "shop"))) == [
            f"{SHOP}/db.json",
            f"{SHOP}/policy.md",
            f"{SHOP}/split_tasks.json",
            f"{SHOP}/tasks.json",
            "data/tau2/user_simulator/simulation_guidelines.md",
            "data/tau2/user_simulator/simulation_guidelines_tools.md",
            "src/tau2/agent/llm_agent.py",
            "src/tau2/domains/shop/tools.py",
            "src/tau2/domains/shop/user_tools.py",
            "src/tau2/orchestrator/orchestrator.py",
        ]

    def test_each_file_is_listed_once(self, checkout: Path) -> None:
        files = names(open_dataset(checkout, "phone"))
        assert len(files) == len(set(files)) == 10
