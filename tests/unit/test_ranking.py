"""A page of search results is ordered by 0.7 of its score and 0.3 of its words' BM25."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.operations.store.ranking import by_score_and_words

WORDS = ("cloud", "rain", "sun")


def bm25(query: list[str], texts: list[list[str]], place: int) -> float:
    """Return a text's Okapi BM25 with k1 1.5 and b 0.75, as the formula has it."""
    average = sum(len(text) for text in texts) / len(texts)
    total = 0.0
    for word in query:
        holding = sum(word in text for text in texts)
        rarity = math.log((len(texts) - holding + 0.5) / (holding + 0.5) + 1)
        often = texts[place].count(word)
        length = len(texts[place]) / average
        total += rarity * often * 2.5 / (often + 1.5 * (0.25 + 0.75 * length))
    return total


@given(
    query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    results=st.lists(
        st.tuples(
            st.lists(st.sampled_from([*WORDS, "other"]), min_size=1, max_size=8),
            st.floats(0.2, 1),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_the_order_is_that_of_the_formula(
    query: list[str], results: list[tuple[list[str], float]]
) -> None:
    texts, scores = [text for text, _ in results], [score for _, score in results]
    words = [bm25(query, texts, place) for place in range(len(texts))]
    best = max(words) or 1
    combined = [0.7 * score + 0.3 * word / best for score, word in zip(scores, words, strict=True)]
    order = by_score_and_words(" ".join(query), [" ".join(text) for text in texts], scores)
    assert sorted(order) == list(range(len(texts)))
    ordered = [combined[place] for place in order]
    assert ordered == pytest.approx(sorted(ordered, reverse=True))


def test_equals_keep_their_order_and_letter_case_counts_for_nothing() -> None:
    assert by_score_and_words("sun", ["rain", "SUN.", "Sun!", "sun"], [0.5] * 4) == [1, 2, 3, 0]
    assert by_score_and_words("", ["a", ""], [0.5, 0.5]) == [0, 1]
    assert by_score_and_words("sun", [], []) == []
