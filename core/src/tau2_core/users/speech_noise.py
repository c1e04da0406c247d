"""A customer's words as speech recognition writes them down: fillers, repeated words, and words that sound alike.

The change is a function of the text and a seed, so equal episodes stay equal. It must not decide whether a task can be
solved. So only plain words in lower case change, and each change leaves the text readable: digits, codes, names,
addresses, quotations, numbers, "yes", "no" and other negations stay as they are, and so do words that must arrive
exactly.
"""

from __future__ import annotations

import re
from random import Random

_SOUNDS_ALIKE = {
    "their": "there",
    "there": "their",
    "your": "you're",
    "its": "it's",
    "then": "than",
    "than": "then",
    "hear": "here",
    "here": "hear",
    "right": "write",
    "write": "right",
    "buy": "by",
    "by": "buy",
    "see": "sea",
    "would": "wood",
    "our": "hour",
    "where": "wear",
    "wait": "weight",
    "weather": "whether",
    "whether": "weather",
    "which": "witch",
    "flight": "fright",
    "fare": "fair",
    "fair": "fare",
    "new": "knew",
    "week": "weak",
    "mail": "male",
    "meet": "meat",
    "passed": "past",
    "past": "passed",
    "phone": "foam",
    "some": "sum",
    "through": "threw",
    "so": "sew",
    "been": "bean",
    "need": "knead",
    "sale": "sail",
}
_ARTICLES = frozenset(["a", "an", "the"])
_FILLERS = ("uh", "um", "er")
_NEGATIONS = ("not", "nor", "never", "none", "nothing", "neither", "without", "cannot", "only", "both", "all")
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("first", "second", "third", "twenty", "thirty", "forty", "fifty", "hundred", "thousand", "half", "dozen"),
)
_OF_IDENTIFIERS = ("at", "dot", "dash", "underscore", "hyphen", "slash", "hash", "plus", "minus", "point", "am", "pm")
_KEPT = frozenset(["yes", "no", *_NEGATIONS, *_NUMBERS, *_OF_IDENTIFIERS])
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|`[^`]*`|‘[^’]*’|«[^»]*»|(?<!\w)\'[^\']*\'(?!\w)')
_PLAIN_WORD = re.compile(r"(?<!\S)([a-z]+)([,.?!;:]*)(?!\S)")


def misheard(text: str, share: float, seed: str, exact_words: frozenset[str] = frozenset()) -> str:
    """Return a text in which about this share of the plain words has arrived wrongly.

    Args:
        text: what the customer says.
        share: the share of the changeable words that change, 0 to 1.
        seed: determines which words change.
        exact_words: words in lower case that stay as they are.
    """
    random = Random(seed)
    quoted = [found.span() for found in _QUOTED.finditer(text)]

    def heard(found: re.Match[str]) -> str:
        word, end = found[1], found[2]
        if word in _KEPT or word in exact_words or random.random() >= share:
            return found[0]
        if any(begin < found.end() and found.start() < until for begin, until in quoted):
            return found[0]
        if word in _SOUNDS_ALIKE:
            return _SOUNDS_ALIKE[word] + end
        if word in _ARTICLES:
            return random.choice(_FILLERS) + end
        if random.random() < 0.5:
            return f"{word} {word}{end}"
        return f"{random.choice(_FILLERS)} {word}{end}"

    return _PLAIN_WORD.sub(heard, text)
