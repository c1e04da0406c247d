"""OpenEnv's own clients and validator, against the environments of a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FOLDER, Gym, run_to_end

DOCUMENT = FOLDER.parents[1] / "docs/how-to/openenv.md"

OPENENV = "openenv==0.10.0"


@pytest.fixture(scope="module")
def python(python_with: Callable[..., Path]) -> Path:
    return python_with("openenv", OPENENV)


def test_its_clients_play(python: Path, gym_server: Gym) -> None:
    said = run_to_end([str(python), str(FOLDER / "openenv_client.py"), f"{gym_server.address}/openenv/mock"])
    told = json.loads(said.splitlines()[-1])
    generic, by_tools = told["generic"], told["by_tools"]
    assert (generic["task"], generic["reward"]) == ("create_plain", 1.0)
    assert "an action is {" in generic["refused"]
    assert {"create_task", "send_message_to_user"} <= set(by_tools["tools"])
    assert (by_tools["made"], by_tools["reward"]) == ("task_7", 1.0)
    assert by_tools["steps"] > 0


def test_its_validator_passes(python: Path, gym_server: Gym) -> None:
    for domain in ("mock", "airline", "retail"):
        command = [str(python.with_name("openenv")), "validate", "--url", f"{gym_server.address}/openenv/{domain}"]
        said = run_to_end(command)
        assert "profile: openenv-http/1.x" in said
        assert "FAIL" not in said
        assert "Verdict: PASS" in said


def test_the_documents_script_plays(python: Path, gym_server: Gym, tmp_path: Path) -> None:
    found = re.search(
        r"^```python\n(# play\.py\n.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    script = tmp_path / "play.py"
    script.write_text(found[1].replace("http://127.0.0.1:8700", gym_server.address), encoding="utf-8")
    assert "{'DB': " in run_to_end([str(python), str(script)]).splitlines()[-1]
