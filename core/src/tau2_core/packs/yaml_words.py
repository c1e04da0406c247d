"""What the YAML parser says, in words that tell what to change."""

from __future__ import annotations

import yaml

# The parser's text, what it means, and whether the line to look at is where the part begins, not where it broke off.
_WORDS: tuple[tuple[str, str, bool], ...] = (
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be; put the text in quotes, or correct the indentation",
        False,
    ),
    (
        "could not find expected ':'",
        "a key lacks its `:`, or a text goes on in a line that is indented too little",
        True,
    ),
    ("did not find expected key", "a key should stand here; check the indentation, and the quotes before it", False),
    ("did not find expected '-' indicator", "a list item (`- `) should stand here; check the indentation", False),
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
        "found undefined alias",
        "`*` refers to an anchor that is not there; put text that begins with * in quotes",
        False,
    ),
    ("found duplicate anchor", "an anchor (`&`) of this name exists already; rename one of them", False),
    (
        "found unknown escape character",
        r"a backslash in double quotes begins no known escape; write \\, or use single quotes",
        False,
    ),
    ("did not find expected hexdecimal number", r"\x, \u and \U need 2, 4 and 8 hexadecimal digits", False),
    ("found invalid Unicode character escape code", "half of a surrogate pair is no character", False),
    ("did not find expected alphabetic or numeric character", "`&` and `*` need a name; put the text in quotes", False),
    ("expected a single document", "a second document begins here; keep one, without `---` between", False),
    (
        "did not find expected <document start>",
        "the value of the file ends before this line; check the indentation",
        False,
    ),
    ("did not find expected comment or line break", "text stands after `|` or `>`; begin it on the next line", False),
    ("did not find expected node content", "a value should stand here; is a `[` or `{` before it not closed?", False),
)


def explain(error: yaml.MarkedYAMLError) -> tuple[str, int | None, int]:
    """Return what a syntax error means, the line to look at, from 1 (None if the parser names none), and the column."""
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
