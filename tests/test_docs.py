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
from pathlib import Path
from typing import Any

import pytest
from tau2_core import hookspecs

from tests.documents import CODE, DOCUMENTS, READMES, ROOT, Command, blocks, commands, commands_of, name_of, write_files
from tests.forked import Forks

# Commands that install things, run everything including this test, need a key, or run until they are stopped.
NOT_RUN = {
    "python examples/learning/learn.py curve.svg",
    ".venv/bin/python -m pytest tests/llm --durations=25",
    ".venv/bin/python -m pytest tests/test_world.py",
    ".venv/bin/python -m pytest tests/test_docs_complete.py -k glossary",
    "pip install cosmic-ray",
    "cosmic-ray init mutants.toml mutants.sqlite",
    "cosmic-ray exec mutants.toml mutants.sqlite",
    "cr-report mutants.sqlite --show-diff --surviving-only",
    "tau2-gym run airline --agent-model endpoint/my-model "
    '--agent-args \'{"api_base": "http://127.0.0.1:8000/v1"}\' --token-traces --name traced',
    "tau2-gym export runs/traced rows.parquet --to tokens",
    "tau2-gym run airline --agent http:http://127.0.0.1:9000/v1 --user-model openai/gpt-4.1",
    "tau2-gym calibrate-judge --judge-model openai/gpt-4.1 --judge-args '{\"temperature\": 0}' --out gpt-4.1.json",
    "tau2-gym run airline --agent-model openai/gpt-4.1 --judge-model openai/gpt-4.1 "
    "--judge-args '{\"temperature\": 0}' --judge-calibration gpt-4.1.json --name r",
    "tau2-gym grade runs/r --judge-calibration gpt-4.1.json",
    "tau2-gym report runs/r --judge-calibration other.json",
    "tau2-gym report runs/r --min-judge-accuracy 0.95 --max-customer-faults 0.05",
    "tau2-gym run desk --pack desk --variant meaning",
    "tau2-gym run desk --pack desk --variant meaning --variant-option model=openai/bge-m3 \\",
    "pip install tau2-sandbox-bubblewrap && apt-get install bubblewrap",
    "tau2-gym run desk --pack desk --variant commands",
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
    "tau2-gym annotate runs/first --annotator ada",
    "tau2-gym calibrate-judge --judge-model openai/gpt-4.1 --set set.jsonl",
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
    "pip install tau2-gym-opentelemetry",
    "phoenix serve",
    "tau2-gym export runs/mine --to otlp --endpoint http://127.0.0.1:6006 --option content=true",
    "tau2-gym export runs/mine --to otlp --endpoint http://127.0.0.1:4318",
    "TAU2_GYM_TRACES=otlp OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:6006 "
    "tau2-gym run airline --agent-model openai/gpt-4.1 --user-model openai/gpt-4.1",
    "ray start --head --port 6379",
    "tau2-gym run airline --agent-model openai/gpt-4.1 --user-model openai/gpt-4.1 --trials 3 --persona none "
    "--persona terse --persona suspicious --name manners",
    "tau2-gym report runs/manners",
    "tau2-gym run retail --agent-model openai/gpt-4.1 --user-model openai/gpt-4.1 --user-prompt planned --user-check "
    "--name checked",
    "tau2-gym show runs/checked",
    "ray start --address FIRST:6379",
    "tau2-gym run airline --agent-model MODEL --user-model MODEL --executor ray --executor-option address=auto",
}
# Parts of the repository that commands read, by path.
READ = ("examples/cassettes",)
# What the reader of a document has installed, by path.
INSTALLED = {"docs/how-to/tau2-bench-domains.md": "tests/tau2_python/domains"}
# Figures that differ between runs: milliseconds at the end of a row, a run's seconds and rate, its default name.
VOLATILE = re.compile(r"\d+\.\d$|\d+\.\d\d s \(\d+ episodes/s\)|\d{8}-\d{6}-\d{6}", re.MULTILINE)
ANYTHING = "..."
FOR_THE_SHELL = re.compile(r"[|&;<>$`*?~\\]")
OURS_ALONE = re.compile(r"tau2-gym |(python -m )?pytest |python [\w/]+\.py")


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
    if name_of(document) in INSTALLED:
        paths.append(str(ROOT / INSTALLED[name_of(document)]))
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
