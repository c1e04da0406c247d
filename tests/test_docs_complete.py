"""The documents are complete: every hook, command, page, public name and decision is in its place."""

from __future__ import annotations

import re
import tomllib
from xml.etree import ElementTree

import tau2_core
import tau2_gym_eval_protocol
from tau2_core import hookspecs, testing
from tau2_core.cli.app import OWN_COMMANDS

from scripts import docs_pages
from tests.documents import DOCUMENTS, ROOT, blocks, commands


def test_every_hook_has_its_section_and_is_in_the_example() -> None:
    document = ROOT / "docs" / "reference" / "hooks.md"
    hooks = {name for name in vars(hookspecs) if name.startswith("tau2_")}
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"^## `(tau2_\w+)`$", text, re.MULTILINE)) == hooks
    code = "\n".join(block.text for block in blocks(document) if block.language == "python")
    assert set(re.findall(r"@hookimpl\n(?:async )?def (tau2_\w+)\(", code)) == hooks


def test_the_documents_show_every_command() -> None:
    lines = [command.line.split() for document in DOCUMENTS for command in commands(document)]
    assert set(OWN_COMMANDS) <= {words[1] for words in lines if words[0] == "tau2-gym"}


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
