"""A pack with one tool, one table and one task. It works from its folder and when installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Gym = Callable[..., CompletedProcess[str]]

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "our-library"
version = "0.3"
dependencies = ["tau2-core"]

[project.entry-points.tau2_core]
library = "our_library.plugin"

[tool.hatch.build.targets.wheel]
packages = ["src/our_library"]
""",
    "src/our_library/__init__.py": '"""A library."""\n',
    "src/our_library/plugin.py": """
from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    return [Domain(name="library", package=__package__)]
""",
    "src/our_library/domain.yaml": """
name: library
description: A library's desk.
clock: 2025-03-01T09:00:00
databases: {agent: {model: models:LibraryDB, data: data/db.yaml}}
tools: {agent: tools.yaml}
prompts: {policy: prompts/policy.md.j2}
variants: {curt: {prompts: {policy: prompts/curt.md.j2}}}
tasks: {files: data/tasks.yaml, splits: data/splits.yaml}
""",
    "src/our_library/models.py": """
from tau2_core import Database, Record


class Book(Record):
    title: str
    lent_to: str | None = None
    until: str | None = None


class LibraryDB(Database):
    books: dict[str, Book]
""",
    "src/our_library/handlers/__init__.py": "",
    "src/our_library/handlers/books.py": """
from datetime import timedelta

from tau2_core import Context, ToolError

from our_library.models import Book, LibraryDB


def lend_book(db: LibraryDB, book_id: str, reader: str, context: Context, days: int = 14) -> Book:
    book = db.books.get(book_id)
    if book is None or book.lent_to is not None:
        raise ToolError(f"{book_id} cannot be lent")
    book.lent_to = reader
    book.until = (context.now + timedelta(days=days)).date().isoformat()
    return book
""",
    "src/our_library/tools.yaml": """
lend_book:
  description: Lend a book. It must be in.
  kind: write
  handler: books:lend_book
  parameters:
    book_id: {type: string, description: "The book's id."}
    reader: {type: string, description: Who takes it.}
    days: {type: integer, minimum: 1, optional: true, description: "For how long; 14 days if not given."}
""",
    "src/our_library/prompts/policy.md.j2": "Lend what is in. It is {{ now.date() }}. {{ tools | length }} tool.\n",
    "src/our_library/prompts/curt.md.j2": "Lend.\n",
    "src/our_library/data/db.yaml": "books: {b1: {title: Emma}, b2: {title: Ulysses, lent_to: Ann}}\n",
    "src/our_library/data/splits.yaml": "train: [lend_emma]\n",
    "src/our_library/data/tasks.yaml": """
- id: lend_emma
  outcome: done
  user_scenario: {instructions: "You are Bea. You want to read Emma, for a week."}
  evaluation_criteria:
    actions: [{name: lend_book, arguments: {book_id: b1, reader: Bea, days: 7}}]
    communicate_info: ["2025-03-08"]
""",
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def works(gym: Gym, tmp_path: Path, origin: str, *options: object, paths: Sequence[Path] = ()) -> None:
    """Play, check, describe and list the domain; its origin must be shown."""
    done = gym("run", "library", "--name", "r", "--json", *options, paths=paths)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["solved_tasks"] == ["lend_emma"]
    record = json.loads((tmp_path / "runs" / "r" / "episodes.jsonl").read_text())
    results = [message["content"] for message in record["messages"] if message["role"] == "tool"]
    assert results == ['{"title": "Emma", "lent_to": "Bea", "until": "2025-03-08"}']

    done = gym("check", "library", *options, paths=paths)
    assert (done.returncode, done.stdout) == (0, "library: clean (1 tools, 1 tasks, 1 played)\n")

    done = gym("describe", "library", "lend_book", "--json", *options, paths=paths)
    (tool,) = json.loads(done.stdout)
    assert (tool["name"], tool["role"], tool["kind"]) == ("lend_book", "agent", "write")
    assert tool["parameters"]["required"] == ["book_id", "reader"]

    rows = {row["name"]: row for row in json.loads(gym("domains", "--json", *options, paths=paths).stdout)}
    assert {"airline", "mock", "library"} <= rows.keys()
    library = rows["library"]
    assert (library["from"], library["tools"], library["tasks"]) == (origin, {"agent": 1}, 1)
    assert (library["splits"], library["variants"]) == ({"train": 1, "base": 1}, ["curt"])

    plugins = {row["name"]: row for row in json.loads(gym("plugins", "--json", *options, paths=paths).stdout)}
    assert {key: plugins["library"][key] for key in ("from", "status", "provides")} == {
        "from": origin,
        "status": "ok",
        "provides": ["domain:library"],
    }


def test_a_pack_works_from_its_folder(gym: Gym, pack: Path, tmp_path: Path) -> None:
    works(gym, tmp_path, str(pack / "src" / "our_library"), "--pack", pack)


COUNTING = """
import sys
from pathlib import Path
opened = []
def note(event, arguments):
    if event == "open" and Path(str(arguments[0])).name == "domain.yaml":
        opened.append(arguments[0])
sys.addaudithook(note)
from tau2_core.cli.app import main
try:
    main()
finally:
    print("opened:", len(opened), file=sys.stderr)
"""


@pytest.mark.parametrize("command", [("check",), ("run", "library", "--name", "r")])
def test_the_manifest_of_a_folder_is_read_once(pack: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    words = [sys.executable, "-c", COUNTING, *command, "--pack", str(pack)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "opened: 1"


def test_a_pack_works_when_installed_by_pip(gym: Gym, pack: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *offline, str(pack)], check=True, capture_output=True)
    works(gym, tmp_path, "our-library 0.3", paths=[target])


def test_a_variant_has_other_prompts_over_the_same_world(gym: Gym, pack: Path, tmp_path: Path) -> None:
    configs = []
    for name, options in {"plain": [], "curt": ["--variant", "curt"]}.items():
        assert gym("run", "library", "--pack", pack, "--name", name, *options).returncode == 0
        configs.append(json.loads((tmp_path / "runs" / name / "run.json").read_text()))
    plain, curt = configs
    assert (plain["variant"], curt["variant"]) == ("", "curt")
    assert {key for key, value in plain["digests"].items() if curt["digests"][key] != value} == {"policy"}


def test_an_unknown_variant_is_a_usage_error(gym: Gym, pack: Path) -> None:
    done = gym("run", "library", "--pack", pack, "--variant", "crut")
    assert (done.returncode, done.stderr) == (2, "error: library has no variant 'crut' (did you mean 'curt'?)\n")


def test_the_folder_of_the_package_is_accepted(gym: Gym, pack: Path) -> None:
    done = gym("run", "library", "--pack", pack / "src" / "our_library", "--json")
    assert json.loads(done.stdout)["mean_reward"] == 1.0


@pytest.mark.parametrize("named", ["library/data", "nowhere"])
def test_a_folder_without_a_pack_is_a_usage_error(gym: Gym, pack: Path, named: str) -> None:
    done = gym("run", "library", "--pack", named)
    told = f"--pack {named}: there is no domain.yaml in it or in src/<package>/; name the folder of a pack"
    assert (done.returncode, done.stderr) == (2, f"error: {told}\n")


def test_a_package_with_the_name_of_a_loaded_module_is_refused(gym: Gym, pack: Path) -> None:
    json_folder = (pack / "src" / "our_library").rename(pack / "src" / "json")
    done = gym("run", "library", "--pack", pack)
    told = f"--pack {json_folder}: another module named 'json' is already loaded; rename the folder"
    assert (done.returncode, done.stderr) == (2, f"error: {told}\n")


def test_describe_is_readable(gym: Gym, pack: Path) -> None:
    done = gym("describe", "library", "--pack", pack)
    assert done.returncode == 0
    assert "library: A library's desk." in done.stdout
    assert "book_id, reader, [days]" in done.stdout
    one = gym("describe", "library", "lend_book", "--pack", pack)
    package = pack / "src" / "our_library"
    assert f"declared {package / 'tools.yaml'}:2 · handler {package / 'handlers' / 'books.py'}:9" in one.stdout
    unknown = gym("describe", "library", "lend_books", "--pack", pack)
    assert unknown.stderr == "error: library has no tool 'lend_books' (did you mean 'lend_book'?)\n"
    assert unknown.returncode == 2
