"""Workers without the run's pack, or with another version of it, are refused before anything is played."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Gym

Plugin = Callable[..., Path]
MOCK = Path(__file__).parents[2] / "domains/mock/src/tau2_domain_mock"

# An executor whose workers find a pack as it is on another machine: changed, or not at all.
ELSEWHERE = """
import os, shutil
from contextlib import asynccontextmanager
from pathlib import Path
from tau2_core import ExecutorSpec, hookimpl
from tau2_core.runs.executors.processes import Processes

class Elsewhere(Processes):
    async def start(self, invitation):
        pack = Path(os.environ["PACK"])
        if os.environ["THERE"] == "nothing":
            shutil.rmtree(pack)
        else:
            with (pack / "prompts/policy.md.j2").open("a") as file:
                file.write("Be brief.")
        return await super().start(invitation)

@asynccontextmanager
async def open_elsewhere(options):
    yield Elsewhere(1)

@hookimpl
def tau2_executors():
    return [ExecutorSpec("elsewhere", "", open_elsewhere)]
"""


def copied(folder: Path) -> Path:
    """Copy the mock pack into a package with a name of its own, and return its folder."""
    pack = Path(shutil.copytree(MOCK, folder / "shop_pack"))
    for file in pack.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, pack.name))
    return pack


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("another", "its pack has other files than the run's: digests.pack is "),
        ("nothing", "cannot take part: --pack "),
    ],
)
def test_workers_with_another_pack_or_none_are_refused(
    gym: Gym, plugin: Plugin, tmp_path: Path, there: str, said: str
) -> None:
    pack = copied(tmp_path)
    site = plugin("elsewhere", ELSEWHERE)
    options = ("--pack", pack, "--executor", "elsewhere", "--name", "r")
    done = gym("run", "mock", *options, paths=[site], PACK=str(pack), THERE=there)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("another", "its mock differs from that of the process that asks; install the same version on both"),
        ("nothing", "--pack "),
    ],
)
@pytest.mark.parametrize("audit", [(), ("--audit",)])
def test_workers_that_check_need_the_same_pack(
    gym: Gym, plugin: Plugin, tmp_path: Path, there: str, said: str, audit: tuple[str, ...]
) -> None:
    pack, site = copied(tmp_path), plugin("elsewhere", ELSEWHERE)
    done = gym("check", *audit, "--pack", pack, "--executor", "elsewhere", paths=[site], PACK=str(pack), THERE=there)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert not done.stdout
