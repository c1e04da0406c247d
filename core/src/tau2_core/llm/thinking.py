"""Separating a model's thinking from its text, if a server leaves both in the content."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_NAMES = "think|thinking|thoughts?|reasoning|reflection|scratchpad|antthinking|seed:think"
_BLOCKS = (
    (rf"<\s*(?:{_NAMES})(?:\s[^<>]*)?(?<!/)>", rf"<\s*/\s*(?:{_NAMES})\s*>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<\|channel>thought", r"<channel\|>"),
    (
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
        r"<\|end\|>(?:<\|start\|>assistant)?(?=<\|channel\|>)|(?:<\|end\|>)?<\|start\|>assistant",
    ),
)
# Tags around the final text that are not part of it.
_FRAME = (
    rf"<\s*(?:{_NAMES})\s*/>|(?:<\|start\|>assistant)?<\|channel\|>final[^<]*<\|message\|>|<\|(?:return|end)\|>"
    r"|<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>"
)
_CLOSINGS = tuple(re.compile(closing, re.I | re.S) for _, closing in _BLOCKS)
_TAG = re.compile(
    "|".join(
        [
            *(f"(?P<open{number}>{opening})" for number, (opening, _) in enumerate(_BLOCKS)),
            f"(?P<close>{'|'.join(closing for _, closing in _BLOCKS[:-1])})",
            f"(?P<frame>{_FRAME})",
        ]
    ),
    re.I | re.S,
)
_MARKS = ("<", "[", "◁")
_BLANK = " \t\r\n\ufeff"
_BRACKET = re.compile(r"[\[{]")
_MOST_TRIES = 100  # attempts to parse JSON in a text, to limit the time for any text
_DECODER = json.JSONDecoder()
_TEXT_PARTS = ("text", "output_text", None)


def split_thinking(text: str) -> tuple[str, str]:
    """Return the text without thinking, and the thinking.

    Thinking is between tags such as `<think>` and `</think>`. Without a closing tag (the answer was cut off) everything
    after the opening tag is thinking; without an opening tag (the chat template wrote it) everything before the closing
    tag. Tags in JSON strings are quotations and are ignored.
    """
    if not any(mark in text for mark in _MARKS):
        return text, ""
    said: list[str] = []
    thoughts: list[str] = []
    quotes = _Quotes(text)
    start = at = 0
    while (tag := _TAG.search(text, at)) is not None:
        quoted = quotes.end_around(tag.start(), at)
        if quoted:
            at = quoted
            continue
        said.append(text[start : tag.start()])
        start = at = tag.end()
        if tag["close"] is not None:
            thoughts += said
            said = []
        elif tag["frame"] is None:
            closing = _CLOSINGS[int(str(tag.lastgroup).removeprefix("open"))].search(text, at)
            thoughts.append(text[at : closing.start() if closing else None])
            start = at = closing.end() if closing else len(text)
    if not at or not (said or thoughts):
        return text, ""
    said.append(text[start:])
    return "".join(said).strip(_BLANK), "\n".join(filter(None, (part.strip() for part in thoughts)))


class _Quotes:
    """Finds the JSON objects and lists in a text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._end = 0
        self._tries = _MOST_TRIES

    def end_around(self, place: int, start: int) -> int:
        """Return the end of the JSON around `place`, 0 if there is none. To be called with increasing places."""
        self._at = max(self._at, start)
        while self._end <= place and self._tries:
            bracket = _BRACKET.search(self._text, self._at, place)
            if bracket is None:
                self._at = place
                return 0
            self._tries -= 1
            try:
                _, self._end = _DECODER.raw_decode(self._text, bracket.start())
                self._at = self._end
            except (ValueError, RecursionError):
                self._at = bracket.end()
        return self._end if self._end > place else 0


def said_in_parts(parts: list[Any]) -> str:
    """Return the text of a list of content parts: texts and refusals, without thinking."""
    said = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, Mapping):
            value = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
            if part.get("type") in (*_TEXT_PARTS, "refusal") and not part.get("thought") and isinstance(value, str):
                said.append(value)
    return split_thinking("".join(said))[0]
