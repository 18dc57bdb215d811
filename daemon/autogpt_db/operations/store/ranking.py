"""Ordering a page of search results by their score and by how well their words fit."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCORE_WEIGHT = 0.7
WORDS_WEIGHT = 0.3
# Okapi BM25's: how soon a word's repetition stops counting, and how much a text's length counts.
SATURATION = 1.5
LENGTH_WEIGHT = 0.75
# What a word that more than half of the texts have counts, of the mean of all their words.
LEAST_RARITY = 0.25

_WORD = re.compile(r"\w+")


def by_score_and_words(query: str, texts: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Return the places of results, best first; equals keep their order.

    Args:
        query: What was searched for.
        texts: The results' texts.
        scores: The results' scores.
    """
    asked = words_of(query)
    counts = [Counter(words_of(text)) for text in texts]
    words = _bm25(asked, counts, _smooth_rarities(asked, counts))
    best = max(words, default=0)
    combined = [
        SCORE_WEIGHT * score + (WORDS_WEIGHT * word / best if best > 0 else 0)
        for score, word in zip(scores, words, strict=True)
    ]
    return sorted(range(len(texts)), key=lambda place: -combined[place])


def relevances(
    query: str, texts: Sequence[str], scores: Sequence[float]
) -> list[tuple[float, float]] | None:
    """Return how well results fit, each with what its words alone say; None where none has words.

    A word that most texts have counts for little here, or against them, as AutoGPT has it.

    Args:
        query: What was searched for.
        texts: The results' texts.
        scores: The results' scores.
    """
    asked = words_of(query)
    split = [words_of(text) for text in texts]
    if not asked or not any(split):
        return None
    counts = [Counter(text) for text in split]
    holding = Counter(word for count in counts for word in count)
    rarities = {
        word: math.log(len(texts) - number + 0.5) - math.log(number + 0.5)
        for word, number in holding.items()
    }
    least = LEAST_RARITY * sum(rarities.values()) / len(rarities)
    found = _bm25(
        asked, counts, {word: least if each < 0 else each for word, each in rarities.items()}
    )
    best = max(found)
    words = [each / best for each in found] if best > 0 else found
    return [
        (word, SCORE_WEIGHT * score + WORDS_WEIGHT * word)
        for word, score in zip(words, scores, strict=True)
    ]


def words_of(text: str) -> list[str]:
    """Return a text's words, in lower case."""
    return _WORD.findall(text.lower())


def _smooth_rarities(query: list[str], counts: list[Counter[str]]) -> dict[str, float]:
    rarities = {}
    for word in query:
        holding = sum(word in count for count in counts)
        rarities[word] = math.log(1 + (len(counts) - holding + 0.5) / (holding + 0.5))
    return rarities


def _bm25(
    query: list[str], texts: list[Counter[str]], rarities: Mapping[str, float]
) -> list[float]:
    lengths = [text.total() for text in texts]
    average = sum(lengths) / len(texts) if texts else 0
    found = [0.0] * len(texts)
    for word in query:
        for place, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            often = text[word]
            if often:
                norm = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / average
                found[place] += (
                    rarities[word] * often * (SATURATION + 1) / (often + SATURATION * norm)
                )
    return found
