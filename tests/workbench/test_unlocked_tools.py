"""The page of an episode shows which hidden tools are unlocked after each call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bakery import in_process

pytestmark = pytest.mark.domain("banking_knowledge")
TASK, TOOL = "open_first_savings", "open_bank_account_4821"


@pytest.mark.parametrize("variant", ["bm25", "native"])
def test_the_unlocked_tools_are_shown_at_their_step(tmp_path: Path, variant: str) -> None:
    run = ("run", "banking_knowledge", "--task", TASK, "--variant", variant, "--name", "r", "--out", tmp_path)
    assert in_process(*run).returncode == 0
    assert in_process("view", "--export", tmp_path / "pages", tmp_path / "r").returncode == 0
    page = (tmp_path / "pages" / "runs" / "r" / "episode-0-0.html").read_text(encoding="utf-8")
    steps = re.findall(r"<li data-step>.*?</li>", page, re.DOTALL)
    assert [f"<code>{TOOL}</code>" in step for step in steps] == [False, True, True]
    assert ["<strong>new</strong>" in step for step in steps] == [False, True, False]
    assert "now gives another result" not in page
    assert "The databases equal the gold’s." in page
