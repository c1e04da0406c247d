"""Mistakes in a pack with a knowledge base: each is named with its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tau2_core import PackError, load_domain, open_episode

from tests.bakery import in_process
from tests.knowledge_desk import DOCUMENTS, MANIFEST, RESET, SEARCH, change, knowledge_desk

TOOLS = "tools/agent.yaml"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return knowledge_desk(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (DOCUMENTS, "- id: visitors\n", "- name: visitors\n", "data/documents.yaml:8: id: Field required"),
        (DOCUMENTS, "id: visitors", "id: printers_paper", "documents.yaml:8: document 'printers_paper' exists already"),
        (DOCUMENTS, "id: visitors", "id: printers_paper", "data/documents.yaml:5 (give one of them another id)"),
        (DOCUMENTS, "title: Visitors", "title: 5", "documents.yaml:9: title: Input should be a valid string"),
        (
            DOCUMENTS,
            "unlock reset_printer_17",
            "unlock it",
            f"agent.yaml:22: no document names the hidden tool {RESET!r}",
        ),
        (DOCUMENTS, "unlock reset_printer_17", "unlock it", "(name it in a document, or remove it)"),
        (DOCUMENTS, "title: Visitors\n", "title: Visitors\n  owner: me\n", "owner: Extra inputs are not permitted"),
        (
            MANIFEST,
            "documents: data/documents.yaml",
            "documents: data/*.md",
            "domain.yaml:7: no file matches data/*.md, so the",
        ),
        (MANIFEST, "default_variant: search", "default_variant: serch", "no variant 'serch' (did you mean 'search'?)"),
        (MANIFEST, "options: {top_k: 3}", "options: {most: 3}", "the variant has no option 'top_k' (available: most)"),
        (MANIFEST, "knowledge: {documents: data/documents.yaml}\n", "", "desk/domain.yaml names no documents"),
        (SEARCH, "retriever: bm25", "retriever: bm52", "there is no retriever 'bm52' (did you mean 'bm25'?)"),
        (SEARCH, "{top_k: $top_k}", "{depth: 2}", "retriever 'bm25' has no option 'depth' (available: top_k)"),
        (SEARCH, "{top_k: $top_k}", "{top_k: few}", "should be a whole number from 1, not 'few'"),
        (SEARCH, "kind: read", "kind: write", "a tool with a `retriever` is of kind `read`"),
        (TOOLS, "  handler: unlocking:unlock\n", "", "name either a `handler` or a `retriever`"),
        ("data/tasks.yaml", "[printer hangs]", "[badge]", f"its searches find no document that names {RESET}"),
    ],
)
def test_a_mistake_is_named_with_its_file(desk: Path, file: str, old: str, new: str, said: str) -> None:
    if said.startswith("its searches"):
        change(desk / MANIFEST, "top_k: 3", "top_k: 1")
    change(desk / file, old, new)
    done = in_process("check", "--pack", desk)
    assert done.returncode == 1
    assert said.replace("desk/domain.yaml", "domain.yaml") in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Just words.", "a Markdown document begins with `---`"),
        ("---\ntitle: Badges\n---\nBadges.\n", "id: Field required"),
        ("---\nid: [\n---\nBadges.\n", "its front matter: "),
        ("---\nid: badges\ntitle: Badges\n---\n", "content: String should have at least 1 character"),
        (b"---\nid: \xff\n---\n", "cannot be read: "),
    ],
)
def test_markdown_needs_front_matter(desk: Path, text: str | bytes, said: str) -> None:
    change(desk / MANIFEST, "data/documents.yaml", "data/*.md")
    (desk / "data" / "badges.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PackError) as refused:
        load_domain(desk)
    assert "badges.md" in str(refused.value)
    assert said in str(refused.value)
    (desk / "data" / "badges.md").write_text("---\nid: b\ntitle: Badges\n---\n\n# Badges\n\nAt the door.\n")
    with open_episode(desk) as episode:
        found = episode.call("search", query="zebra").content
    assert found == "1. Badges\n   ID: b\n   Score: 0.0000\n   Content: # Badges\n\nAt the door.\n"


@pytest.mark.parametrize("content", ["", "[]", "# none yet\n"])
def test_an_empty_file_of_documents_is_refused(desk: Path, content: str) -> None:
    (desk / DOCUMENTS).write_text(content, encoding="utf-8")
    for command in ("check", "run"):
        done = in_process(command, *(["desk"] if command == "run" else []), "--pack", desk)
        assert done.returncode in (1, 2)
        assert "data/documents.yaml:1: contains no document (add one, or remove it; " in done.stdout + done.stderr


def test_documents_with_one_id_in_two_files_are_both_named(desk: Path) -> None:
    change(desk / MANIFEST, "data/documents.yaml", "data/doc*.*")
    (desk / "data" / "doc.md").write_text("---\nid: visitors\ntitle: Badges\n---\nAt the door.\n")
    done = in_process("check", "--pack", desk)
    said = f"documents.yaml:8: document 'visitors' exists already: {desk / 'data' / 'doc.md'}:1 (give one of them"
    assert (done.returncode, said in done.stdout) == (1, True)
