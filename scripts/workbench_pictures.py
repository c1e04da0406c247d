"""Make the README's screenshots of the workbench from a new run: `python scripts/workbench_pictures.py`.

It needs playwright and the system's Chromium (or another one, given by CHROMIUM).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from tau2_core import evaluate

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


def main() -> None:
    """Play the run, open the workbench, and write the screenshots."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        evaluate("airline", agent="random", split="test", trials=4, name="first", out=folder)
        command = [sys.executable, "-m", "tau2_core", "view", str(folder), "--no-open", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = re.search(r"http://[^/;]+", server.stdout.readline())
            assert address is not None
            try:
                _photograph(address[0])
            finally:
                server.terminate()


def _photograph(address: str) -> None:
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *QUIET])
        page = browser.new_page(viewport={"width": 1400, "height": 820}, color_scheme="light")
        page.goto(f"{address}/runs/first")
        page.screenshot(path=PICTURES / "workbench-run.png")
        page.goto(f"{address}/runs/first?outcome=failed#matrix")
        page.locator("a.cell.failed:not(.faded)").nth(5).click()
        page.screenshot(path=PICTURES / "workbench-episode.png")
        browser.close()


if __name__ == "__main__":
    main()
