"""All processes of a server have loaded the same: what has changed since it was started is not served."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gym.conftest import World

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start
    from tests.gym.processes.conftest import WorkersOf

MOCK = Path(__file__).parents[3] / "domains/mock/src/tau2_domain_mock"
CHANGED = "domain 'shop' has changed since this server was started"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = shutil.copytree(MOCK, tmp_path / "shop_pack")
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, folder.name))
    manifest = folder / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("name: mock", "name: shop"))
    return folder


def change(pack: Path) -> None:
    with (pack / "prompts/policy.md.j2").open("a") as file:
        file.write("\nBe brief.\n")


def wait_for(server: Server, said: str) -> None:
    while said not in server.log():
        assert server.process.poll() is None


@pytest.mark.parametrize("run", [(), ("--task", "create_plain", "--trials", "2", "--name", "r")], ids=["world", "run"])
def test_no_worker_with_a_changed_pack_takes_the_place_of_another(
    start: Start, workers_of: WorkersOf, pack: Path, run: tuple[str, ...]
) -> None:
    server = start("shop", "--pack", pack, "--workers", "2", *run)
    workers = workers_of(server)
    before = (pack / "prompts/policy.md.j2").read_bytes()
    change(pack)
    workers.kill(workers.pids()[0])
    wait_for(server, f"a worker cannot be replaced: {CHANGED}: ")
    assert workers.metric("tau2_gym_workers") == 1
    asked = "/v1/slots" if run else "/v1/episodes"
    for _ in range(2):
        world = World(server, server.http.post(asked, json={"domain": "shop"}).raise_for_status().json())
        assert world.text("get_users")
    (pack / "prompts/policy.md.j2").write_bytes(before)
    workers.wait_for("tau2_gym_workers", 2)


def test_an_episode_of_a_domain_that_has_changed_is_refused(start: Start, pack: Path) -> None:
    """The domain is not named, so each worker loads it when the first episode is asked of it."""
    server = start("--pack", pack, "--workers", "2")
    server.create("shop")
    change(pack)
    answer = server.http.post("/v1/episodes", json={"domain": "shop"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "changed_domain")
    assert answer.json()["error"]["message"].startswith(CHANGED)
