"""No key, token or login of a run is in anything that it writes, however it got there."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.redaction import REDACTED, is_secret_name, run_redactor, without_logins
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, Script, call

from .conftest import Played, models_of

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
KEY = 'sk-made/up+"1234567890'


@pytest.fixture(params=["openai", "endpoint"])
def play(play: Play, request: pytest.FixtureRequest) -> Play:
    """Play through litellm, and with the client for endpoints."""
    return partial(play, models=models_of(request.param))


def written(played: Played, *files: Path) -> str:
    """Return all that a run has written and printed."""
    texts = [file.read_text(encoding="utf-8") for file in (*played.folder.iterdir(), *files)]
    return "\n".join([played.output, played.error, *texts])


def leaks(text: str, secret: str = KEY) -> list[str]:
    forms = [secret, json.dumps(secret)[1:-1], secret.replace('"', '\\\\\\"')]
    return [form for form in forms if form in text]


def echo(asked: Asked) -> str:
    return asked.headers["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize("given", ["argument", "environment"])
@pytest.mark.parametrize("position", [0, 490])
def test_a_key_in_an_endpoints_error_is_redacted(
    play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, position: int
) -> None:
    """At 490 it would be cut in the middle where errors are shortened."""
    if given == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    arguments = {role: {"api_key": KEY if given == "argument" else ""} for role in ("agent", "user")}

    def script(asked: Asked) -> Answer:
        return Refusal(401, f"{'.' * position}Incorrect API key provided: {echo(asked)}. Ask for another one.")

    cassette = tmp_path / "cassette.jsonl"
    played = play(*ONE, "--record", cassette, arguments=arguments, script=script, agent=())
    text = written(played, cassette)
    assert played.record["error"].startswith("credentials: ")
    assert leaks(text) == []
    assert "made/up" not in text
    assert REDACTED in played.record["error"] or position


def test_a_key_in_a_models_text_or_call_is_redacted(play: Play, tmp_path: Path, gold: Callable[[str], Script]) -> None:
    said: list[Asked] = []

    def script(asked: Asked) -> Answer:
        if "customer" in asked.model or said:
            return gold("mock")(asked)
        said.append(asked)
        return call(("get_users", {"key": echo(asked)}), content=f"I was given {echo(asked)}")

    cassette = tmp_path / "cassette.jsonl"
    arguments = {"agent": {"api_key": KEY}}
    played = play(*ONE, "--record", cassette, arguments=arguments, script=script)
    assert leaks(written(played, cassette)) == []
    assert f"I was given {REDACTED}" in written(played)
    replayed = play(*ONE, "--replay", cassette, arguments=arguments)
    assert replayed.lines("episodes.jsonl") == played.lines("episodes.jsonl")


SECRETS: dict[str, Any] = {
    "extra_headers": {"Authorization": "Bearer abcd-1234-efgh", "Cookie": "session=qrst-5678"},
    "extra_body": {
        "auth": {"user": "uvwx-9012"},
        "passphrase": "open sesame 33",
        "deep": [{"access_token": "yzab-3456"}, {"clientSecret": "cdef-7890"}],
        "webhook": "https://someone:hunter-22@example.org/hook?key=ghij-1122&page=3",
    },
}
VALUES = [
    "abcd-1234-efgh",
    "qrst-5678",
    "uvwx-9012",
    "open sesame 33",
    "yzab-3456",
    "cdef-7890",
    "hunter-22",
    "ghij-1122",
]


def test_values_of_arguments_named_like_secrets_are_redacted(play: Play, tmp_path: Path) -> None:
    """An endpoint that knows them all repeats them all."""
    cassette = tmp_path / "cassette.jsonl"
    answers = [Refusal(500, " ".join(VALUES), headers={"retry-after-ms": "1"})] * 2
    played = play(*ONE, "--record", cassette, "--attempts", 2, arguments={"agent": SECRETS}, agent=answers)
    first = played.of("agent")[0]
    assert first.headers["cookie"] == "session=qrst-5678"
    assert first.body["passphrase"] == "open sesame 33"
    assert played.record["error"].startswith("server: ")
    text = written(played, cassette)
    assert [value for value in VALUES if value in text] == []
    told = json.loads((played.folder / "run.json").read_text())["models"]["agent"]["args"]
    assert told["extra_body"] == {
        "deep": [{}, {}],
        "webhook": f"https://{REDACTED}@example.org/hook?key={REDACTED}&page=3",
    }


def test_a_login_and_a_key_in_an_address_are_redacted(play: Play) -> None:
    where = "http://someone:pa55-word@127.0.0.1:9/v1?key=kl-mn-1234"
    played = play(*ONE, "--attempts", 1, arguments={"agent": {"api_base": where}})
    text = written(played)
    assert "pa55-word" not in text
    assert "kl-mn-1234" not in text


def test_a_configuration_that_cannot_be_read_shows_no_key(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text('agent: {model: openai/x, args: {api_key: "sk-made-up-77", temperature: [1}}\n')
    played = play(*ONE, "--config", file, models={})
    assert played.code != 0
    assert "models.yaml" in played.error
    assert "sk-made-up-77" not in played.error


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "x-api-key",
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "passphrase",
        "auth",
        "accessToken",
    ],
)
def test_names_that_suggest_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "temperature",
        "max_tokens",
        "stop_token_ids",
        "skip_special_tokens",
        "author",
        "keywords",
        "input_cost_per_token",
    ],
)
def test_names_that_do_not_suggest_secrets(name: str) -> None:
    assert not is_secret_name(name)


@given(
    st.text(string.ascii_letters + string.digits + '/+"\\é =&%', min_size=12)
    .map(str.strip)
    .filter(lambda s: len(s) > 11)
)
def test_a_secret_is_found_in_every_form(secret: str) -> None:
    redactor = run_redactor([{"api_key": secret}])
    for text in (secret, json.dumps({"said": f"it is {secret}"}), json.dumps(secret, ensure_ascii=False)):
        assert secret not in redactor.written(text)
    assert redactor.value({"a": [secret, 7, None]})["a"][1:] == [7, None]
    assert secret not in str(redactor.value({"a": [secret]}))


def test_short_words_are_left_alone() -> None:
    """`api_key: none` is what people write where none is needed."""
    redactor = run_redactor([{"api_key": "none"}, {"api_key": "secret"}, {"api_key": "not-needed"}])
    assert redactor.written("none of it is secret, and not-needed") == "none of it is secret, and not-needed"


def test_a_login_encoded_for_basic_authentication_is_redacted() -> None:
    encoded = base64.b64encode(b"someone:pass-4711").decode()
    redactor = run_redactor([{"extra_headers": {"Authorization": f"Basic {encoded}"}}])
    assert redactor.written(f"{encoded} is pass-4711") == f"{REDACTED} is {REDACTED}"
    assert (
        without_logins("see https://a:b@example.org/?sig=1&n=2")
        == f"see https://{REDACTED}@example.org/?sig={REDACTED}&n=2"
    )
