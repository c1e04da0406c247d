"""What a server or a command prints to standard error holds no key, token or login, whoever prints it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gym.conftest import Start

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

ENVIRONMENT, TOKEN, IN_ADDRESS = "sk-environment-123456", "token-of-the-server-1234", "key-in-an-address-1234"
PLUGIN = f"""
import asyncio, logging, os, sys, traceback
from tau2_core import hookimpl

SECRETS = " ".join([os.environ["SOME_API_KEY"], {TOKEN[:10]!r} + {TOKEN[10:]!r}, "https://x.org/?key={IN_ADDRESS}"])

async def fail():
    raise LookupError(SECRETS)

@hookimpl
async def tau2_tool_call(call, proceed):
    secret_local = SECRETS
    print("printed", SECRETS)
    sys.stderr.write(f"written {{SECRETS}}\\n")
    logging.getLogger("of_a_plugin").warning("logged %s", SECRETS)
    try:
        raise ValueError(SECRETS)
    except ValueError:
        logging.getLogger("of_a_plugin").exception("caught")
        traceback.print_exc()
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    return await proceed(call)
"""


def check(printed: str, *secrets: str) -> None:
    for what in ("printed", "written", "logged", "ValueError:", "a background task, fail, failed: LookupError:"):
        assert f"{what} [redacted]" in printed
    assert "https://x.org/?key=[redacted]" in printed
    assert "secret_local" not in printed  # tracebacks show no variables
    for secret in (ENVIRONMENT, IN_ADDRESS, *secrets):
        assert secret not in printed


def test_a_servers_log_contains_no_secrets(start: Start, plugin: Plugin) -> None:
    site = plugin("tells", PLUGIN)
    server = start("mock", "--token", TOKEN, PYTHONPATH=str(site), SOME_API_KEY=ENVIRONMENT)
    world = server.create(task_id="create_plain")
    world.text("get_users")
    world.delete()
    server.process.kill()  # since a traceback in its log is what other tests forbid
    server.process.wait()
    printed = server.log()
    check(printed, TOKEN)
    (server.folder / "stderr").write_text("")


def test_a_commands_output_contains_no_secrets(gym: Gym, plugin: Plugin) -> None:
    site = plugin("tells", PLUGIN)
    done = gym("run", "mock", "--task", "create_plain", "--name", "r", paths=[site], SOME_API_KEY=ENVIRONMENT)
    assert done.returncode == 0
    check(done.stderr)
