"""What pack authors get for their tests: public names, an environment, an endpoint, the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tau2_core import testing
from tau2_core.errors import UsageError
from tau2_core.testing import assert_pack_contract, open_environment, say

from tests.forked import Forks


def test_every_public_name_is_there() -> None:
    for name in dir(testing):
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match=r"module 'tau2_core\.testing' has no attribute 'nothing'$"):
        _ = testing.nothing


def test_a_missing_package_is_named() -> None:
    code = """
import sys
sys.modules["tau2_gym_eval_protocol"] = None
from tau2_core import testing
try:
    testing.evaluation_test
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "evaluation_test and its rows come with pip install tau2-gym-eval-protocol" in done.stdout


def test_an_environment_is_called_and_looked_into(tau2_environment: Callable[..., Any]) -> None:
    environment, other = tau2_environment("mock"), open_environment("mock")
    assert environment.digests() == other.digests()
    made = environment.call("create_task", user_id="piet_lindgren", title="Tune the piano")
    assert made.failure is None
    assert json.loads(made.content)["title"] == "Tune the piano"
    assert any(task.title == "Tune the piano" for task in environment.db().tasks.values())
    assert any("Tune the piano" in str(change) for change in environment.changes())
    assert environment.digests() != other.digests()
    assert other.changes() == []
    assert environment.call("create_task", user_id="nobody", title="x").failure is not None
    with pytest.raises(UsageError, match="mock has no task 'nothing'"):
        tau2_environment("mock", "nothing")


def test_a_scripted_endpoint_is_a_model(tau2_endpoint: Callable[..., Any]) -> None:
    endpoint = tau2_endpoint(lambda asked: say(f"Hello, {asked.last}."))
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "you"}]}).encode()
    request = Request(endpoint.url + "/chat/completions", body, {"content-type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"] == "Hello, you."


def test_the_contract_names_what_is_wrong(forks: Forks, mock_copy: Path, tmp_path: Path) -> None:
    tools = mock_copy / "tools" / "agent.yaml"
    tools.write_text(tools.read_text().replace("get_users:", "see_users:", 1))
    call = f"assert_pack_contract('mock', packs=[{str(mock_copy)!r}])"
    test = f"from tau2_core.testing import assert_pack_contract\n\ndef test_contract():\n    {call}\n"
    (tmp_path / "test_pack.py").write_text(test)
    env = os.environ | {"TAU2_GYM_DISABLE": "mock"}
    done = forks.run(["-c", os.devnull, "test_pack.py"], cwd=tmp_path, env=env, timeout=120, program="pytest")
    assert done.returncode == 1
    assert "AssertionError: mock: " in done.stdout
    assert f"{mock_copy / 'data'}" in done.stdout
    assert "the assistant has no tool 'get_users'" in done.stdout


def test_a_sound_pack_keeps_the_contract() -> None:
    assert_pack_contract("mock")
