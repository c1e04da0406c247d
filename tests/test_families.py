"""Task families: the example of docs/how-to/task-families.md, composition and splits, and what `check` reports.

Errors are seeded into the example by replacing a piece of its text; `check` must name the line.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, UsageError
from tau2_core.model.tasks import Instructions
from tau2_core.packs.combinations import Combination, block_combinations, family_combinations
from tau2_core.packs.manifest import TaskFiles
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_defaults import TaskDefaults
from tau2_core.packs.tasks import TaskSet, read_tasks
from tau2_core.runs.check import CheckReport, check_domain
from tau2_core.runs.family_proofs import AT_MOST, family_tasks_to_play
from tau2_core.runs.loading import load_domain_pack, load_setting, open_catalogue

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "task-families.md"
FAMILIES, SPLITS = "families/cold.yaml", "splits.yaml"
_numbers = itertools.count(1)


def example_files() -> dict[str, str]:
    """Return the files of the document's pack `heating`, by their path below its folder."""
    blocks = re.findall(
        r"^```\w+\n(?:#|\{#) heating/(\S+).*\n([^`]*(?:`[^`]+`[^`]*)*?)^```$", DOCUMENT.read_text(), re.M
    )
    return dict(blocks)


@pytest.fixture
def heating(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Write the example as a package with a new name and modified files: `heating((file, old, new), …)`."""
    names: list[str] = []

    def write(*changes: tuple[str, str, str]) -> Path:
        names.append(f"heating_{next(_numbers)}")
        folder = tmp_path / names[-1]
        files = example_files()
        for file, old, new in changes:
            assert old in files.setdefault(file, old), f"{file} has no {old!r}"
            files[file] = files[file].replace(old, new, 1)
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text.replace("from heating.", f"from {names[-1]}."), encoding="utf-8")
        return folder

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[module]


def checked(folder: Path) -> CheckReport:
    return check_domain(open_catalogue([folder]), "heating")


def setting_of(folder: Path, **options: Any) -> Setting:
    return load_setting(open_catalogue([folder]), "heating", **options)


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text().split("\n"), 1) if text in line)


def read(
    folder: Path, families: dict[str, Any], splits: dict[str, Any], tasks: Sequence[dict[str, Any]] = ()
) -> TaskSet:
    """Read families, splits and hand-written tasks (JSON is YAML); they must be valid."""
    problems = Problems("small")
    task_set = read_anyhow(folder, families, splits, tasks, problems)
    assert not problems.found, [str(problem) for problem in problems.found]
    return task_set


def read_anyhow(
    folder: Path, families: Any, splits: Any, tasks: Sequence[dict[str, Any]], problems: Problems
) -> TaskSet:
    folder.joinpath("families.yaml").write_text(json.dumps(families))
    folder.joinpath("splits.yaml").write_text(json.dumps(splits, indent=1))
    folder.joinpath("tasks.yaml").write_text(json.dumps(list(tasks)))
    files = TaskFiles(files="tasks.yaml", families="families.yaml", splits="splits.yaml")
    return read_tasks(folder, files, TaskDefaults("small", ["ENV_ASSERTION"]), problems)


def families_of(select: dict[str, Sequence[Sequence[str]]], personas: Sequence[str] = ()) -> dict[str, Any]:
    """Return families that only choose blocks."""
    fix = [{"name": "mend"}]
    task = {"outcome": "done", "user_scenario": {"instructions": "Help!"}}
    return {
        "blocks": {block: {"fix": fix} for lines in select.values() for line in lines for block in line},
        "personas": {persona: f"I am {persona}." for persona in personas},
        "families": {
            name: {"select": lines, "personas": list(personas), "task": task} for name, lines in select.items()
        },
    }


def hand_written(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "outcome": "done", "user_scenario": {"instructions": "Help!"}}


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


@st.composite
def choosing(draw: st.DrawFn) -> tuple[list[list[str]], list[str] | None]:
    """Draw lines of blocks and, in some cases, the blocks of which a combination must have one."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    names = iter(draw(st.permutations([f"block_{number}" for number in range(sum(sizes))])))
    select = [[next(names) for _ in range(size)] for size in sizes]
    every = [block for line in select for block in line]
    return select, draw(st.none() | st.lists(st.sampled_from(every), min_size=1, unique=True))


class TestComposition:
    @given(choosing())
    def test_yields_every_valid_combination_once(self, choice: tuple[list[list[str]], list[str] | None]) -> None:
        select, enough = choice
        found = list(block_combinations(select, enough))
        idle = math.prod(1 + sum(enough is not None and block not in enough for block in line) for line in select)
        assert len(found) == len(set(found)) == math.prod(len(line) + 1 for line in select) - idle
        for blocks in found:
            assert list(blocks) == sorted(set(blocks))
            assert all(len(set(line) & set(blocks)) <= 1 for line in select)
            assert enough is None or set(enough) & set(blocks)

    @given(choosing())
    def test_orders_combinations_by_number_of_blocks_then_by_line(
        self, choice: tuple[list[list[str]], list[str] | None]
    ) -> None:
        select, enough = choice

        def rank(blocks: tuple[str, ...]) -> tuple[int, ...]:
            return len(blocks), *(next((i for i, name in enumerate(line) if name in blocks), 9) for line in select)

        found = list(block_combinations(select, enough))
        assert found == sorted(found, key=rank)

    @given(choosing(), st.lists(st.sampled_from(["none", "easy", "hard", "odd"]), max_size=4), st.randoms())
    def test_the_order_of_at_least_one_of_does_not_matter(
        self, choice: tuple[list[list[str]], list[str] | None], personas: list[str], random: Any
    ) -> None:
        select, enough = choice
        found = list(family_combinations("f", select, enough, personas))
        shuffled = None if enough is None else random.sample(enough, len(enough))
        assert found == list(family_combinations("f", select, shuffled, personas))
        assert [each.blocks for each in found] == list(block_combinations(select, enough))
        assert [each.persona for each in found] == [
            (personas or ["none"])[i % len(personas or ["none"])] for i in range(len(found))
        ]
        assert len({each.task_id for each in found}) == len(found)

    def test_writes_ids_without_the_persona_none(self) -> None:
        assert Combination("f", ("a", "b"), "easy").task_id == "f[a|b]easy"
        assert Combination("f", ("a", "b")).task_id == Combination("f", ("a", "b"), "none").task_id == "f[a|b]"

    def test_reproduces_the_official_ids(self) -> None:
        """The facts of spec/telecom.md, 9.2 and 9.3: names, counts, and the digest of the published ids."""
        roaming = [f"user_abroad_roaming_{each}" for each in ("enabled_off", "disabled_on", "disabled_off")]
        usage = ["data_usage_exceeded", "data_usage_exceeded_no_refuel"]
        permissions = [f"break_app_{each}" for each in ("sms_permission", "storage_permission", "both_permissions")]
        mobile = [["airplane_mode_on"], roaming, ["data_mode_off"], ["data_saver_mode_on"]]
        mobile += [["bad_network_preference"], ["bad_vpn"], usage]
        service = [["airplane_mode_on"], ["unseat_sim_card"], ["lock_sim_card_pin"], ["break_apn_settings"]]
        service += [["overdue_bill_suspension", "contract_end_suspension"]]
        mms = [["airplane_mode_on"], ["unseat_sim_card"], ["data_mode_off"], usage, roaming]
        mms += [["bad_network_preference"], ["bad_wifi_calling"], ["break_apn_mms_setting"], permissions]
        families = {
            "mobile_data_issue": (mobile, mobile[1:]),
            "service_issue": (service, service),
            "mms_issue": (mms, mms[5:]),
        }
        found = [
            combination
            for name, (select, enough) in families.items()
            for combination in family_combinations(
                name, select, [block for line in enough for block in line], ["None", "Easy", "Hard"]
            )
        ]
        assert Counter(each.family for each in found) == {
            "mobile_data_issue": 382,
            "service_issue": 47,
            "mms_issue": 2976,
        }
        ids = [
            f"[{each.family}]{'|'.join(each.blocks)}[PERSONA:{each.persona}]"
            for each in found
            if "data_usage_exceeded_no_refuel" not in each.blocks
        ]
        assert len(ids) == 2285
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        assert digest == "27ccec36ec0b4bd739d627c6a0c7219423178dc4e7da30f4f3a89c701ff6528a"


SELECT: dict[str, Sequence[Sequence[str]]] = {
    "f": [["a"], ["b", "c"], ["d"], ["e", "g", "h"]],
    "i": [["a"], ["d"], ["k"], ["l"], ["m"]],
}
PERSONAS = ["none", "easy", "hard"]
BY = st.lists(st.sampled_from(["family", "blocks", "persona"]), unique=True)


def bins_of(task_set: TaskSet, ids: Sequence[str], by: Sequence[str]) -> dict[tuple[Any, ...], list[str]]:
    bins: dict[tuple[Any, ...], list[str]] = {}
    for task_id in ids:
        family, blocks, persona = re.fullmatch(r"(.*)\[(.*)\](.*)", task_id).groups()  # type: ignore[union-attr]
        values = {"family": family, "blocks": blocks.count("|") + 1, "persona": persona}
        bins.setdefault(tuple(values[key] for key in by), []).append(task_id)
    return bins


def read_once(splits: dict[str, Any], tasks: Sequence[str] = ()) -> TaskSet:
    with tempfile.TemporaryDirectory() as folder:
        return read(Path(folder), families_of(SELECT, PERSONAS), splits, [hand_written(each) for each in tasks])


class TestSplits:
    @given(st.integers(1, 9), BY, st.integers())
    def test_a_sample_takes_at_most_its_size_from_each_bin(self, sample: int, by: list[str], seed: int) -> None:
        rule = {"sample": sample, "by": by, "seed": seed}
        task_set = read_once({"drawn": rule})
        drawn = task_set.splits["drawn"]
        expected = {key: min(sample, len(ids)) for key, ids in bins_of(task_set, list(task_set.tasks), by).items()}
        assert {key: len(ids) for key, ids in bins_of(task_set, drawn, by).items()} == expected
        assert list(drawn) == [task_id for task_id in task_set.tasks if task_id in set(drawn)]
        assert list(read_once({"drawn": rule}).splits["drawn"]) == list(drawn)

    @given(st.floats(0.01, 0.99), BY, st.integers())
    def test_a_share_is_exact_in_total_and_within_one_in_each_bin(self, share: float, by: list[str], seed: int) -> None:
        rule = {"share": share, "by": by, "seed": seed}
        task_set = read_once(
            {"train": rule | {"of": "all"}, "test": {"of": "all", "without": "train"}, "all": {"all": True}}
        )
        train, test = task_set.splits["train"], task_set.splits["test"]
        assert len(train) == round(share * len(task_set.tasks))
        drawn = bins_of(task_set, train, by)
        for key, ids in bins_of(task_set, list(task_set.tasks), by).items():
            assert abs(len(drawn.get(key, [])) - share * len(ids)) <= 1
        assert sorted([*train, *test]) == sorted(task_set.tasks)
        assert list(test) == [task_id for task_id in task_set.tasks if task_id in set(test)]

    @given(st.integers(0, 6), st.none() | st.integers(0, 6))
    def test_a_range_of_blocks_includes_both_ends(self, least: int, most: int | None) -> None:
        if most is not None and most < least:
            least, most = most, least
        task_set = read_once({"some": {"all": True, "blocks": {"min": least, "max": most}}}, ["by hand"][:0])
        expected = [each for each in task_set.tasks if least <= each.count("|") + 1 <= (9 if most is None else most)]
        assert list(task_set.splits["some"]) == expected

    def test_different_seeds_give_different_draws(self) -> None:
        rules = {str(seed): {"sample": 20, "seed": seed} for seed in range(5)}
        task_set = read_once(rules)
        assert len({tuple(task_set.splits[name]) for name in rules}) == 5

    def test_rules_select_family_tasks_and_all_selects_everything(self) -> None:
        splits = {
            "full": {"all": True},
            "every": {"blocks": {"min": 1}},
            "few": ["by hand", "f[a]"],
            "rest": {"all": True, "without": "few"},
            "one": {"of": "few", "sample": 1},
        }
        task_set = read_once(splits, ["by hand"])
        assert list(task_set.splits["full"]) == list(task_set.tasks)
        assert list(task_set.splits["every"]) == list(task_set.families)
        assert list(task_set.splits["rest"]) == [each for each in task_set.families if each != "f[a]"]
        assert len(task_set.splits["one"]) == 1
        assert list(task_set.splits) == [*splits, "base"]
        assert list(task_set.splits["base"]) == list(task_set.tasks)

    def test_a_hand_written_task_must_be_in_a_split_but_not_one_of_a_family(self, tmp_path: Path) -> None:
        problems = Problems("small")
        splits = {"some": ["a", "f[a]"], "few": {"blocks": {"max": 1}}}
        tasks = [hand_written("a"), hand_written("b")]
        read_anyhow(tmp_path, families_of(SELECT, PERSONAS), splits, tasks, problems)
        assert [problem.message for problem in problems.found] == ["task 'b' is in no split"]

    @pytest.mark.parametrize(
        ("splits", "key", "message"),
        [
            ({"s": {}}, '"s"', "split 's' is an empty rule"),
            ({"s": {"alle": True}}, '"alle"', "s.alle: there is no such key"),
            ({"s": {"all": False}}, '"all"', "s.all: Input should be True, not False"),
            ({"s": {"all": True, "of": "t"}, "t": ["f[a]"]}, '"all"', "split 's': `all` and `of` exclude each other"),
            ({"s": {"sample": 1, "share": 0.5}}, '"share"', "split 's': `sample` and `share` exclude each other"),
            ({"s": {"sample": 0}}, '"sample"', "s.sample: Input should be greater than or equal to 1, not 0"),
            ({"s": {"share": 1.5}}, '"share"', "s.share: Input should be less than 1, not 1.5"),
            (
                {"s": {"sample": 1, "by": ["block"]}},
                '"block"',
                "s.by.0: Input should be 'family', 'blocks' or 'persona', not 'block'",
            ),
            ({"s": {"all": True, "seed": 1}}, '"seed"', "split 's': `seed` has no effect without `sample` or `share`"),
            (
                {"s": {"all": True, "by": ["family"]}},
                '"by"',
                "split 's': `by` has no effect without `sample` or `share`",
            ),
            ({"s": {"blocks": {"min": 3, "max": 2}}}, '"blocks"', "split 's': no number of blocks is from 3 to 2"),
            ({"s": {"of": "t"}}, '"of"', "split 's' refers to 't', which is not declared"),
            ({"s": {"without": "s"}}, '"without"', "split 's' refers to itself"),
            ({"s": {"of": "t"}, "t": {"without": "s"}}, '"of"', "split 's' refers to 't', which refers to 's'"),
            ({"s": ["f[a]x"]}, '"f[a]x"', "split 's' names a task 'f[a]x' that does not exist"),
            ({"s": ["f[a]", "f[a]"]}, '"f[a]"\n', "split 's' names task 'f[a]' twice"),
            ({"s": 5}, '"s"', "s: Input should be a valid list, not 5"),
        ],
    )
    def test_an_invalid_split_is_reported_with_its_line(
        self, tmp_path: Path, splits: Any, key: str, message: str
    ) -> None:
        problems = Problems("small")
        task_set = read_anyhow(tmp_path, families_of(SELECT, PERSONAS), splits, [], problems)
        file = tmp_path / "splits.yaml"
        line = file.read_text().split(key)[0].count("\n") + 1
        assert (file, line, message) in [(each.file, each.line, each.message) for each in problems.found]
        assert "base" in task_set.splits

    def test_empty_rules_and_shared_tasks_are_found_by_the_check(self, heating: Callable[..., Path]) -> None:
        folder = heating(
            (SPLITS, "{blocks: {max: 1}}", "{blocks: {min: 5}}"),
            (SPLITS, "{of: base, without: train}", "{of: base, sample: 3}"),
        )
        file = folder / SPLITS
        found = [(each.line, each.message.split(",")[0]) for each in checked(folder).problems]
        assert (line_of(file, "small:"), "split 'small' has no task") in found
        assert any(line == line_of(file, "test:") and "are in both train and test" in what for line, what in found)


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


def seed(message: str, old: str, new: str, *, blamed: str = "", file: str = FAMILIES) -> Any:
    """An error: a piece of the example and its replacement, the expected problem, and its line.

    The line is the first that the replacement changes, unless `blamed` names another.
    """
    return pytest.param(message, old, new, blamed, file, id=message)


CLOSED = "    setup: [{env_type: user, func_name: close_valve}]\n    fix: [{requestor: user, name: open_valve}]\n"
UNSOLVABLE = example_files()[FAMILIES].partition("    unsolvable:    ")
DECLARED = [
    # names
    seed("family 'cold_home': there is no block 'thermo'", "- [thermostat_low]", "- [thermo]"),
    seed("family 'cold_home': there is no persona 'bris'", "[none, brisk,", "[none, bris,"),
    seed("no family uses block 'spare'", "personas:\n", "  spare: {fix: [{name: start_delivery}]}\npersonas:\n"),
    seed("no family uses persona 'spare'", "  none: null\n", "  spare: Nobody.\n  none: null\n"),
    seed("persona 'spare' should be a text, or null, not 5", "  none: null\n", "  spare: 5\n  none: null\n"),
    seed("'valve|closed' is not a valid name for an entry of `blocks`", "  valve_closed:", "  valve|closed:"),
    seed("blocks.thermostat_low.abut: there is no such key", "    about: The", "    abut: The"),
    seed("famlies: there is no such key", "families:\n", "famlies: {}\nfamilies:\n"),
    seed("blocks: should be a mapping of names", "blocks:  ", "blocks: []\nblock:  "),
    seed("no families file matches", "families/*.yaml", "family/*.yaml", file="domain.yaml"),
    seed(
        "tasks: Value error, name `files`, `families` or both",
        "families: families/*.yaml, splits",
        "splits",
        file="domain.yaml",
    ),
    # composition
    seed(
        "family 'cold_home' selects block 'water_low' twice",
        "- [thermostat_low]\n",
        "- [thermostat_low, water_low]\n",
        blamed="- [water_low, pump",
    ),
    seed(
        "family 'cold_home': block 'valv' of `at_least_one_of` is in no line of `select`",
        "at_least_one_of: [valve_closed",
        "at_least_one_of: [valv, valve_closed",
    ),
    seed(
        "family 'cold_home' has no tasks",
        "at_least_one_of: [valve_closed, water_low, pump_broken, not_delivered]",
        "at_least_one_of: []",
        blamed="  cold_home:",
    ),
    # blocks that contradict themselves
    seed(
        "block 'valve_closed' has no fix", "fix: [{requestor: user, name: open", "fix: [] #", blamed="  valve_closed:"
    ),
    seed(
        "block 'pump_broken' is unsolvable, but it has a fix",
        "    setup: [{env_type: user, func_name: break_pump}]\n",
        "    fix: [{requestor: user, name: refill}]\n",
    ),
    seed(
        "block 'valve_closed' has a fix, so it needs no `found_by`",
        "    setup: [{env_type: user, func_name: close_valve}]\n",
        "    found_by: [{requestor: user, name: look_at_pump}]\n",
    ),
    seed("block 'pump_broken': the user has no tool 'look_at'", "name: look_at_pump", "name: look_at"),
    seed(
        "family 'cold_home' selects block 'pump_broken', which has no fix, but has no section `unsolvable`",
        UNSOLVABLE[1] + UNSOLVABLE[2],
        "",
        blamed="    select:",
    ),
    seed(
        "family 'cold_home' has a section `unsolvable`, but selects no unsolvable block",
        "water_low, pump_broken]\n",
        "water_low]\n",
        blamed=UNSOLVABLE[1],
    ),
    # parts that a family's task must not define
    seed("family 'cold_home': `id` is not allowed here", "      outcome: done", "      id: cold\n      outcome: done"),
    seed(
        "family 'cold_home': `initial_state.initialization_actions` is not allowed here",
        "      outcome: done",
        "      initial_state: {initialization_actions: []}\n      outcome: done",
    ),
    seed(
        "family 'cold_home': `evaluation_criteria.actions` is not allowed here",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "actions: []",
    ),
    seed("families.cold_home.task.outcome: Input should be 'done',", "outcome: done", "outcome: well"),
    seed("families.cold_home.unsolvable.outcome: Input should be 'done',", "outcome: transferred", "outcome: well"),
    # calls
    seed("block 'valve_closed': the user side has no function 'close'", "func_name: close_valve", "func_name: close"),
    seed("block 'valve_closed': the user has no tool 'open'", "name: open_valve", "name: open"),
    seed(
        "block 'thermostat_low': set_thermostat: degrees: 31 is greater than the maximum of 30",
        "degrees: 21",
        "degrees: 31",
    ),
    seed(
        "block 'thermostat_low': set_thermostat: Additional properties are not allowed ('degree'",
        "degrees: 12",
        "degree: 12",
    ),
    seed(
        "block 'thermostat_low': drain is of kind 'setup', not an assertion",
        "[{env_type: user, func_name: is_warm, assert_value: false}]      #",
        "[{env_type: user, func_name: drain}]      #",
    ),
    seed(
        "block 'not_delivered': the user side has no function 'is_delivered'",
        "assertions: [{env_type: assistant, func_name: is_delivered}]",
        "assertions: [{env_type: user, func_name: is_delivered}]",
    ),
    seed(
        "family 'cold_home': the user side has no function 'warm_up'",
        "setup: []",
        "setup: [{env_type: user, func_name: warm_up}]",
    ),
    seed(
        "family 'cold_home': the user side has no function 'is_hot'",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: [{env_type: user, func_name: is_hot}]",
    ),
    seed(
        "family 'cold_home': the assistant has no tool 'transfer'",
        "name: transfer_to_human_agents",
        "name: transfer",
    ),
    seed(
        "family 'cold_home': transfer_to_human_agents: Additional properties are not allowed",
        "{summary: The pump is broken.}",
        "{sumary: The pump is broken.}",
    ),
    seed("family 'cold_home': the customer has no tool 'ax'", "outcome: done", "user_tools: [ax]\n      outcome: done"),
    seed(
        "family 'cold_home': ENV_ASSERTION is in its reward basis, but it specifies nothing for it",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: []",
        blamed="      evaluation_criteria:",
    ),
    # texts
    seed(
        "family 'cold_home': a text uses 'pumps', which task 'cold_home[valve_closed]' does not define",
        "is {{ pump }}",
        "is {{ pumps }}",
    ),
    seed(
        "family 'cold_home': a text uses 'pump', which task 'cold_home[valve_closed]' does not define",
        "facts: {pump: humming}",
        "facts: {}",
        blamed="is {{ pump",
    ),
    seed("a text of family 'cold_home' cannot be rendered: expected name or number", "is {{ pump }}", "is {{ pump"),
    seed("a text of family 'cold_home' cannot be rendered: ", "is {{ pump }}", "is {{ pump + 1 }}"),
    seed(
        "family 'cold_home': 'blocks' is already defined for every text",
        "facts: {pump: humming}",
        "facts: {pump: humming, blocks: many}",
    ),
    seed(
        "block 'water_low': 'persona' is already defined for every text",
        "facts: {pump: silent}",
        "facts: {pump: silent, persona: odd}",
    ),
    seed(
        "family 'cold_home': blocks 'valve_closed' and 'water_low' give fact 'pump' different values",
        "    setup: [{env_type: user, func_name: close_valve}]",
        "    setup: [{env_type: user, func_name: close_valve}]\n    facts: {pump: loud}",
        blamed="facts: {pump: silent}",
    ),
]
PLAYED = [
    seed(
        "block 'valve_closed': is_warm does not hold after the set-up of task 'cold_home[",
        "func_name: close_valve",
        "func_name: is_warm",
        blamed="broken: &cold",
    ),
    seed(
        "passes without open_valve()",
        f"{CLOSED}    broken: *cold\n",
        CLOSED.partition("\n")[2],
    ),
    seed(
        "is_warm is not met after the gold calls, so no agent can pass",
        "name: open_valve",
        "name: refill",
        blamed="env_assertions: [{env_type: user, func_name: is_warm}]",
    ),
    seed(
        "passes without restart_pump()", "name: open_valve}", "name: open_valve}, {requestor: user, name: restart_pump}"
    ),
    seed(
        "its assertions hold at the start, so nothing is broken",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: [{env_type: assistant, func_name: is_delivered}]",
    ),
    seed(
        "is_warm is not met after the gold calls, so no agent can pass",
        "env_assertions: [{env_type: user, func_name: is_warm, assert_value: false}]",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
    ),
    seed(
        "passes without transfer_to_human_agents(summary='The pump is broken.')",
        "reward_basis: [ENV_ASSERTION, ACTION]",
        "reward_basis: [ENV_ASSERTION]",
        blamed="actions: [{name: transfer",
    ),
    seed("its outcome is 'done', but its gold calls a tool that transfers", "outcome: transferred", "outcome: done"),
    seed(
        "its start state does not apply: initialization action set_thermostat failed",
        "setup: []",
        "setup: [{env_type: user, func_name: set_thermostat}]",
        blamed="  cold_home:",
    ),
]


def seeded(heating: Callable[..., Path], old: str, new: str, file: str = FAMILIES) -> tuple[Path, int]:
    """Return the example with an error, and the first line that the error changes."""
    before = example_files()[file].split("\n")
    folder = heating((file, old, new))
    after = (folder / file).read_text().split("\n")
    return folder, next(number for number, pair in enumerate(zip(before, after, strict=False), 1) if len(set(pair)) > 1)


class TestTheCheck:
    @pytest.mark.parametrize(("message", "old", "new", "blamed", "file"), [*DECLARED, *PLAYED])
    def test_a_defect_is_reported_with_its_line(
        self, heating: Callable[..., Path], message: str, old: str, new: str, blamed: str, file: str
    ) -> None:
        folder, changed = seeded(heating, old, new, file)
        line = line_of(folder / file, blamed) if blamed else changed
        problems = checked(folder).problems
        found = [each for each in problems if message in each.message]
        assert found, [str(each) for each in problems]
        if "no families file" not in message:
            assert [(each.file.name, each.line) for each in found] == [(Path(file).name, line)]
        assert {each.pack for each in found} == {"heating"}

    def test_a_duplicate_definition_names_both_files(self, heating: Callable[..., Path]) -> None:
        folder = heating()
        other = folder / "families" / "more.yaml"
        other.write_text("blocks:\n  water_low: {fix: [{requestor: user, name: refill}]}\n")
        (problem,) = checked(folder).problems
        first = line_of(folder / FAMILIES, "  water_low:")
        assert (problem.file, problem.line) == (other, 2)
        assert problem.message == f"'water_low' occurs twice in `blocks`, first at {folder / FAMILIES}:{first}"

    def test_families_share_the_blocks_of_all_files(self, heating: Callable[..., Path]) -> None:
        folder = heating()
        file = folder / FAMILIES
        blocks, families = file.read_text().split("families:\n")
        file.write_text(f"families:\n{families.replace('*cold', 'null')}")
        folder.joinpath("families", "all_blocks.yaml").write_text(blocks)
        report = checked(folder)
        assert (report.problems, report.tasks) == ([], 22)

    def test_too_many_combinations_are_refused(self, tmp_path: Path) -> None:
        problems = Problems("small")
        select = [[f"block_{number}"] for number in range(20)]
        task_set = read_anyhow(tmp_path, families_of({"f": select}), {"full": {"all": True}}, [], problems)
        assert [each.message for each in problems.found] == [
            "family 'f' has 1048576 choices of blocks, more than 100000"
        ]
        assert len(task_set.tasks) == 0

    def test_a_hand_written_task_cannot_have_the_id_of_a_family_task(self, tmp_path: Path) -> None:
        problems = Problems("small")
        splits = {"full": {"all": True}}
        read_anyhow(tmp_path, families_of(SELECT), splits, [hand_written("i[a|d]"), hand_written("i[a]x")], problems)
        assert [each.message for each in problems.found] == ["task 'i[a|d]' is also a task of a family"]

    def test_omitting_a_blocks_whole_fix_must_fail_too(self, heating: Callable[..., Path]) -> None:
        """Opening and closing again: each call undoes the other, so both can be omitted, but neither alone."""
        new = "    fix: [{requestor: user, name: open_valve}, {requestor: user, name: open_valve}]\n"
        folder = heating(
            (FAMILIES, f"{CLOSED}    broken: *cold\n", new),
            ("handlers/home.py", "db.valve_open = True", "db.valve_open = not db.valve_open"),
        )
        found = [each for each in checked(folder).problems if "passes without" in each.message]
        assert [each.line for each in found] == [line_of(folder / FAMILIES, "name: open_valve")]
        assert "passes without the fix of block 'valve_closed'" in found[0].message

    def test_a_shared_problem_is_reported_for_one_task_with_its_blocks(self, heating: Callable[..., Path]) -> None:
        folder, _ = seeded(heating, "name: start_delivery", "name: transfer_to_human_agents, arguments: {summary: x}")
        found = [each for each in checked(folder).problems if "but its gold calls a tool" in each.message]
        assert len(found) == 1
        assert f"not_delivered: {folder / FAMILIES}:{line_of(folder / FAMILIES, '  not_delivered:')}" in found[0].hint

    def test_check_plays_all_tasks_without_a_declared_base(self, heating: Callable[..., Path]) -> None:
        rules = [line for line in example_files()[SPLITS].split("\n") if line[:4] in ("base", "trai", "test")]
        report = checked(heating(*((SPLITS, rule, "") for rule in rules)))
        assert (report.problems, report.tasks, report.played) == ([], 22, 22)
