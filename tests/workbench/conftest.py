"""A folder of runs that the tests create, the workbench over it, and one browser for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tau2_core import evaluate
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint, say

from tests.forked import FORKS, Forks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MOCK = Path(__file__).parents[2] / "domains" / "mock" / "src" / "tau2_domain_mock"
PRICES = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
AXE = Path(__file__).parent / "axe" / "axe.min.js"


@pytest.fixture(scope="session", autouse=True)
def _forks_are_closed(forks: Forks) -> None:
    """Close what `serving` opens after all tests."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of mock: two pairs that can be compared, of which one fails, and one with another evaluator set.

    Models behind the scripted endpoint play one pair, with a judge; the second, careless model makes no call.
    """
    folder = tmp_path_factory.mktemp("workbench") / "runs"
    evaluate("mock", agent="oracle", split="test", trials=2, name="oracle", out=folder)
    evaluate("mock", agent="random", split="test", trials=2, name="random", out=folder)
    evaluate("mock", agent="random", evaluators="strict", name="strict", out=folder / "more")
    pack = judged_pack(folder.parent / "workbench_mock")
    gold = GoldScript.of(load_setting(open_catalogue([pack]), "mock"))
    with ScriptedEndpoint(lambda asked: careless(gold, asked), latency=0.002) as endpoint:

        def model(name: str) -> dict[str, Any]:
            return {"model": f"endpoint/{name}", "args": {"api_base": endpoint.url, **PRICES}}

        for name in ("careful", "careless"):
            agent, user, judge = model(name), model("customer"), model("judge")
            evaluate("mock", agent=agent, user=user, judge=judge, packs=[pack], split="test", name=name, out=folder)
    return folder


def careless(gold: GoldScript, asked: Asked) -> Reply:
    reply = gold(asked)
    return say("That is done.") if asked.model == "careless" and "tool_calls" in reply.message else reply


def judged_pack(folder: Path) -> Path:
    """Copy the mock pack, with a judge's statement in most rewards, as a package with its own name."""
    shutil.copytree(MOCK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, folder.name))
    manifest = folder / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("[DB, COMMUNICATE]", "[DB, COMMUNICATE, NL_ASSERTION]"))
    return folder


@contextmanager
def serving(*arguments: object) -> Iterator[str]:
    """Start a command of the workbench and yield its address; it must end without an error on Ctrl-C."""
    command = [*map(str, arguments), "--no-open", "--port", "0"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        server = FORKS.start(command, cwd=Path.cwd(), env=os.environ, stdout=subprocess.PIPE, stderr=log)
        assert server.stdout is not None
        with server.stdout:
            line = server.stdout.readline()
            try:
                if line.startswith("the workbench is at http://"):
                    yield line.split()[4].rstrip(";")
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(20)
                log.seek(0)
                errors = log.read()
    assert line.startswith("the workbench is at http://"), line + errors
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="session")
def server(runs: Path) -> Iterator[str]:
    """The address of the workbench over the runs."""
    with serving("view", runs) as address:
        yield address


def chromium() -> str:
    """The system's Chromium; without one the test is skipped, or fails where a browser is required."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return found
    advice = "no Chromium is there: install Debian's `chromium`, or set CHROMIUM to one"
    if os.environ.get("TAU2_GYM_BROWSER_TESTS") == "required":
        pytest.fail(advice)
    pytest.skip(advice)


@pytest.fixture(scope="module")
def browser(runs: Path) -> Iterator[Any]:
    """One browser for the tests of a file.

    Meanwhile an event loop runs in this thread, so the runs are played before, and other files' tests are not affected.
    """
    executable = chromium()
    if os.environ.get("TAU2_GYM_BROWSER_TESTS") != "required":
        pytest.importorskip("playwright.sync_api", reason="pip install playwright, which drives the browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages in separate windows; at the end none may have logged an error, or requested anything from another
    server."""
    contexts: list[Any] = []
    complaints: list[str] = []
    asked: list[str] = []

    def open_window(
        address: str, *, width: int = 1400, scheme: str = "light", script: bool = True, refused: bool = False
    ) -> Any:
        def noted(said: Any) -> bool:  # the browser itself reports that it was refused the page
            return not (refused and said.text.startswith("Failed to load resource") and said.location["url"] == address)

        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}") if noted(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        own = address.split("/", 3)[2] if address.startswith("http") else ""
        page.goto(address)
        page.own = own
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert complaints == []
    allowed = ("http://127.0.0.1:", "file://")
    assert [url for url in asked if not url.startswith(allowed)] == []


def follow(page: Any, locator: Any) -> None:
    """Click a link or a button that leads to another page, and wait until that page is loaded.

    A click alone may return before a form is sent; what is looked for next would be found in the old page.
    """
    with page.expect_navigation():
        locator.click()


def assert_accessible(page: Any) -> None:
    """Check a page with axe-core: names, roles, contrast. The page must not be wider than the window either."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: Sequence[Any] = page.evaluate("axe.run({preload: false}).then(found => found.violations)")
    shown = [f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}" for each in found]
    assert shown == [], page.url
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{page.url} is {wider} pixels wider than the window"
