"""Keeping secrets out of all output: by name in arguments, and by value in texts.

A run's `Redactor` knows the values: keys in the models' arguments and in the environment, logins in URLs, and `?key=`
parameters. Everything that a run writes (records, cassettes, errors) passes through it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

REDACTED = "[redacted]"
SHORTEST = 6
SHORTEST_WORD = 8
SHORTEST_ELSEWHERE = 12

_PARTS = (
    "apikey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "header",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "signature",
)
_WORDS = frozenset({"auth", "key", "keys", "jwt", "pat", "pwd", "sig", "token", "userinfo"})
_NO_SECRETS = ("cost_per_token", "prompt_cache_key", "token_id", "token_ids")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LOGIN = re.compile(r"(?<=://)[^/@\s\"'?#]+(?=@)")
_PARAMETER = re.compile(r"([?&;])([\w.%-]{1,40})=([^&#;\s\"'<>\\]+)")
_ASSIGNED = re.compile(r"""((?<![\w.-])["']?([\w.-]{2,40})["']?\s*[:=]\s*)(?!\d+:)("[^"]*"?|'[^']*'?|[^,{}\[\]\n]+)""")
_PAIR = re.compile(r"[\w.-]+=([^;,\s]+)")
_ADDRESS = re.compile(r"[a-zA-Z][\w+.-]*://[^\s\"'<>]+")
# Placeholders that people use where no key is needed.
_PLACEHOLDERS = frozenset(
    {"anything", "changeme", "dummy-key", "lm-studio", "no-key", "not-needed", "password", "placeholder", "whatever"}
)


_of_runs: deque[Redactor] = deque(maxlen=16)


def is_secret_name(name: object) -> bool:
    """Tell whether the value of a parameter with this name must be kept secret."""
    text = str(name)
    lowered = text.lower()
    if lowered.endswith(_NO_SECRETS):
        return False
    words = {word.lower() for word in _WORD.findall(text)}
    return bool(words & _WORDS) or any(part in lowered.replace("_", "").replace("-", "") for part in _PARTS)


def without_secrets(value: Any) -> Any:
    """Return a JSON value without members whose names mark them as secret, at any depth, and without logins in URLs."""
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if not is_secret_name(name)}
    if isinstance(value, list | tuple):
        return [without_secrets(part) for part in value]
    return without_logins(value) if isinstance(value, str) else value


def without_logins(text: str) -> str:
    """Return a text without logins in URLs and without values of secret parameters such as `?key=`."""
    if "://" not in text and "=" not in text:
        return text
    return _PARAMETER.sub(_parameter, _LOGIN.sub(REDACTED, text))


def without_assigned_secrets(text: str) -> str:
    """Return a text, such as a line of YAML, without the values of names that mark a secret."""
    return _ASSIGNED.sub(lambda match: f"{match[1]}{REDACTED}" if is_secret_name(match[2]) else match[0], text)


def _parameter(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    return f"{mark}{name}={REDACTED if is_secret_name(unquote(name)) else value}"


class Redactor:
    """Removes known secret values from texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Remove these secrets too from now on."""
        self._known |= {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(self._known, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def written(self, text: str) -> str:
        """Return a text, or JSON, with secrets replaced."""
        return text if self._pattern is None else self._pattern.sub(REDACTED, text)

    def found_in(self, text: str) -> bool:
        """Tell whether a text, or JSON, contains a secret."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def value(self, value: Any) -> Any:
        """Return a JSON value with secrets replaced; the same object if it contains none."""
        if self._pattern is None or not self.found_in(json.dumps(value, ensure_ascii=False, default=str)):
            return value
        return self._redacted(value)

    def error(self, text: str) -> str:
        """Return an error's text with secrets replaced, including logins and secret parameters in URLs."""
        return without_logins(self.written(text))

    def errors(self, value: Any) -> Any:
        """Return a JSON value whose texts quote errors, redacted as by `error`."""
        return _mapped(value, self.error)

    def _redacted(self, value: Any) -> Any:
        return _mapped(value, self.written)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to all texts of a JSON value, including names."""
    if isinstance(value, dict):
        return {_mapped(name, change): _mapped(part, change) for name, part in value.items()}
    if isinstance(value, list):
        return [_mapped(part, change) for part in value]
    return change(value) if isinstance(value, str) else value


def run_redactor(arguments: Iterable[Mapping[str, Any]], variables: Iterable[str] = ()) -> Redactor:
    """Return a redactor for a run: it knows the secrets in its models' arguments and in the environment."""
    return Redactor(run_secrets(arguments, variables))


def run_secrets(arguments: Iterable[Mapping[str, Any]], variables: Iterable[str] = ()) -> list[str]:
    """Return the secrets in models' arguments and in the environment.

    `variables` are the environment variables with the providers' keys. Variables that are named like secrets count too.
    """
    given = {secret for each in arguments for secret in _secrets_in(each)}
    environment = {name: value for name in variables if (value := os.environ.get(name))}
    known = {part for value in (*given, *environment.values()) for part in _parts(value)}
    return [secret for secret in known | _environment() if _usable(secret)]


def environment_redactor() -> Redactor:
    """Return a redactor that knows the secrets in the environment."""
    return run_redactor(())


def remember(redactor: Redactor) -> None:
    """Keep the secrets of a run out of this process's output from now on; at most 16 runs are remembered."""
    _of_runs.append(redactor)


def printed(text: str) -> str:
    """Return a text as it may be printed: without secrets of the environment or a run, logins and `?key=` values."""
    for redactor in (environment_redactor(), *_of_runs):
        text = redactor.written(text)
    return without_logins(text)


def _usable(secret: str) -> bool:
    """Tell whether a value is distinctive enough to be replaced in texts: not a short word or a placeholder."""
    long_enough = len(secret) >= (SHORTEST_WORD if secret.isalpha() else SHORTEST)
    return long_enough and secret.lower() not in _PLACEHOLDERS


def _environment() -> set[str]:
    """Return the values of variables that are named like secrets, and passwords in URLs such as a proxy's."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if is_secret_name(name) and "/" not in value[:1]:
            found.update(part for part in _parts(value) if len(part) >= SHORTEST_ELSEWHERE)
        elif "@" in value and "://" in value:
            found.update(_address_secrets(value))
    return found


def _secrets_in(value: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _secrets_in(part, secret=secret or is_secret_name(name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets_in(part, secret=secret)
    elif isinstance(value, str):
        if secret:
            yield value
        yield from _address_secrets(value)


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret and its parts: values of a cookie, the token after `Bearer`, the password in `Basic`."""
    text = secret.strip()
    yield text
    yield from _PAIR.findall(text)
    scheme, _, rest = text.partition(" ")
    if rest and scheme.lower() in ("bearer", "basic", "token", "key"):
        yield rest.strip()
        if scheme.lower() == "basic":
            try:
                login = base64.b64decode(rest, validate=True).decode()
            except ValueError:
                return
            yield login
            yield login.partition(":")[2]


def _address_secrets(text: str) -> Iterator[str]:
    for address in _ADDRESS.findall(text):
        try:
            split = urlsplit(address)
            login = split.netloc.rpartition("@")[0]
            parameters = parse_qsl(split.query)
        except ValueError:
            continue
        if login:
            password = login.partition(":")[2] or login
            yield from (login, password, unquote(password))
            yield base64.b64encode(unquote(login).encode()).decode()
        yield from (value for name, value in parameters if is_secret_name(name))


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may occur in a text: plain, in JSON, in a URL."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield quote(secret)
