"""Limits and bad input: each is answered with the documented status and body, and affects nothing else."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World

Gym = Callable[..., CompletedProcess[str]]
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
LIMIT = 1024 * 1024


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["error"]["code"]
    return code


class TestStarting:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
    def test_a_public_address_needs_a_token(self, gym: Gym, host: str) -> None:
        done = gym("serve", "mock", "--host", host, "--port", 0)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--token" in done.stderr

    def test_with_a_token_it_may_be_any_address(self, start: Start) -> None:
        server = start("mock", "--host", "0.0.0.0", TAU2_GYM_TOKEN="from-the-environment")
        assert server.http.get("/v1/episodes").status_code == 401
        headers = {"Authorization": "Bearer from-the-environment"}
        address = f"http://127.0.0.1:{server.port}"
        made = httpx.post(f"{address}/v1/episodes", json={"domain": "mock"}, headers=headers).json()
        assert made["mcp_url"].startswith(f"{address}/episodes/")  # as the client reached it, not 0.0.0.0
        assert server.rpc(made["mcp_url"], "tools/list").status_code == 200

    def test_an_empty_token_counts_as_no_token(self, start: Start, gym: Gym) -> None:
        assert start("mock", "--no-token", TAU2_GYM_TOKEN="").http.get("/v1/episodes").status_code == 200
        assert gym("serve", "mock", "--host", "0.0.0.0", TAU2_GYM_TOKEN="").returncode == 2

    def test_a_port_in_use(self, gym: Gym, server: Server) -> None:
        done = gym("serve", "mock", "--port", server.port)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
        assert "choose another --port" in done.stderr

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (["moc"], "did you mean 'mock'"),
            (["mock", "--idle-timeout", "0"], "--idle-timeout"),
            (["mock", "--idle-timeout", "nan"], "--idle-timeout"),
            (["mock", "--idle-timeout", "inf"], "--idle-timeout"),
            (["mock", "--dataset", "nowhere"], "no such folder"),
            (["mock", "--dataset", "a/same", "--dataset", "b/same"], "'same'"),
            (["mock", "--dataset", "a/pack"], "'pack'"),
            (["mock", "airline", "--transport", "stdio"], "one domain"),
            (["mock", "airline", "--task", "create_plain"], "name one domain"),
            (["mock", "--no-token", "--token", "x"], "--no-token"),
            (["mock", "--slot-timeout", "0"], "--slot-timeout"),
            (["mock", "--trials", "2", "--user", "human"], "person at a terminal"),
        ],
    )
    def test_wrong_options(self, gym: Gym, tmp_path: Path, options: list[str], word: str) -> None:
        for folder in ("a/same", "b/same", "a/pack"):
            (tmp_path / folder).mkdir(parents=True)
        done = gym("serve", "--port", 0, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert word in done.stderr

    def test_a_broken_pack_does_not_keep_the_others_from_being_served(
        self, start: Start, gym: Gym, mock_copy: Path
    ) -> None:
        broken = mock_copy.rename(mock_copy.parent / "broken")
        manifest = broken / "domain.yaml"
        manifest.write_text(manifest.read_text().replace("name: mock", "name: broken"))
        (broken / "tools" / "agent.yaml").write_text("create_task: {handler: nowhere:at_all}")
        server = start("--pack", broken)
        rows = {row["name"]: row for row in server.http.get("/v1/domains").json()}
        assert "agent.yaml" in rows["broken"]["broken"]
        refused = server.http.post("/v1/episodes", json={"domain": "broken"})
        assert (refused.status_code, code_of(refused)) == (424, "unusable_domain")
        assert "agent.yaml" in refused.json()["error"]["message"]
        assert server.create("mock").value("get_users")
        assert gym("serve", "broken", "--pack", broken, "--port", 0).returncode == 1


class TestDoors:
    """Which hosts and origins are accepted on loopback."""

    def ask(self, server: Server, **headers: str) -> httpx.Response:
        return server.http.get("/healthz", headers=headers)

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"])
    def test_a_foreign_host_is_refused(self, server: Server, host: str) -> None:
        refused = self.ask(server, host=host)
        assert (refused.status_code, code_of(refused)) == (403, "foreign_host")

    @pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example:80", "null", "file://"])
    def test_a_foreign_origin_is_refused(self, server: Server, origin: str) -> None:
        for url in ("/healthz", "/v1/episodes", "/mcp", "/episodes/x/mcp"):
            refused = server.http.post(url, headers={"origin": origin})
            assert (refused.status_code, code_of(refused)) == (403, "foreign_host")

    @pytest.mark.parametrize("name", ["localhost", "LocalHost:1", "127.0.0.1", "[::1]:80"])
    def test_all_loopback_names_are_accepted(self, server: Server, name: str) -> None:
        assert self.ask(server, host=name).status_code == 200
        assert self.ask(server, origin=f"http://{name}").status_code == 200


class TestBodies:
    def over(self, server: Server, url: str) -> httpx.Response:
        return server.http.post(url, content=b" " * (LIMIT + 1), headers={"content-type": "application/json"})

    def test_a_body_over_the_limit_is_413_everywhere(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        urls = [world.mcp_url, world.urls["conversation_url"], "/mcp", "/control/reset_session", "/v1/episodes"]
        assert [self.over(server, url).status_code for url in urls] == [413] * 5
        world.delete()

    def test_a_body_without_a_length_is_limited_too(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")

        def chunks() -> Iterator[bytes]:
            for _ in range(LIMIT // 1000):
                yield b" " * 1024

        for url in (world.mcp_url, world.urls["conversation_url"], "/mcp", "/v1/episodes"):
            assert server.http.post(url, content=chunks()).status_code == 413
        assert world.state()["steps"] == 0
        world.delete()

    def test_arguments_just_below_the_limit_are_played(self, server: Server) -> None:
        world = server.create("mock")
        title = "x" * (LIMIT - 1000)
        assert world.value("create_task", {**NEW_TASK, "title": title})["title"] == title
        world.delete()

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", -32700),
            (b"{", -32700),
            (b"\xff", -32700),
            (b"[]", -32600),
            (b"1", -32600),
            (b'{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}', -32600),
            (b'{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}', -32600),
            (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
        ],
    )
    def test_malformed_json_rpc(self, server: Server, body: bytes, code: int) -> None:
        world = server.create("mock")
        headers = {"accept": "application/json", "content-type": "application/json"}
        new = server.http.post(world.mcp_url, content=body, headers={**headers, "mcp-protocol-version": "2026-07-28"})
        assert (new.status_code, new.json()["error"]["code"]) == (400, code)
        assert server.http.post(world.mcp_url, content=body, headers=headers).status_code == 400
        assert world.state()["steps"] == 0
        world.delete()

    def test_unknown_methods_tools_and_texts(self, server: Server) -> None:
        world = server.create("mock")
        unknown = server.rpc(world.mcp_url, "tools/destroy")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, -32601)
        result = world.call("creat_task", NEW_TASK)
        assert result["isError"]
        assert "did you mean 'create_task'" in result["content"][0]["text"]
        unread = server.rpc(world.mcp_url, "resources/read", {"uri": "file:///etc/passwd"})
        assert (unread.status_code, unread.json()["error"]["code"]) == (400, -32602)
        world.delete()


class TestEpisodes:
    def test_unknown_episodes_are_404(self, server: Server) -> None:
        for method, url in (
            ("GET", "/v1/episodes/none"),
            ("GET", "/v1/episodes/none/reward"),
            ("GET", "/v1/episodes/none/record"),
            ("POST", "/v1/episodes/none/reset"),
            ("DELETE", "/v1/episodes/none"),
            ("POST", "/episodes/none/mcp"),
            ("GET", "/episodes/none/conversation"),
        ):
            refused = server.http.request(method, url)
            assert (refused.status_code, code_of(refused)) == (404, "unknown_episode"), url

    def test_other_paths_and_methods_get_json_errors_too(self, server: Server) -> None:
        for method, url, status, code in (
            ("GET", "/none", 404, "not_found"),
            ("GET", "/control/none", 404, "not_found"),
            ("GET", "/episodes/x", 404, "not_found"),
            ("PUT", "/v1/episodes", 405, "method_not_allowed"),
            ("POST", "/control/reward", 405, "method_not_allowed"),
            ("DELETE", "/episodes/x/conversation", 405, "method_not_allowed"),
        ):
            refused = server.http.request(method, url)
            assert (refused.status_code, code_of(refused)) == (status, code), url
            assert (status == 405) == ("allow" in refused.headers)

    def test_a_full_server_answers_503_until_an_episode_is_closed(self, start: Start) -> None:
        server = start("mock", "--max-episodes", 2)
        first, _ = server.create("mock"), server.create("mock")
        refused = server.http.post("/v1/episodes", json={"domain": "mock"})
        assert (refused.status_code, code_of(refused), refused.headers["Retry-After"]) == (503, "full", "5")
        compatible = server.http.get("/control/initial_state", headers={"mcp-session-id": "x"})
        assert (compatible.status_code, "2 episodes are open" in compatible.json()["error"]) == (503, True)
        first.delete()
        server.create("mock")

    def test_idle_episodes_expire_and_are_recorded(self, start: Start) -> None:
        server = start("mock", "--idle-timeout", 0.2)
        world = server.create("mock", task_id="create_plain")
        world.value("create_task", NEW_TASK)
        while world.control().status_code == 200:  # reading does not keep it alive
            pass
        for response in (
            world.control(),
            world.control("DELETE"),
            world.say(),
            server.rpc(world.mcp_url, "tools/list"),
        ):
            assert (response.status_code, code_of(response)) == (410, "expired_episode")
        while "tau2_gym_episodes_expired_total 1" not in server.http.get("/metrics").text:
            pass  # its URLs are gone at once; its record is kept shortly after
        (record,), (grade,) = server.kept(), server.kept("grades.jsonl")
        assert (record["id"], record["tool_calls"], grade["reward"]) == (world.id, 1, 1.0)
        assert "tau2_gym_open_episodes 0" in server.http.get("/metrics").text

    def test_limits_of_steps_and_errors_end_an_episode(self, start: Start) -> None:
        server = start("mock", "--max-steps", 5, "--max-errors", 2)
        steps, errors = server.create("mock"), server.create("mock")
        for world, name, reason in ((steps, "get_users", "max_steps"), (errors, "none", "too_many_errors")):
            calls = 0
            while world.state()["status"] == "open":
                world.call(name)
                calls += 1
            assert (world.state()["termination"], calls) == (reason, 3 if name == "get_users" else 2)
            assert world.reward() == 0.0
        assert [record["termination"] for record in server.kept()] == ["max_steps", "too_many_errors"]

    def test_a_record_that_cannot_be_kept_is_not_lost(self, start: Start, tmp_path: Path) -> None:
        blocked = tmp_path / "a-file"
        blocked.write_text("in the way")
        server = start("mock", "--out", blocked, "--idle-timeout", 0.2)
        world = server.create("mock", task_id="create_plain")
        world.value("create_task", NEW_TASK)
        refused = world.control("DELETE")
        assert (refused.status_code, code_of(refused)) == (507, "cannot_keep_record")
        while "has expired but stays open" not in server.log():
            assert world.control().status_code == 200
        assert world.reward() == 1.0
        assert world.call("get_users")["isError"] is False
        blocked.unlink()
        while "tau2_gym_episodes_expired_total 1" not in server.http.get("/metrics").text:
            pass
        (file,) = blocked.glob("*-serve/episodes.jsonl")
        assert json.loads(file.read_text())["id"] == world.id

    def test_each_refusal_is_logged_once(self, start: Start) -> None:
        server = start("mock")
        server.http.get("/v1/episodes/none")
        server.http.post("/v1/episodes", content=b"{")
        server.http.get("/control/reward")
        assert server.log().splitlines() == [
            "GET '/v1/episodes/…': 404 unknown_episode",
            "POST '/v1/episodes': 400 not_json",
            "GET '/control/reward': 400 no_session",
        ]


def test_a_result_over_the_limit_is_a_clear_error(start: Start, small_pack: Callable[..., Any]) -> None:
    handlers = 'def shout(db, length: int) -> str:\n    db.log.append(length)\n    return "x" * length\n'
    pack = small_pack(handlers, {"shout": {"kind": "write", "parameters": {"length": "integer"}}}).pack
    server = start(pack.name, "--pack", pack.folder)
    world: World = server.create(pack.name)
    limit = 4 * 1024 * 1024
    assert len(world.text("shout", {"length": limit})) == limit
    result = world.call("shout", {"length": limit + 1})
    expected = f"Error: the call was made, but its result has {limit + 1} characters, and this server sends {limit}"
    assert (result["isError"], result["content"][0]["text"]) == (True, expected)
    messages = world.record()["messages"]
    assert [len(message["content"]) for message in messages[1::2]] == [limit, limit + 1]  # what happened is kept


def test_a_connection_that_sends_no_http_is_closed(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00 what is this?\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert server.http.get("/healthz").json() == {"status": "ok"}
