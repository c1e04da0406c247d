"""A small checkout of tau2-bench, with and without its sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tau2_bench_adapter.checkout import AGENT, OPENING, PHONE, SHOP, TOOLS, USER_TOOLS, task, write


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "bench"
    write(
        root,
        {
            f"{SHOP}/db.json": {"shelves": {}},
            f"{SHOP}/policy.md": "Be kind.\n",
            f"{SHOP}/tasks.json": [task("a"), task("b", issues=[{"id": "a"}], annotations=None), task("c")],
            f"{SHOP}/split_tasks.json": {"base": ["c", "a", "kept aside"], "test": ["kept aside"]},
            f"{PHONE}/db.toml": "[device]\n",
            f"{PHONE}/user_db.toml": "[device]\n",
            f"{PHONE}/main_policy.md": "main",
            f"{PHONE}/main_policy_solo.md": "main, solo",
            f"{PHONE}/tech_support_manual.md": "manual",
            f"{PHONE}/tech_support_workflow.md": "workflow",
            f"{PHONE}/tech_support_workflow_solo.md": "workflow, solo",
            f"{PHONE}/tasks.json": {"tasks": [task("x", ticket="A1?")]},
            "data/tau2/user_simulator/simulation_guidelines.md": "Play the customer.",
            "data/tau2/user_simulator/simulation_guidelines_tools.md": "Play, with tools.",
        },
    )
    return root


@pytest.fixture
def sources(checkout: Path) -> Path:
    write(
        checkout,
        {
            "src/tau2/domains/shop/tools.py": TOOLS,
            "src/tau2/domains/shop/user_tools.py": USER_TOOLS,
            "src/tau2/agent/llm_agent.py": AGENT,
            "src/tau2/agent/another.py": "AGENT_INSTRUCTION = 'Not this one.'",
            "src/tau2/orchestrator/orchestrator.py": OPENING,
        },
    )
    return checkout
