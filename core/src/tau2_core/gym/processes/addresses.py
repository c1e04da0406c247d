"""Finding the episode or session of a request, as far as its path and headers identify it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from starlette.requests import cookie_parser
from starlette.types import Scope

from tau2_core.gym.compatibility import HEADER
from tau2_core.gym.nemo_gym import COOKIE

Kind = Literal["name", "session", "new", "any", "own", "episode_id", "rpc", "hello"]
AT_THE_FRONT = frozenset({"aggregate_metrics", "reverify_mode"})


@dataclass(frozen=True, slots=True)
class Address:
    """Identifies the process that answers a request.

    Args:
        kind: "name": an episode's id or key; "session": a dialect's session; "new": a request to create an episode;
            "any": any worker can answer; "own": the process that received it answers; "episode_id", "rpc" and "hello":
            the body identifies it.
        name: the id, key or session.
    """

    kind: Kind
    name: str = ""


OWN, NEW, ANY = Address("own"), Address("new"), Address("any")


def position_of(session_id: str, count: int) -> int:
    """Return the number of the worker that has a session, out of `count` workers."""
    return int.from_bytes(hashlib.blake2b(session_id.encode(), digest_size=4).digest(), "big") % count


def address_of(scope: Scope) -> Address:
    """Return the address of an HTTP request."""
    return address(scope["method"], scope["path"], scope.get("query_string", b""), scope["headers"])


def address(method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Address:
    """Return the address of an HTTP request or a WebSocket handshake."""
    match path.split("/")[1:]:
        case ["episodes", key, *_] | ["v1", "episodes", key, *_] if key:
            return Address("name", key)
        case ["v1", "episodes" | "slots"]:
            return NEW if method == "POST" else OWN
        case ["v1", "domains", *_]:
            return ANY
        case ["mcp"] | ["mcp", ""]:
            session_id = _header(headers, HEADER)
            return Address("session", session_id) if session_id else Address("hello") if method == "POST" else OWN
        case ["control", *_]:
            session_id = _header(headers, HEADER)
            return Address("session", session_id) if session_id else OWN
        case ["openenv", _, *rest]:
            return _of_openenv(method, rest, parse_qs(query.decode("latin-1")))
        case [name] if method == "POST" and name not in AT_THE_FRONT:
            episode_id = cookie_parser(_header(headers, "cookie")).get(COOKIE)
            return NEW if name == "seed_session" else Address("name", episode_id) if episode_id else OWN
    return OWN


def _header(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
    """Return the last value of a header, "" if there is none."""
    return dict(headers).get(name.encode(), b"").decode("latin-1")


def _of_openenv(method: str, rest: list[str], query: Mapping[str, list[str]]) -> Address:
    match rest:
        case ["ws" | "mcp"] if method == "GET":
            session_id = query.get("session_id", [""])[0]
            return Address("session", session_id) if session_id else NEW
        case ["mcp"]:
            return Address("rpc")
        case ["step"]:
            return Address("episode_id")
        case ["state"]:
            episode_id = query.get("episode_id", [""])[0]
            return Address("name", episode_id) if episode_id else OWN
        case ["reset"]:
            return NEW
    return ANY
