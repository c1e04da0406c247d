"""The documentation site builds without a warning, fetches nothing from elsewhere, and can be searched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
FETCHED = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:)?//|<link[^>]* href=\"?(https?:)?//(?!127)")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(python_with: Callable[..., Path]) -> Path:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    python = python_with("site", "-c", str(ROOT / "constraints.txt"), *extras["docs"])
    subprocess.run([sys.executable, "-m", "scripts.docs_pages"], cwd=ROOT, check=True)
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


def test_a_reader_finds_a_word_and_nothing_else_is_asked(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    asked: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address, wait_until="networkidle")  # its script then knows the key
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill("collateral")
        page.locator("a[href*='h=collateral']").first.wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url("**/explanation/grading/**")
        browser.close()
    server.shutdown()
    server.server_close()
    assert [url for url in asked if not url.startswith(address)] == []
