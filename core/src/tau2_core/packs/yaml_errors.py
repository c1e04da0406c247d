"""Explanations of the YAML parser's errors that say what to change."""

from __future__ import annotations

import yaml

# The parser's text, our explanation, and whether to point to the start of the part instead of where parsing stopped.
_WORDS: tuple[tuple[str, str, bool], ...] = (
    (
        "mapping values are not allowed",
        "a `:` is not allowed here; put the text in quotes, or correct the indentation",
        False,
    ),
    (
        "could not find expected ':'",
        "a key has no `:`, or a text continues on a line with too little indentation",
        True,
    ),
    ("did not find expected key", "a key is expected here; check the indentation and the quotes before it", False),
    ("did not find expected '-' indicator", "a list item (`- `) is expected here; check the indentation", False),
    (
        "block sequence entries are not allowed",
        "a list item (`- `) cannot begin here; begin it on a line of its own",
        False,
    ),
    ("block mapping entries are not allowed", "a key cannot begin here; begin it on a line of its own", False),
    ("did not find expected ',' or ']'", "a `[` is not closed, or a comma is missing", True),
    ("did not find expected ',' or '}'", "a `{` is not closed, or a comma is missing", True),
    ("found unexpected end of stream", "a quoted text is not closed", True),
    ("found unexpected document indicator", "a quoted text is not closed", True),
    (
        "found character that cannot start any token",
        "a tab, or a sign such as @ % or `, cannot begin a value; indent with spaces, put text in quotes",
        False,
    ),
    ("found a tab character", "a tab is used for indentation; indent with spaces", False),
    (
        "found unknown escape character",
        r"a backslash in double quotes does not begin a known escape; write \\, or use single quotes",
        False,
    ),
    ("did not find expected hexdecimal number", r"\x, \u and \U need 2, 4 and 8 hexadecimal digits", False),
    ("found invalid Unicode character escape code", "a lone surrogate is not a character", False),
    ("did not find expected alphabetic or numeric character", "`&` and `*` need a name; put the text in quotes", False),
    (
        "did not find expected <document start>",
        "the value ends before this line; check the indentation",
        False,
    ),
    ("did not find expected comment or line break", "there is text after `|` or `>`; begin it on the next line", False),
    ("did not find expected node content", "a value is expected here; is a `[` or `{` before it not closed?", False),
)


def explain(error: yaml.MarkedYAMLError) -> tuple[str, int | None, int]:
    """Return an explanation of a syntax error, its line (from 1, None if unknown) and its column."""
    problem = error.problem or error.context or "not YAML"
    mark = error.problem_mark or error.context_mark
    for text, words, at_start in _WORDS:
        if text in problem:
            if at_start:
                mark = error.context_mark or mark
            return words, *_place(mark)
    return f"not YAML: {problem}", *_place(mark)


def _place(mark: yaml.Mark | None) -> tuple[int | None, int]:
    return (mark.line + 1, mark.column) if mark else (None, 0)
