"""Speech-recognition noise: it is repeatable, and leaves alone what decides whether a task can be solved."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from tau2_core import Task
from tau2_core.episode.customer_settings import exact_words
from tau2_core.user_review.identifiers import identifiers
from tau2_core.users.speech_noise import misheard

WORDS = "i would like to cancel the flight, and get their refund. please tell me whether there is a fee for it"
TOKENS = st.one_of(
    st.sampled_from([*WORDS.split(), "yes", "no", "not", "two", "never", "###STOP###"]),
    st.from_regex(r"[A-Za-z0-9#@_.-]{1,12}", fullmatch=True),
)


@given(st.lists(TOKENS, max_size=40), st.integers(), st.floats(0, 0.5))
def test_noise_keeps_everything_but_plain_words(tokens: list[str], seed: int, share: float) -> None:
    text = " ".join(tokens)
    heard = misheard(text, share, str(seed))
    assert heard == misheard(text, share, str(seed))
    kept = [token for token in tokens if not re.fullmatch(r"[a-z]+[,.?!;:]*", token)]
    assert [token for token in heard.split() if not re.fullmatch(r"[a-z']+[,.?!;:]*", token)] == kept
    for word in ("yes", "no", "not", "two", "never"):
        assert heard.split().count(word) == tokens.count(word)


@given(st.integers())
def test_noise_changes_words_at_its_rate(seed: int) -> None:
    assert misheard(WORDS, 0, str(seed)) == WORDS
    assert misheard(WORDS, 1, str(seed)) != WORDS


def test_quotations_and_exact_words_stay() -> None:
    text = 'please call it "the new list" and mail it to my sister'
    for seed in range(50):
        heard = misheard(text, 0.5, str(seed), frozenset(["mail", "sister"]))
        assert '"the new list"' in heard
        assert heard.split().count("mail") == heard.split().count("sister") == 1
        assert list(identifiers(heard)) == list(identifiers(text))


def test_the_exact_words_are_those_of_the_gold_and_of_identifiers() -> None:
    task = Task.model_validate(
        {
            "id": "t",
            "user_scenario": {"instructions": "You are mia_li_3668, at mia.li@example.org. Name it 'weekly plan' now."},
            "evaluation_criteria": {"actions": [{"name": "create", "arguments": {"title": "Buy milk", "to": ["bob"]}}]},
        }
    )
    assert exact_words(task) == {"buy", "milk", "bob", "mia", "li", "example", "org", "weekly", "plan"}
