"""The tau2-bench adapter, on a small checkout written by the tests and on the shared data if they are available."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.adapters.tau2_bench.dataset import detect, open_dataset
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import Dataset, ToolText
from tau2_core.packs.databases import read_data
from tau2_core.plugins.builtin import tau2_adapters

SHARED = Path(__file__).parents[2] / "shared" / "tau2-bench"

TOOLS = '''
import a_package_that_nobody_has
raise SystemExit("sources are read, never run")

class CountTools(Toolkit):
    """Tools of the counter."""

    @is_tool(ToolType.READ)
    def count(self, shelf: str, deep: bool = False) -> int:
        """Count what lies on a shelf.

        Baskets are counted as one.
        Not what lies behind it.

        Args:
            shelf: The shelf's name, such as "A1".
            deep (bool): Whether to look
                into baskets as well.

        Returns:
            How many there are.

        Raises:
            ValueError: If there is no such shelf.
        """

    @toolkit.tool
    async def clear(self) -> None:
        """Clear every shelf."""

    @is_tool()
    def undocumented(self) -> None: ...

    @property
    def size(self) -> int:
        """Not a tool."""

    def helper(self) -> None:
        """Nor this."""
'''
USER_TOOLS = '''
class BagTools:
    @is_tool(ToolType.WRITE)
    def open_bag(self) -> str:
        """Open the bag."""
'''
AGENT = '''
import nothing_of_the_kind
PATTERN = "\\d"
AGENT_INSTRUCTION = """
Serve politely.
  Follow the rules.
""".strip()
SYSTEM_PROMPT = f"<instructions>{AGENT_INSTRUCTION}</instructions>"
'''
OPENING = """
DEFAULT_FIRST_AGENT_MESSAGE = AssistantMessage(
    role="assistant", content="Good day. " "What is it?", cost=0.0
)
"""


def task(task_id: Any, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "user_scenario": {"instructions": "Ask what is on shelf A1."}, **fields}


def write(root: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")


SHOP = "data/tau2/domains/shop"
PHONE = "data/tau2/domains/phone"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "bench"
    write(
        root,
        {
            f"{SHOP}/db.json": {"shelves": {}},
            f"{SHOP}/policy.md": "Be kind.\n",
            f"{SHOP}/tasks.json": [task("a"), task("b", issues=[{"id": "a"}], annotations=None), task("c")],
            f"{SHOP}/split_tasks.json": {"base": ["c", "a", "kept aside"], "test": ["kept aside"]},
            f"{PHONE}/db.toml": "[device]\n",
            f"{PHONE}/user_db.toml": "[device]\n",
            f"{PHONE}/main_policy.md": "main",
            f"{PHONE}/main_policy_solo.md": "main, solo",
            f"{PHONE}/tech_support_manual.md": "manual",
            f"{PHONE}/tech_support_workflow.md": "workflow",
            f"{PHONE}/tech_support_workflow_solo.md": "workflow, solo",
            f"{PHONE}/tasks.json": {"tasks": [task("x", ticket="A1?")]},
            "data/tau2/user_simulator/simulation_guidelines.md": "Play the customer.",
            "data/tau2/user_simulator/simulation_guidelines_tools.md": "Play, with tools.",
        },
    )
    return root


@pytest.fixture
def sources(checkout: Path) -> Path:
    write(
        checkout,
        {
            "src/tau2/domains/shop/tools.py": TOOLS,
            "src/tau2/domains/shop/user_tools.py": USER_TOOLS,
            "src/tau2/agent/llm_agent.py": AGENT,
            "src/tau2/agent/another.py": "AGENT_INSTRUCTION = 'Not this one.'",
            "src/tau2/orchestrator/orchestrator.py": OPENING,
        },
    )
    return checkout


def ids(dataset: Dataset) -> list[str]:
    return [each.id for each in dataset.load_tasks()]


def names(dataset: Dataset) -> list[str]:
    return [file.relative_to(dataset.root).as_posix() for file in dataset.files]


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DatasetError) as caught:
        action()
    return str(caught.value)


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


class TestSourceTexts:
    def test_tools_are_found_by_side(self, sources: Path) -> None:
        texts = open_dataset(sources, "shop").tool_texts
        assert texts == {
            "agent": {
                "count": ToolText(
                    "Count what lies on a shelf.\n\nBaskets are counted as one.\nNot what lies behind it.",
                    {"shelf": 'The shelf\'s name, such as "A1".', "deep": "Whether to look\ninto baskets as well."},
                ),
                "clear": ToolText("Clear every shelf."),
            },
            "user": {"open_bag": ToolText("Open the bag.")},
        }

    def test_the_instruction_and_the_opening_line_are_read(self, sources: Path) -> None:
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction == "Serve politely.\n  Follow the rules."
        assert dataset.opening == "Good day. What is it?"

    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ("'plain'", "plain"),
            ("('in ' 'two ' + 'parts')", "in two parts"),
            ("f'no ' f'gaps'", "no gaps"),
            ('textwrap.dedent("""\\\n    deep\n      deeper\n""").rstrip()', "deep\n  deeper"),
            ("dedent('  x')", "x"),
            ("cleandoc('a\\n  b')", "a\nb"),
            ("f'a {gap}'", None),
            ("'a' + OTHER", None),
            ("OTHER.strip()", None),
            ("load('file')", None),
            ("'a %s' % 'b'", None),
            ("''", None),
            ("7", None),
        ],
    )
    def test_only_literals_are_read(self, checkout: Path, expression: str, text: str | None) -> None:
        write(
            checkout,
            {
                "src/tau2/agent/llm_agent.py": f"AGENT_INSTRUCTION: str = {expression}\n",
                "src/tau2/orchestrator/orchestrator.py": f"DEFAULT_FIRST_AGENT_MESSAGE = M(content={expression})\n",
            },
        )
        dataset = open_dataset(checkout, "shop")
        assert (dataset.agent_instruction, dataset.opening) == (text, text)

    def test_a_constant_that_is_not_a_literal_is_not_searched_elsewhere(self, sources: Path) -> None:
        write(sources, {"src/tau2/agent/llm_agent.py": "AGENT_INSTRUCTION = load()\n"})
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction is None
        assert dataset.origins["agent_instruction"] == "core"

    def test_a_constant_is_read_from_another_file_if_the_usual_one_lacks_it(self, sources: Path) -> None:
        (sources / "src/tau2/agent/llm_agent.py").rename(sources / "src/tau2/agent/zeta.py")
        write(sources, {"src/tau2/agent/another.py": "from zeta import AGENT_INSTRUCTION\n"})
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction == "Serve politely.\n  Follow the rules."
        assert dataset.origins["agent_instruction"] == "dataset src/tau2/agent/zeta.py"

    @pytest.mark.parametrize(
        "statement", ["DEFAULT_FIRST_AGENT_MESSAGE = 'Hi'", "DEFAULT_FIRST_AGENT_MESSAGE = M('Hi')"]
    )
    def test_an_opening_line_of_another_shape_is_ignored(self, checkout: Path, statement: str) -> None:
        write(checkout, {"src/tau2/orchestrator/orchestrator.py": statement})
        assert open_dataset(checkout, "shop").opening is None

    @pytest.mark.parametrize(
        ("name", "head"),
        [
            ("domains/shop/tools.py", "class Tools:\n"),
            ("agent/llm_agent.py", "AGENT_INSTRUCTION = 'x'\n"),
            ("orchestrator/orchestrator.py", "DEFAULT_FIRST_AGENT_MESSAGE = M(content='x')\n"),
        ],
    )
    def test_a_syntax_error_is_reported_with_file_line_and_advice(self, sources: Path, name: str, head: str) -> None:
        write(sources, {f"src/tau2/{name}": f"{head}def (:\n"})
        message = refusal(lambda: open_dataset(sources, "shop"))
        assert f"src/tau2/{name}:2: cannot be parsed as Python" in message
        assert "or remove it to use our own texts" in message

    def test_a_source_that_is_not_text_is_refused(self, sources: Path) -> None:
        (sources / "src/tau2/domains/shop/tools.py").write_bytes(b"x = 1\0")
        assert "tools.py: cannot be parsed as Python" in refusal(lambda: open_dataset(sources, "shop")).replace(
            "tools.py:1:", "tools.py:"
        )

    def test_damage_in_unrelated_sources_is_ignored(self, sources: Path) -> None:
        write(sources, {"src/tau2/agent/broken.py": "def (:", "src/tau2/domains/phone/tools.py": "def (:"})
        assert open_dataset(sources, "shop").agent_instruction

    def test_invalid_escapes_give_no_warning(self, sources: Path, recwarn: pytest.WarningsRecorder) -> None:
        assert open_dataset(sources, "shop").agent_instruction
        assert not list(recwarn)


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
