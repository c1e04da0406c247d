"""Telling what a model thought from what it said, where a server leaves its thinking in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_NAMES = "think|thinking|thought|reasoning|seed:think"
_BLOCKS = (
    (rf"<\s*(?:{_NAMES})\s*>", rf"<\s*/\s*(?:{_NAMES})\s*>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (
        r"<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
        r"<\|end\|>(?:<\|start\|>assistant)?(?=<\|channel\|>)|(?:<\|end\|>)?<\|start\|>assistant",
    ),
)
_OPEN = "|".join(opening for opening, _ in _BLOCKS)
_CLOSE = "|".join(closing for _, closing in _BLOCKS[:3])
_CLOSED = re.compile("|".join(f"(?:{opening})(.*?)(?:{closing})" for opening, closing in _BLOCKS), re.I | re.S)
_OPENING, _CLOSING = re.compile(_OPEN, re.I), re.compile(_CLOSE, re.I)
_FINAL = re.compile(r"<\|channel\|>final[^<]*<\|message\|>|<\|(?:return|end)\|>")
_MARKS = ("<", "[THINK]", "[/THINK]", "◁")
_TEXT_PARTS = ("text", "output_text", None)


def split_thinking(text: str) -> tuple[str, str]:
    """Return what a text says, and what is thinking in it.

    Thinking stands between tags such as `<think>` and `</think>`. Without a closing tag (the answer was cut off) all
    behind the opening one is thinking; without an opening one (the chat template wrote it) all before the closing one.
    """
    if not any(mark in text for mark in _MARKS) or _is_json(text):
        return text, ""
    thoughts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        thoughts.append(next((part for part in match.groups() if part is not None), ""))
        return ""

    said = _CLOSED.sub(keep, text)
    closing = None
    for closing in _CLOSING.finditer(said):  # noqa: B007 - the last one counts
        pass
    if closing is not None:
        thoughts.append(said[: closing.start()])
        said = said[closing.end() :]
    opening = _OPENING.search(said)
    if opening is not None:
        thoughts.append(said[opening.end() :])
        said = said[: opening.start()]
    said = _FINAL.sub("", said)
    return (text, "") if said == text else (said.strip(), "\n".join(part.strip() for part in thoughts))


def said_in_parts(parts: list[Any]) -> str:
    """Return what a list of content parts says: its texts and refusals, and no part that holds thinking."""
    said = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, Mapping):
            value = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
            if part.get("type") in (*_TEXT_PARTS, "refusal") and not part.get("thought") and isinstance(value, str):
                said.append(value)
    return split_thinking("".join(said))[0]


def _is_json(text: str) -> bool:
    """Tell whether a text is JSON: tags in its strings are quoted there."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
