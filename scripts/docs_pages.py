"""Assemble the pages of the documentation site in build/docs: `python -m scripts.docs_pages`, which `make docs` runs.

The pages are those of docs/, the project's own files (changelog, contributing, security, the packs' READMEs), and the
reference: commands from the command line's help, the Python API from docstrings, an index of the decisions. What is
generated is never committed, so it cannot be out of date.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import tau2_core
import tau2_gym_eval_protocol
from tau2_core import testing

from scripts.schema_page import schema_page

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "docs"
SCHEMAS = ROOT / "core" / "src" / "tau2_core" / "schemas"
# Files outside docs/ that are pages of the site, and their paths there.
PROJECT_FILES = {"CHANGELOG.md": "project/changelog.md", "CONTRIBUTING.md": "project/contributing.md"}
PROJECT_FILES["SECURITY.md"] = "project/security.md"
# Folders of docs/ that the site shows as a page.
FOLDER_PAGES = {"docs/decisions": "decisions/index.md", "docs/reference/schemas": "reference/schemas.md"}

# Pages of the Python API: the modules that define the names, a title, and what the page is for.
API_PAGES = {
    "evaluate": (
        ("api", "episode", "runs"),
        "Evaluate and step",
        "Play runs and single episodes, and read run folders.",
    ),
    "packs": (("state", "packs", "arithmetic"), "For packs", "What handlers and records of a pack use."),
    "plugins": (
        ("hookspecs", "model.registrations", "model.participants", "model.datasets", "model.exports", "model.llm"),
        "For plugins",
        "What hooks return and receive. [Hooks](../hooks.md) has an example of each.",
    ),
    "errors": (("errors",), "Errors", "Every error that tau2-gym raises on purpose is a `Tau2GymError`."),
    "records": (("model",), "Records", "Tasks, messages, records of episodes, and grades."),
}
# Words after a fence's language are for the tests of the docs.
FENCE = re.compile(r"^(```\w+)[^\n]*$", re.MULTILINE)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


class BrokenLinkError(Exception):
    """A page links to something that does not exist."""


def main() -> int:
    """Write all pages; return 1 if a link leads nowhere."""
    shutil.rmtree(SITE, ignore_errors=True)
    try:
        for source, place in sorted(pages().items()):
            target = SITE / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.endswith(".md"):
                target.write_text(as_site_page(source, place), encoding="utf-8")
            else:
                shutil.copy(ROOT / source, target)
    except BrokenLinkError as error:
        print(error, file=sys.stderr)
        return 1
    for place, text in generated().items():
        target = SITE / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return 0


def pages() -> dict[str, str]:
    """Return each file of the repository that is part of the site, with its path there."""
    documents = [file for file in (ROOT / "docs").rglob("*") if file.is_file()]
    found = {name_of(file): file.relative_to(ROOT / "docs").as_posix() for file in documents}
    found |= {name_of(file): f"reference/schemas/{file.name}" for file in SCHEMAS.iterdir()}
    found |= {name: place for name, place in PROJECT_FILES.items() if (ROOT / name).exists()}
    readmes = [file for kind in ("domains", "integrations") for file in ROOT.glob(f"{kind}/*/README.md")]
    return found | {name_of(file): f"{file.parents[1].name}/{file.parent.name}.md" for file in readmes}


def as_site_page(source: str, place: str) -> str:
    """Return a page rewritten for the site.

    Links to files of the repository become links to their pages; links to source files, which have none, become text.
    """
    known = pages()
    generated_pages = set(generated_names())

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, hash_sign, anchor = target.partition("#")
        file = Path(os.path.normpath(ROOT / Path(source).parent / path))
        name = os.path.relpath(file, ROOT)
        if name in known:
            relative = os.path.relpath(known[name], Path(place).parent)
            return f"{match['image']}[{match['text']}]({relative}{hash_sign}{anchor})"
        if os.path.relpath(file, ROOT / "docs") in generated_pages:
            return match[0]
        if name in FOLDER_PAGES:
            return f"[{match['text']}]({os.path.relpath(FOLDER_PAGES[name], Path(place).parent)})"
        if not file.exists():
            raise BrokenLinkError(f"{source}: {target} does not exist")
        return f"`{name}`" if match["text"] in {name, Path(name).name} else f"{match['text']} (`{name}`)"

    return FENCE.sub(r"\1", LINK.sub(link, (ROOT / source).read_text(encoding="utf-8")))


def generated() -> dict[str, str]:
    """Return the pages generated from the code, by their path in the site."""
    schemas = schema_page(SCHEMAS)
    own = {"reference/commands.md": commands(), "reference/schemas.md": schemas, "decisions/index.md": decisions()}
    return own | python_api()


def generated_names() -> list[str]:
    """Return the paths of generated pages, to which pages may link."""
    return [
        "reference/commands.md",
        "reference/schemas.md",
        "decisions/index.md",
        *(f"reference/api/{name}.md" for name in [*API_PAGES, "testing", "eval-protocol"]),
    ]


def commands() -> str:
    """Return the page of all commands, which typer generates from their help."""
    command = [sys.executable, "-m", "typer", "tau2_core.cli.app", "utils", "docs", "--name", "tau2-gym"]
    text = subprocess.run([*command, "--title", "Commands"], check=True, capture_output=True, encoding="utf-8").stdout
    return re.sub(r"^Examples?:\n((?:  .+\n)+)", lambda match: example(match[1]), text, flags=re.MULTILINE)


def example(lines: str) -> str:
    return "\n".join(["Example:", "", "```console", *(f"$ {line.strip()}" for line in lines.splitlines()), "```", ""])


def decisions() -> str:
    """Return the index of the decisions: their titles, in order."""
    lines = ["# Decisions", "", "Choices that we made, and why; one short page each.", ""]
    for file in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = file.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")
        lines.append(f"- [{file.name[:4]}]({file.name}) {title}")
    return "\n".join([*lines, ""])


def python_api() -> dict[str, str]:
    """Return the pages of the Python API: a directive for each public name, which mkdocstrings fills in."""
    homes = public_names(Path(tau2_core.__file__))
    found: dict[str, str] = {}
    for page, (_, title, purpose) in API_PAGES.items():
        names = [name for name, home in homes.items() if page_of(home) == page]
        found[f"reference/api/{page}.md"] = api_page(title, purpose, "tau2_core", names)
    found["reference/api/plugins.md"] += api_page("Hooks", "", "tau2_core.hookspecs", hooks()).replace(
        "# Hooks", "## Hooks"
    )
    purpose = "`tau2_core.testing`: for tests of packs in [pytest](../../how-to/pytest.md)."
    found["reference/api/testing.md"] = api_page("For tests", purpose, "tau2_core.testing", dir(testing))
    package = tau2_gym_eval_protocol
    purpose = f"`{package.__name__}`: evaluations in [pytest](../../how-to/pytest.md), with eval-protocol's interface."
    found["reference/api/eval-protocol.md"] = api_page("For evaluations", purpose, package.__name__, dir(package))
    return found


def page_of(home: str) -> str:
    """Return the page for the names of a module: that of the longest prefix."""
    prefixes = {prefix: page for page, (modules, _, _) in API_PAGES.items() for prefix in modules}
    fitting = [prefix for prefix in prefixes if home == prefix or home.startswith(f"{prefix}.")]
    return prefixes[max(fitting, key=len)] if fitting else "records"


def api_page(title: str, purpose: str, package: str, names: list[str]) -> str:
    return "\n\n".join([f"# {title}", purpose, *(f"::: {package}.{name}" for name in names)]) + "\n"


def public_names(package: Path) -> dict[str, str]:
    """Return the public names of a package that imports lazily, with the module that defines each."""
    module = ast.parse(package.read_text(encoding="utf-8"))
    (block,) = [node for node in module.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: (node.module or "").removeprefix("tau2_core.") for node in imports for alias in node.names}


def hooks() -> list[str]:
    from tau2_core import hookspecs

    return [name for name in vars(hookspecs) if name.startswith("tau2_")]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
