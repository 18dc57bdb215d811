"""Ordering a page of search results by their score and by how well their words fit."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SCORE_WEIGHT = 0.7
WORDS_WEIGHT = 0.3
# Okapi BM25's: how soon a word's repetition stops counting, and how much a text's length counts.
SATURATION = 1.5
LENGTH_WEIGHT = 0.75

_WORD = re.compile(r"\w+")


def by_score_and_words(query: str, texts: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Return the places of results, best first; equals keep their order.

    Args:
        query: What was searched for.
        texts: The results' texts.
        scores: The results' scores.
    """
    words = _bm25(_words(query), [_words(text) for text in texts])
    best = max(words, default=0)
    combined = [
        SCORE_WEIGHT * score + (WORDS_WEIGHT * word / best if best > 0 else 0)
        for score, word in zip(scores, words, strict=True)
    ]
    return sorted(range(len(texts)), key=lambda place: -combined[place])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _bm25(query: list[str], texts: list[list[str]]) -> list[float]:
    counts = [Counter(text) for text in texts]
    average = sum(map(len, texts)) / len(texts) if texts else 0
    found = [0.0] * len(texts)
    for word in query:
        holding = sum(word in count for count in counts)
        rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for place, (text, count) in enumerate(zip(texts, counts, strict=True)):
            often = count[word]
            if often:
                length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * len(text) / average
                found[place] += rarity * often * (SATURATION + 1) / (often + SATURATION * length)
    return found
