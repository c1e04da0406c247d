"""The documentation site builds without a warning, fetches nothing from elsewhere, and can be searched."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
FETCHED = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:)?//|<link[^>]* href=\"?(https?:)?//(?!127)")


@pytest.fixture(scope="module")
def site(python_with: Callable[..., Path]) -> Path:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    python = python_with("site", "-c", str(ROOT / "constraints.txt"), "-e", str(ROOT / "core"), *extras["docs"])
    subprocess.run([python, "-m", "scripts.docs_pages"], cwd=ROOT, check=True)
    build: list[str | Path] = [python.with_name("zensical"), "build", "--strict", "--clean"]
    subprocess.run(build, cwd=ROOT, check=True)
    return SITE


def test_every_page_is_built(site: Path) -> None:
    navigation = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    for page in re.findall(r"([\w/-]+)\.md", str(navigation)):
        name = page.removesuffix("index")
        assert (site / name / "index.html").exists(), page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    assert [page.name for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))] == []


def test_what_is_generated_can_be_searched(site: Path) -> None:
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    text = json.dumps(index)
    for word in ("open_episode", "tau2-gym compare", "tau2_evaluators", "always-refuse", "T2G001"):
        assert word in text, word
