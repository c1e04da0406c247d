"""Text from outside, made safe to print: no character can control the terminal or reverse other text."""

from __future__ import annotations

import re

# Control characters except tab and line feed, marks that change the direction of text, and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    r"""Return text with control characters written as escapes (`\x1b`); line ends are kept."""
    return _UNSAFE.sub(_escaped, str(text).replace("\r\n", "\n"))


def printable_line(text: object) -> str:
    """Return text as `printable` does, on one line."""
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def printable_json(text: str) -> str:
    r"""Return JSON text with these characters written as JSON escapes, so that it remains the same JSON."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
