"""Bad input of every kind ends with a clear message, the next step and the right exit code, never with a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.bakery import write_bakery

Gym = Callable[..., CompletedProcess[str]]

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
MEND = "(correct the data file, or the database's model)"


def refused(done: CompletedProcess[str], code: int) -> str:
    """Return the message of a command that ended before doing anything."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("error: ").rstrip("\n")


class TestNames:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["run", "airlin"], "no domain 'airlin' (did you mean 'airline'?)"),
            (["run", "mock", "--agent", "orcle"], "no agent 'orcle' (did you mean 'oracle'?)"),
            (["run", "mock", "--user", "script"], "no user 'script' (did you mean 'scripted'?)"),
            (["run", "mock", "--split", "trian"], "mock has no split 'trian' (did you mean 'train'?)"),
            (["run", "mock", "--task", "create_plan"], "no task 'create_plan' in mock (did you mean 'create_plain'?)"),
            (["run", "mock", "--split", "test", "--task", "create_plain"], "no task 'create_plain' in split 'test' ("),
            (["run", "mock", "--evaluators", "tau"], "no evaluator set 'tau' (did you mean 'tau2'?)"),
            (["run", "mock", "--variant", "short"], "mock has no variant 'short' (there are none)"),
            (["run", "airline", "--solo"], "airline cannot be played solo: its manifest names no `solo` prompt"),
            (["run", "mock", "--solo", "--task", "tell_whose_task"], "task 'tell_whose_task' cannot be played solo: "),
            (["run", "mock", "--user", "none"], "user 'none' is for solo play: add --solo, or choose another user"),
            (["run", "mock", "--solo", "--user", "scripted"], "solo play has no customer: use --user none, not 'scr"),
            (["run", "mock", "--trials", "0"], "--trials must be at least 1, not 0"),
            (
                ["run", "mock", "--trials", "100000000"],
                "--trials 100000000 of 18 tasks make 1,800,000,000 episodes; a run has at most 10,000,000",
            ),
            (["run", "mock", "--concurrency", "0"], "--concurrency must be at least 1, not 0"),
            (["run", "mock", "--max-steps", "0"], "--max-steps must be at least 1, not 0"),
            (["run", "mock", "--max-errors", "-1"], "--max-errors must be at least 1, not -1"),
            (["run", "mock", "--timeout", "0"], "--timeout must be more than 0 seconds, not 0.0"),
            (["run", "mock", "--fail-under", "nan"], "--fail-under should be between 0 and 1"),
            (
                ["run", "mock", "--name", "../mock"],
                "--name '../mock' should be a folder name without a path; choose its parent with --out",
            ),
            (["run"], "name one domain to play; `tau2-gym domains` lists them"),
            (["describe", "mock", "get_user"], "mock has no tool 'get_user' (did you mean 'get_users'?)"),
            (["check", "moc"], "no domain 'moc' (did you mean 'mock'?)"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_unknown_names_and_invalid_values_are_usage_errors(
        self, gym: Gym, tmp_path: Path, arguments: list[str], told: str
    ) -> None:
        assert refused(gym(*arguments), 2).startswith(told)
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize("command", ["run", "check", "serve", "describe"])
    def test_a_folder_in_place_of_a_domain_is_a_hint(self, gym: Gym, tmp_path: Path, command: str) -> None:
        write_bakery(tmp_path / "bakery")
        more = ["sell"] if command == "describe" else []
        assert refused(gym(command, tmp_path / "bakery", *more), 2).endswith(
            f"\nthe folder {tmp_path / 'bakery'} holds a pack: add --pack {tmp_path / 'bakery'}"
        )

    @pytest.mark.parametrize("arguments", [["run", "mock", "--seed", "x"], ["fly"], ["run", "mock", "--fast"]])
    def test_invalid_command_lines_are_usage_errors(self, gym: Gym, arguments: list[str]) -> None:
        done = gym(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Try 'python -m tau2_core" in done.stderr


class TestPackFiles:
    def told(self, gym: Gym, pack: Path) -> str:
        message = refused(gym("run", "mock", "--pack", pack), 1)
        assert message.count("\n") == 0, message
        message, _, code = message.rpartition(" [")
        assert code.startswith("T2G")
        assert not (pack.parent / "runs").exists()
        return message

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"tasks: {task_1: {\n", ":2: "),
            (b"tasks: {}\nusers: {}\ntasks: {}\n", ":3: 'tasks' occurs twice here, first in line 1 "),
            (b"\xff\xfe\x00", ": not UTF-8 text: invalid start byte at byte 0 "),
            (b"", ": the whole file: Input should be a valid dictionary or instance of MockDB "),
            (b"tasks: {}\n", ":1: users: Field required "),
            (
                b"tasks:\n  t:\n    task_id: t\n    title: 5\n    status: pending\nusers: {}\n",
                ":4: tasks.t.title: Input",
            ),
            (b"tasks: &all {again: *all}\nusers: {}\n", ":1: an alias refers to something that contains it: "),
            (BOMB.encode(), ":1: more than 500000 values: aliases multiply, or the data belongs in a .json file: "),
            (b"tasks: " + b"[" * 100_000, ":1: nested more than 200 levels deep: "),
            (b"tasks: " + b"9" * 5000, ":1: Exceeds the limit (4300 digits) for integer string conversion"),
        ],
        ids=["torn", "repeated", "bytes", "empty", "incomplete", "value", "cycle", "bomb", "deep", "digits"],
    )
    def test_a_damaged_database_is_reported_with_its_line(
        self, gym: Gym, mock_copy: Path, content: bytes, told: str
    ) -> None:
        file = mock_copy / "data" / "db.yaml"
        file.write_bytes(content)
        message = self.told(gym, mock_copy)
        assert message.startswith(f"mock: {file}{told}")
        assert message.endswith(MEND)

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("db.json", '{"tasks": {},\n "users": }', ':2: not JSON: this is not a JSON value: "users": } '),
            ("db.json", "[" * 100_000, ":1: not JSON: nested more than 200 levels deep: …[["),
            (
                "db.json",
                '{\n"tasks": {"t": {\n"task_id": 1}}, "users": {}}',
                ":3: tasks.t.task_id: Input should be a val",
            ),
            ("db.toml", "tasks = {}\nusers =", ": not TOML: "),
            ("db.csv", "", ": .csv is not one of .json, .yaml, .toml "),
        ],
    )
    def test_damaged_databases_in_other_formats_are_reported(
        self, gym: Gym, mock_copy: Path, name: str, content: str, told: str
    ) -> None:
        file = mock_copy / "data" / name
        file.write_text(content)
        manifest = mock_copy / "domain.yaml"
        manifest.write_text(manifest.read_text().replace("data/db.yaml", f"data/{name}"))
        message = self.told(gym, mock_copy)
        assert message.startswith(f"mock: {file}{told}")
        assert message.endswith(MEND)

    @pytest.mark.parametrize(
        ("name", "line"),
        [("data/db.yaml", 6), ("tools/agent.yaml", 8), ("tools/functions.yaml", 9), ("prompts/policy.md.j2", 10)],
    )
    def test_a_missing_file_is_reported_at_its_line_in_the_manifest(
        self, gym: Gym, mock_copy: Path, name: str, line: int
    ) -> None:
        (mock_copy / name).unlink()
        message = self.told(gym, mock_copy)
        assert message.startswith(f"mock: {mock_copy / 'domain.yaml'}:{line}: ")
        assert str(mock_copy / name) in message
        assert message.endswith("(create the file, or correct the path)")

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("data/tasks/creating.yaml", "- id: [\n", ":2: "),
            ("data/tasks/creating.yaml", "&a [*a]\n", ":1: an alias refers to something that contains it: "),
            ("data/tasks/creating.yaml", BOMB, ":1: more than 500000 values"),
            ("data/tasks/creating.yaml", "- " * 9999, ":1: nested more than 200 levels deep: "),
            ("data/tasks/creating.yaml", "? [a]\n: b\n", ":1: a key must be text: ? [a] "),
            ("data/splits.yaml", "train: 5\n", ":1: train: Input should be a valid list, not 5"),
            (
                "domain.yaml",
                "name: mock\n  clock: [",
                ":2: a `:` is not allowed here; put the text in quotes, or correct the indentation: clock: [ ",
            ),
            ("domain.yaml", "nam: mock\n", ":1: the domain's `name` is missing (give it one)"),
        ],
    )
    def test_yaml_errors(self, gym: Gym, mock_copy: Path, name: str, content: str, told: str) -> None:
        (mock_copy / name).write_text(content)
        message = self.told(gym, mock_copy)
        assert message.partition(": ")[2].startswith(f"{mock_copy / name}{told}")

    def test_a_package_that_cannot_be_imported(self, gym: Gym, mock_copy: Path) -> None:
        with (mock_copy / "__init__.py").open("a") as init:
            init.write("import nothing_like_it\n")
        message = self.told(gym, mock_copy)
        cause = "package 'tau2_domain_mock' cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'"
        assert message.startswith(f"mock: {mock_copy / '__init__.py'}:2: {cause} (")

    def test_a_task_that_names_an_unknown_tool_is_not_played(self, gym: Gym, mock_copy: Path) -> None:
        tasks = mock_copy / "data" / "tasks" / "statuses.yaml"
        tasks.write_text(tasks.read_text().replace("name: update_task_status", "name: update_status", 1))
        message = self.told(gym, mock_copy)
        cause = "task 'complete_task': the assistant has no tool 'update_status' (did you mean 'update_task_status'?)"
        assert message == f"mock: {tasks}:14: {cause}"
        other = gym("run", "mock", "--pack", mock_copy, "--task", "reopen_task")
        assert other.returncode == 0, other.stderr


class TestDatasets:
    @pytest.mark.parametrize(
        ("folder", "told"),
        [
            ("nowhere", "--dataset nowhere: no such folder"),
            (
                "empty",
                "--dataset empty: contains no dataset that an adapter knows (tau2-bench: a checkout of the official",
            ),
        ],
    )
    def test_a_folder_without_a_dataset_is_a_usage_error(
        self, gym: Gym, tmp_path: Path, folder: str, told: str
    ) -> None:
        (tmp_path / "empty").mkdir()
        assert refused(gym("run", "mock", "--dataset", folder), 2).startswith(told)

    def test_damage_is_reported_with_file_and_line(self, gym: Gym, tmp_path: Path) -> None:
        home = tmp_path / "data" / "tau2" / "domains" / "mock"
        home.mkdir(parents=True)
        run = ["run", "mock", "--dataset", tmp_path]
        assert refused(gym(*run), 2).startswith(f"{home / 'tasks.json'} does not exist, so mock has no tasks to play")
        (home / "tasks.json").write_text('[\n{"id": "a"},\n]')
        assert refused(gym(*run), 2).startswith(f"{home / 'tasks.json'}:3: not JSON: ")
        task = {"id": "a", "user_scenario": {"instructions": "Hello."}, "evaluation_criteria": {"actions": []}}
        (home / "tasks.json").write_text(json.dumps([task]))
        (home / "db.json").write_text('{\n"tasks": {},\n"users": [}')
        assert refused(gym(*run), 1).startswith(f"mock: {home / 'db.json'}:3: not JSON: ")
        (home / "db.json").write_text('{"tasks": {}, "users": {}}')
        assert gym(*run).returncode == 0
        assert refused(gym("run", "airline", *run[2:]), 2).startswith(
            f"the dataset {tmp_path} has no domain 'airline' ("
        )
