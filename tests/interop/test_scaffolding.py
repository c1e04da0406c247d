"""What others published: OpenAPI documents and an MCP server become packs, and an editor's server reads our schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import GYM, run_to_end

PACKAGES = (
    "node@22.23.3",
    "yaml-language-server@2.0.0",
    "@readme/oas-examples@*",
    "@octokit/openapi@*",
    "@modelcontextprotocol/server-everything@2026.8.31",
)
DOCUMENTS = {
    "petstore": "@readme/oas-examples/3.1/json/petstore.json",
    "trains": "@readme/oas-examples/3.1/json/train-travel.json",
    "star_trek": "@readme/oas-examples/3.0/json/star-trek.json",
    "github": "@octokit/openapi/generated/api.github.com.json",
}


@pytest.fixture(scope="module")
def modules(tools: Path) -> Path:
    """The folder of the installed Node packages."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    home = tools / "scaffolding"
    if not (done := home / "installed").exists():
        home.mkdir(exist_ok=True)
        home.joinpath("package.json").write_text('{"private": true}')
        run_to_end([npm, "install", "--no-audit", "--no-fund", *PACKAGES], cwd=home)
        done.touch()
    return home / "node_modules"


def gym(folder: Path, *arguments: object, ok: tuple[int, ...] = (0,)) -> str:
    return run_to_end([*GYM, *map(str, arguments)], cwd=folder, ok=ok, seconds=300)


def only_unwritten(folder: Path, name: str) -> int:
    """Demand that nothing is wrong with a pack but its handlers, and return how many there are."""
    report = json.loads(gym(folder, "check", "--pack", name, "--json", ok=(1,)))
    assert {row["code"] for row in report["problems"]} == {"T2G025"}
    return len(report["problems"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_published_document_becomes_a_pack(modules: Path, tmp_path: Path, name: str) -> None:
    said = gym(tmp_path, "new", name, "--from-openapi", modules / DOCUMENTS[name])
    assert f"imported: {only_unwritten(tmp_path, name)} tools" in said


def test_the_server_everything_becomes_a_pack(modules: Path, tmp_path: Path) -> None:
    command = f"{modules / '.bin' / 'node'} {modules / '.bin' / 'mcp-server-everything'}"
    said = gym(tmp_path, "new", "everything", "--from-mcp", command)
    assert f"imported: {only_unwritten(tmp_path, 'everything')} tools" in said


class LanguageServer:
    """An editor's language server, spoken to over stdio as an editor does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0

    def send(self, method: str, params: Any, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message if number is None else {**message, "id": number}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def messages(self) -> Iterator[dict[str, Any]]:
        out = self.process.stdout
        assert out is not None
        while line := out.readline():
            length = int(line.split(b":")[1])
            assert out.readline() == b"\r\n"
            message = json.loads(out.read(length))
            if "method" in message and "id" in message:
                asked = message["params"].get("items", []) if message.get("params") else []
                self.answer(message["id"], [None for _ in asked])
            yield message

    def answer(self, number: Any, result: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self.send(method, params, self.number)
        return next(m["result"] for m in self.messages() if m.get("id") == self.number and "method" not in m)

    def open(self, file: Path, text: str) -> list[dict[str, Any]]:
        """Open a text as a file, and return what the server finds wrong with it."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        for message in self.messages():
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == file.as_uri():
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found
        raise AssertionError("the server said nothing")


@pytest.fixture
def language_server(modules: Path, tmp_path: Path) -> Iterator[LanguageServer]:
    command = [str(modules / ".bin" / "node"), str(modules / ".bin" / "yaml-language-server"), "--stdio"]
    env = {**os.environ, "HOME": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        server = LanguageServer(process)
        abilities: dict[str, Any] = {
            "textDocument": {"completion": {"completionItem": {}}, "publishDiagnostics": {}, "hover": {}}
        }
        server.ask("initialize", {"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": abilities})
        server.send("initialized", {})
        try:
            yield server
        finally:
            process.terminate()


def test_an_editor_completes_explains_and_underlines(tmp_path: Path, language_server: LanguageServer) -> None:
    gym(tmp_path, "new", "bike_shop")
    file = tmp_path / "bike_shop" / "tools" / "agent.yaml"
    text = file.read_text(encoding="utf-8")
    assert language_server.open(file, text) == []

    typing = file.with_name("typing.yaml")
    lines = [text.splitlines()[0], "sell:", "  description: Sell.", "  ", ""]
    language_server.open(typing, "\n".join(lines))
    place = {"textDocument": {"uri": typing.as_uri()}, "position": {"line": 3, "character": 2}}
    offered = language_server.ask("textDocument/completion", place)
    items = offered["items"] if isinstance(offered, dict) else offered
    assert {"kind", "handler", "parameters", "transfers"} <= {item["label"] for item in items}

    wrong = file.with_name("wrong.yaml")
    found = language_server.open(wrong, text.replace("kind: write", "kind: wrote"))
    (problem,) = found
    line = next(number for number, each in enumerate(text.splitlines()) if "kind: write" in each)
    assert (problem["range"]["start"]["line"], "write" in problem["message"]) == (line, True)

    place = {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": 3}}
    hover = language_server.ask("textDocument/hover", place)
    assert "may change the database" in json.dumps(hover)
