"""Task families: the problems that `check` reports.

Errors are seeded into the example by replacing a piece of its text; `check` must name the line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tau2_core.packs.problems import Problems

from tests.families.errors import CLOSED, DECLARED, PLAYED
from tests.families.heating import (
    FAMILIES,
    SELECT,
    SPLITS,
    checked,
    example_files,
    families_of,
    hand_written,
    line_of,
    read_anyhow,
)


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
