"""Task families: splits that rules draw from them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.packs.problems import Problems
from tau2_core.packs.tasks import TaskSet

from tests.families.heating import (
    PERSONAS,
    SELECT,
    SPLITS,
    checked,
    families_of,
    hand_written,
    line_of,
    read,
    read_anyhow,
)

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
