"""The tau2-bench adapter: databases, policies and guidelines."""

from __future__ import annotations

from pathlib import Path

from tau2_core.adapters.tau2_bench.dataset import open_dataset

from tests.tau2_bench_adapter.checkout import PHONE, SHOP, refusal, write


class TestData:
    def test_databases_are_found_by_file_name(self, checkout: Path) -> None:
        assert {role: file.name for role, file in open_dataset(checkout, "shop").databases.items()} == {
            "agent": "db.json"
        }
        phone = open_dataset(checkout, "phone").databases
        assert {role: file.name for role, file in phone.items()} == {"agent": "db.toml", "user": "user_db.toml"}

    def test_two_databases_for_one_side_are_refused(self, checkout: Path) -> None:
        write(checkout, {f"{SHOP}/db.toml": ""})
        assert "db.json and db.toml" in refusal(lambda: open_dataset(checkout, "shop"))

    def test_a_policy_can_be_one_file(self, checkout: Path) -> None:
        assert open_dataset(checkout, "shop").policies == {("", False): "Be kind.\n"}
        write(checkout, {f"{SHOP}/policy_solo.md": "Be quick."})
        assert open_dataset(checkout, "shop").policies[("", True)] == "Be quick."

    def test_a_policy_can_have_two_chapters(self, checkout: Path) -> None:
        def chapters(main: str, support: str) -> str:
            return f"<main_policy>\n{main}\n</main_policy>\n<tech_support_policy>\n{support}\n</tech_support_policy>"

        assert open_dataset(checkout, "phone").policies == {
            ("", False): chapters("main", "manual"),
            ("manual", False): chapters("main", "manual"),
            ("workflow", False): chapters("main", "workflow"),
            ("", True): chapters("main, solo", "manual"),
            ("manual", True): chapters("main, solo", "manual"),
            ("workflow", True): chapters("main, solo", "workflow, solo"),
        }

    def test_without_a_solo_chapter_there_is_no_solo_policy(self, checkout: Path) -> None:
        (checkout / PHONE / "main_policy_solo.md").unlink()
        assert all(not solo for _, solo in open_dataset(checkout, "phone").policies)

    def test_a_single_chapter_is_not_a_policy(self, checkout: Path) -> None:
        (checkout / PHONE / "main_policy.md").unlink()
        (checkout / PHONE / "main_policy_solo.md").unlink()
        dataset = open_dataset(checkout, "phone")
        assert dataset.policies == {}
        assert dataset.origins["policy"] == "pack"

    def test_a_policy_that_is_not_text_is_refused(self, checkout: Path) -> None:
        (checkout / SHOP / "policy.md").write_bytes(b"Be \xff kind")
        assert "policy.md: not UTF-8 text" in refusal(lambda: open_dataset(checkout, "shop"))

    def test_user_guidelines_are_read(self, checkout: Path) -> None:
        assert open_dataset(checkout, "shop").user_guidelines == {
            False: "Play the customer.",
            True: "Play, with tools.",
        }
        (checkout / "data/tau2/user_simulator/simulation_guidelines_tools.md").unlink()
        assert open_dataset(checkout, "shop").user_guidelines == {False: "Play the customer."}
