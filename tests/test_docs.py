"""The documents hold: commands print what they show, code blocks are files of packs that work, links lead somewhere.

In a ```console block a line that starts with `$ ` is a command, and the lines below it are what it prints. The first
word after `console` says what is special: `no-test` is not run, `exit=1` ends with that code. A block of code begins
with a comment that names its file; blocks of one file follow one another in it. They are written before the first
command runs, unless the fence says `later` (added to the file at this place of the document) or `replace` (the file is
written anew at this place).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import tau2_core
import tau2_gym_eval_protocol
from tau2_core import hookspecs, testing
from tau2_core.cli.app import app

from scripts import docs_pages
from tests.forked import Forks

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
READMES = sorted(
    [*ROOT.glob("core/README.md"), *ROOT.glob("domains/*/README.md"), *ROOT.glob("integrations/*/README.md")]
)

# Commands that install things, run everything including this test, need a key, or run until they are stopped.
NOT_RUN = {
    "python examples/learning/learn.py curve.svg",
    ".venv/bin/python -m pytest tests/test_world.py",
    ".venv/bin/python -m pytest tests/test_docs.py -k glossary",
    "pip install cosmic-ray",
    "cosmic-ray init mutants.toml mutants.sqlite",
    "cosmic-ray exec mutants.toml mutants.sqlite",
    "cr-report mutants.sqlite --show-diff --surviving-only",
    "tau2-gym run airline --agent-model endpoint/my-model "
    '--agent-args \'{"api_base": "http://127.0.0.1:8000/v1"}\' --token-traces --name traced',
    "tau2-gym export runs/traced rows.parquet --to tokens",
    "tau2-gym run airline --agent http:http://127.0.0.1:9000/v1 --user-model openai/gpt-4.1",
    "make run",
    "tau2-gym run airline --agent-model openai/gpt-4.1 --user-model openai/gpt-4.1 --record exchanges.jsonl",
    "export TAU2_GYM_TOKEN=...",
    "tau2-gym serve airline --host 0.0.0.0 --split test --trials 4 --agent-name my-agent --name monday",
    "export OPENAI_API_KEY=...",
    "tau2-gym run airline --trials 4 --agent-model openai/gpt-4.1 --user-model openai/gpt-4.1 --max-cost 20",
    "tau2-gym serve airline --split test --trials 4 --agent-name my-agent --name monday",
    "pip install build",
    "python -m build bakery",
    "pip install bakery/dist/*.whl",
    "tau2-gym check bakery",
    "tau2-gym export airline examples/airline.jsonl --to eval-protocol --split test",
    "pytest examples/test_airline_agent.py",
    'EP_COMPLETION_PARAMS=\'{"agent": "silent"}\' pytest examples/test_airline_agent.py',
    "tau2-gym serve airline --max-episodes 10000",
    "tau2-gym serve retail --workers 16",
    "tau2-gym serve airline retail --workers 16",
    'tau2-gym serve retail --workers 16 --host 10.0.0.1 --token "$TOKEN" --public-url http://gym.example.org/one',
    'tau2-gym serve retail --workers 16 --host 10.0.0.2 --token "$TOKEN" --public-url http://gym.example.org/two',
    "pip install ./hotel",
    "tau2-gym view",
    "tau2-gym dev bike_shop",
    "tau2-gym view runs --host 0.0.0.0 --token SECRET",
    "tau2-gym serve airline",
    'curl -s -X POST http://127.0.0.1:8700/v1/slots -H "Authorization: Bearer TOKEN"',
    "pip install ./bookcase",
    "tau2-gym grade runs/first --pack library --judge-model openai/gpt-4.1",
    "python -m build --wheel bakery",
    "python -m venv elsewhere",
    "elsewhere/bin/pip install bakery/dist/*.whl",
    "elsewhere/bin/tau2-gym run bakery",
    "pip install tau2-gym",
    "pip install tau2-gym-verifiers tau2-domain-airline uv",
    "vf-eval tau2-gym-verifiers --env.taskset.domain airline --env.taskset.split test -n 5 -r 4 -m MODEL",
    "pip install 'tau2-core[openenv]'",
    "ray start --head --port 6379",
    "ray start --address FIRST:6379",
    "tau2-gym run airline --agent-model MODEL --user-model MODEL --executor ray --executor-option address=auto",
}
# Names in the documents for data outside the repository, and where they are if available.
OUTSIDE = {
    "../tau2-bench": ROOT.parent / "shared" / "tau2-bench",
    "../recorded-calls": ROOT.parent / "shared" / "conformance" / "calls",
}
# Parts of the repository that commands read, by path.
READ = ("examples/cassettes",)
# Documents that continue with the files of another one: (document, its folder).
GOES_ON_WITH = {
    "docs/reference/hooks.md": ("docs/tutorial/a-pack-by-hand.md", "bookcase/src/bookcase"),
    "docs/reference/runs.md": ("docs/tutorial/a-pack-by-hand.md", "."),
    "docs/explanation/grading.md": ("docs/tutorial/a-pack-by-hand.md", "."),
}

CODE = {"python", "yaml", "toml", "jinja"}
FILE_COMMENT = re.compile(r"(?:#|\{#) (?P<file>[\w./-]+\.\w+)(?: #\})?$")
# Figures that differ between runs: milliseconds at the end of a row, a run's seconds and rate, its default name.
VOLATILE = re.compile(r"\d+\.\d$|\d+\.\d\d s \(\d+ episodes/s\)|\d{8}-\d{6}-\d{6}", re.MULTILINE)
ANYTHING = "..."
FOR_THE_SHELL = re.compile(r"[|&;<>$`*?~\\]")
OURS_ALONE = re.compile(r"tau2-gym |(python -m )?pytest |python [\w/]+\.py")


@dataclass(frozen=True)
class Block:
    """One fenced block: its info words, the line of its fence, and its content."""

    document: Path
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    @property
    def file(self) -> str | None:
        match = FILE_COMMENT.match(self.text.split("\n", 1)[0])
        return match["file"] if match else None

    @property
    def waits(self) -> bool:
        return "later" in self.info or "replace" in self.info

    def write(self, folder: Path) -> None:
        """Add the block to its file, or write the file anew."""
        file = folder / (self.file or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if "replace" in self.info else "a", encoding="utf-8") as target:
            target.write(self.text + "\n\n")

    def __str__(self) -> str:
        return f"{name_of(self.document)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a console block, its documented output, and how it should end."""

    block: Block
    line: str
    shown: str

    @property
    def is_run(self) -> bool:
        return "no-test" not in self.block.info

    @property
    def exit_code(self) -> int:
        return next((int(word.removeprefix("exit=")) for word in self.block.info if word.startswith("exit=")), 0)

    def is_possible(self, installed_domains: frozenset[str]) -> bool:
        """Tell whether the data and domains named in the command are available."""
        absent = {path.name for path in (ROOT / "domains").iterdir()} - installed_domains
        places = [place for name, place in OUTSIDE.items() if name in self.line]
        return all(place.exists() for place in places) and not absent & set(self.line.split())

    def outside(self) -> str:
        """Return the command with the real paths of data outside the repository."""
        line = self.line
        for name, place in OUTSIDE.items():
            line = line.replace(name, str(place))
        return line


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def blocks(document: Path) -> Iterator[Block]:
    lines = document.read_text(encoding="utf-8").split("\n")
    start: int | None = None
    for number, line in enumerate(lines):
        if line.startswith("```") and start is None:
            start = number
        elif line == "```" and start is not None:
            yield Block(document, start + 1, tuple(lines[start][3:].split()), "\n".join(lines[start + 1 : number]))
            start = None
    assert start is None, f"{name_of(document)}:{(start or 0) + 1}: the fence is never closed"


def commands(document: Path) -> Iterator[Command]:
    for block in blocks(document):
        if block.language == "console":
            yield from commands_of(block)


def commands_of(block: Block) -> Iterator[Command]:
    assert block.text.startswith("$ "), f"{block}: a console block begins with a command"
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        yield Command(block, line, shown.strip("\n"))


def write_files(document: Path, folder: Path) -> None:
    """Write the files of a document's blocks, after those of the document that it continues."""
    if name_of(document) in GOES_ON_WITH:
        other, below = GOES_ON_WITH[name_of(document)]
        write_files(ROOT / other, folder / below)
    for block in blocks(document):
        if block.language in CODE and block.file and not block.waits:
            block.write(folder)


def install(folder: Path) -> list[str]:
    """Make every package below a folder importable, with its entry points, as an installer does; return the paths."""
    paths = []
    for pyproject in sorted(folder.rglob("pyproject.toml")):
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        home = pyproject.parent / "src"
        about = home / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        about.mkdir()
        about.joinpath("METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
        points = [f"{name} = {target}" for name, target in project["entry-points"][hookspecs.PROJECT].items()]
        about.joinpath("entry_points.txt").write_text("\n".join([f"[{hookspecs.PROJECT}]", *points]))
        paths.append(str(home))
    return paths


def environment(paths: list[str]) -> dict[str, str]:
    own = {"TAU2_GYM_DISABLE", "PYTHONPATH", "COLUMNS", "FORCE_COLOR"}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    search = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    own_plugins = "-p no:schemathesis"  # it takes a second to import, and only our own tests use it
    own_plugins += " -W ignore::pytest.PytestAssertRewriteWarning"  # a fork has already imported ours
    added = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": own_plugins}
    return kept | {"PATH": search, **added}


def settled(output: str) -> str:
    """Return an output without the figures that differ between runs, with all whitespace as single spaces."""
    return " ".join(VOLATILE.sub("#", output).split())


def shows(output: str, shown: str) -> bool:
    """Tell whether a document's excerpt occurs in an output; `...` in it stands for anything."""
    place, text = 0, settled(output)
    for piece in settled(shown).split(ANYTHING):
        found = text.find(piece.strip(), place)
        if found < 0:
            return False
        place = found + len(piece.strip())
    return True


def run(command: Command, folder: Path, paths: list[str], forks: Forks) -> None:
    """Run a command as a shell does. Only our commands, pytest and scripts without shell syntax are run as forks."""
    line = command.outside()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        if OURS_ALONE.match(line) and not FOR_THE_SHELL.search(line):
            name, *arguments = shlex.split(line)
            script = None
            if name == "python" and arguments[0] == "-m":
                name, paths, arguments = "pytest", [str(folder), *paths], arguments[2:]
            elif name == "python":
                script = folder / arguments.pop(0)
                paths = [str(script.parent), *paths]
            program = "pytest" if name == "pytest" else "tau2_core"
            env = environment(paths)
            process = forks.start(
                arguments, cwd=folder, env=env, stdout=file, stderr=file, program=program, script=script
            )
            code = process.wait(300)
        else:
            told: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, "timeout": 300}
            code = subprocess.run(line, shell=True, cwd=folder, env=environment(paths), **told).returncode
        file.seek(0)
        output = file.read()
    where = f"{command.block}: $ {command.line}\n{output}"
    assert code == command.exit_code, where
    assert shows(output, command.shown), where


def assert_like(sample: Any, real: Any, where: str) -> None:
    """Compare a sample of JSON with a real value: `"..."` stands for anything, as a list's last entry for the rest."""
    if sample == ANYTHING:
        return
    if isinstance(sample, dict) and isinstance(real, dict):
        assert sample.keys() == real.keys(), where
        for key, value in sample.items():
            assert_like(value, real[key], f"{where}.{key}")
    elif isinstance(sample, list) and isinstance(real, list):
        if sample[-1:] == [ANYTHING]:
            sample, real = sample[:-1], real[: len(sample) - 1]
        assert len(sample) == len(real), where
        for index, (ours, theirs) in enumerate(zip(sample, real, strict=True)):
            assert_like(ours, theirs, f"{where}[{index}]")
    else:
        assert sample == real, where


def first_value(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return json.loads(text.split("\n", 1)[0] if file.suffix == ".jsonl" else text)


@pytest.mark.parametrize("document", [*DOCUMENTS, *READMES], ids=name_of)
def test_commands_print_what_the_document_shows(
    document: Path, tmp_path: Path, installed_domains: frozenset[str], forks: Forks
) -> None:
    wanted = [command for command in commands(document) if command.is_run]
    if not wanted:
        return
    write_files(document, tmp_path)
    for place in READ:
        tmp_path.joinpath(place).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(place).symlink_to(ROOT / place)
    paths = install(tmp_path)
    skipped = []
    for block in blocks(document):
        if block.waits:
            block.write(tmp_path)
        for command in commands_of(block) if block.language == "console" else ():
            if command.is_run and command.is_possible(installed_domains):
                run(command, tmp_path, paths, forks)
            elif command.is_run:
                skipped.append(command.line)
    for block in blocks(document):
        if block.language == "json":
            assert_like(json.loads(block.text), first_value(tmp_path / block.info[1]), f"{block}: {block.info[1]}")
    if len(skipped) == len(wanted):
        pytest.skip(f"needs data that is not here: {skipped}")


def test_only_listed_commands_are_not_run() -> None:
    assert {command.line for document in DOCUMENTS for command in commands(document) if not command.is_run} == NOT_RUN


@pytest.mark.parametrize("document", [*DOCUMENTS, *READMES], ids=name_of)
def test_every_block_is_used(document: Path) -> None:
    for block in blocks(document):
        if block.language in CODE:
            assert block.file, f"{block}: a comment in the first line should name the block's file"
            assert any(command.is_run for command in commands(document)), f"{block}: no command uses the file"
        elif block.language == "json":
            assert len(block.info) == 2, f"{block}: the fence should name the file that this is a sample of"
        else:
            assert block.language in {"", "console"}, f"{block}: {block.language} is not looked at by any test"


@pytest.mark.parametrize("document", [*DOCUMENTS, *READMES], ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"", text):
        link = next(filter(None, target))
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        place = document.parent / file if file else document
        assert place.exists(), f"{name_of(document)}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, link


@pytest.mark.parametrize("document", [*DOCUMENTS, *READMES], ids=name_of)
def test_documents_contain_no_paths_of_this_machine(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp|opt)/|\.\./shared", text)


def test_every_hook_has_its_section_and_is_in_the_example() -> None:
    document = ROOT / "docs" / "reference" / "hooks.md"
    hooks = {name for name in vars(hookspecs) if name.startswith("tau2_")}
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"^## `(tau2_\w+)`$", text, re.MULTILINE)) == hooks
    code = "\n".join(block.text for block in blocks(document) if block.language == "python")
    assert set(re.findall(r"@hookimpl\n(?:async )?def (tau2_\w+)\(", code)) == hooks


def test_the_documents_show_every_command() -> None:
    ours = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    lines = [command.line.split() for document in DOCUMENTS for command in commands(document)]
    assert ours <= {words[1] for words in lines if words[0] == "tau2-gym"}


def test_every_page_is_in_the_sites_navigation() -> None:
    """Decisions are listed by a generated page; every entry leads to a page."""
    navigation = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    shown = set(re.findall(r"[\w/-]+\.md", str(navigation)))
    written = {place for place in docs_pages.pages().values() if place.endswith(".md")}
    assert shown == {page for page in written if not page.startswith("decisions/")} | set(docs_pages.generated_names())


def test_every_page_links_to_pages_of_the_site() -> None:
    for source, place in docs_pages.pages().items():
        if source.endswith(".md"):
            assert "](../../" not in docs_pages.as_site_page(source, place), source


def test_every_public_name_is_in_the_glossary() -> None:
    glossary = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    assert {name for name in tau2_core.__all__ if name != "__version__" and f"`{name}`" not in glossary} == set()


def test_every_public_name_is_in_the_generated_reference() -> None:
    pages = "\n".join(docs_pages.python_api().values())
    names = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    hooks = {f"tau2_core.hookspecs.{name}" for name in vars(hookspecs) if name.startswith("tau2_")}
    public = {f"tau2_core.{name}" for name in tau2_core.__all__ if name != "__version__"}
    for package in (testing, tau2_gym_eval_protocol):
        public |= {f"{package.__name__}.{name}" for name in dir(package)}
    assert names == hooks | public


def test_every_decision_has_the_four_headings() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["What", "Why", "What else was considered", "Consequence"], page.name


def test_the_picture_shows_the_layers_of_the_contract() -> None:
    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(ROOT / "docs" / "architecture.svg").getroot()
    assert root.find(f"{svg}title") is not None
    drawn = [set((text.text or "").split(" · ")) for text in root.iter(f"{svg}text")]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = [contract for contract in tools["importlinter"]["contracts"] if contract["type"] == "layers"]
    layers = [set(layer.split(" : ")) for contract in contracts for layer in contract["layers"]]
    assert [names for names in drawn if names in layers] == layers
