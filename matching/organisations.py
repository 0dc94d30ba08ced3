"""Comparison of organisation names, and of other names made of many words.

Legal forms and fillers are dropped, common abbreviations are brought to one form, and what remains
is compared word by word, each word weighing what its rarity in the data says (inverse document
frequency, Spaerck Jones 1972). Words are compared by their letter trigrams as well, so that a typo
in one word costs little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matching.comparisons import Levels, equal_codes, split_equal, text_lengths
from matching.distances import edit_distances
from matching.encode import Codes, Column, group_codes
from matching.vocabulary import spellings, words

if TYPE_CHECKING:  # it takes a quarter of a second to load, and persons have no use for it
    from scipy import sparse

(
    ORGANISATION_DIFFERENT,
    ORGANISATION_SOME,
    ORGANISATION_PART,
    ORGANISATION_SIMILAR,
    ORGANISATION_EXACT,
) = range(5)

LEGAL_FORMS = words("organisations", "empty")
_SPELLINGS = spellings("organisations")
_DOTTED = re.compile(r"\b(?:[a-z] ){1,4}[a-z]\b")
RARE_SHARE = 1e-4


def core_words(name: str) -> list[str]:
    """The words of an organisation's name that tell it from others; never none of them."""
    joined = _DOTTED.sub(lambda m: m.group().replace(" ", ""), name)
    words = [_SPELLINGS.get(word, word) for word in joined.split()]
    core = [word for word in words if word not in LEGAL_FORMS]
    return core or words


def word_shares(column: Column) -> dict[str, float]:
    """The share of distinct names that hold each of the commoner words: what training freezes."""
    total = max(len(column.values), 1)
    seen = Counter(word for value in column.values for word in set(core_words(value)))
    frequent = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:5000]
    return {word: n / total for word, n in frequent if n >= 3 and n / total > RARE_SHARE}


@dataclass
class _Words:
    core: Codes
    compact: Column
    digits: Codes
    words: sparse.csr_matrix
    trigrams: sparse.csr_matrix
    mass: NDArray[np.float64]
    rare: NDArray[np.float64]


def set_word_shares(column: Column, shares: Mapping[str, float]) -> None:
    """Fix the word frequencies that the comparison of ``column`` weighs by."""
    column.cache["word_shares"] = dict(shares)
    column.cache.pop("organisation_words", None)


def _matrix(
    rows: Sequence[Sequence[tuple[str, float]]],
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    from scipy import sparse

    vocabulary: dict[str, int] = {}
    indices: list[int] = []
    data: list[float] = []
    indptr = [0]
    for row in rows:
        for word, weight in row:
            indices.append(vocabulary.setdefault(word, len(vocabulary)))
            data.append(weight)
        indptr.append(len(indices))
    shape = (len(rows), max(len(vocabulary), 1))
    matrix = sparse.csr_matrix((data, indices, indptr), shape=shape)
    return matrix, np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())


def _words_table(column: Column) -> _Words:
    from scipy import sparse

    shares: Mapping[str, float] = column.cache.get("word_shares", {})

    def weight(word: str) -> float:
        return float(-np.log(min(shares.get(word, RARE_SHARE), 0.9)))

    cores = [core_words(value) for value in column.values]
    weighed = [[(word, weight(word)) for word in dict.fromkeys(core)] for core in cores]
    words, norms = _matrix(weighed)
    grams: list[list[tuple[str, float]]] = []
    for row in weighed:
        sums: dict[str, float] = {}
        for word, value in row:
            padded = f" {word} "
            pieces = [padded[i : i + 3] for i in range(len(padded) - 2)]
            for piece in pieces:
                sums[piece] = sums.get(piece, 0.0) + value / len(pieces)
        grams.append(list(sums.items()))
    trigrams, gram_norms = _matrix(grams)
    scale = sparse.diags(1.0 / np.maximum(gram_norms, 1e-9))
    compact = pl.Series(["".join(core) for core in cores], dtype=pl.String)
    return _Words(
        core=group_codes(compact),
        compact=Column(np.arange(len(compact), dtype=np.int32), compact),
        digits=group_codes(compact.str.replace_all(r"\D+", "")),
        words=words,
        trigrams=(scale @ trigrams).tocsr(),
        mass=norms**2,
        rare=np.array([max((w for _, w in row), default=0.0) for row in weighed]),
    )


def compare_organisation(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of organisation names: exact, similar, one part of the other, some words,
    different."""
    levels, todo = split_equal(column, left, right, ORGANISATION_EXACT)
    if not todo.size:
        return levels
    table: _Words = column.derive("organisation_words", lambda _: _words_table(column))
    for start in range(0, len(todo), 200_000):
        part = todo[start : start + 200_000]
        levels[part] = _compare_words(table, left[part], right[part])
    return levels


def _compare_words(table: _Words, a: Codes, b: Codes) -> Levels:
    words_a, words_b = table.words[a], table.words[b]
    # The product of equal entries is the squared weight of the shared words.
    shared = np.asarray(words_a.multiply(words_b).sum(axis=1)).ravel()
    cosine = shared / np.maximum(np.sqrt(table.mass[a] * table.mass[b]), 1e-9)
    contained = shared / np.maximum(np.minimum(table.mass[a], table.mass[b]), 1e-9)
    letters = np.asarray(table.trigrams[a].multiply(table.trigrams[b]).sum(axis=1)).ravel()
    edits = edit_distances(table.compact, a, b, most=2)
    lengths = table.compact.derive("lengths", text_lengths)
    shorter = np.minimum(lengths[a], lengths[b])
    # Numbers are no typing errors: School 21 and School 22 are two.
    typo = ((edits <= 1) & (shorter >= 6)) | ((edits <= 2) & (shorter >= 12))
    typo &= table.digits[a] == table.digits[b]
    found = np.full(len(a), ORGANISATION_DIFFERENT, dtype=np.int8)
    found[(cosine >= 0.25) | (letters >= 0.35)] = ORGANISATION_SOME
    found[(contained >= 0.8) | (letters >= 0.7)] = ORGANISATION_PART
    found[(cosine >= 0.8) | (letters >= 0.8) | typo] = ORGANISATION_SIMILAR
    found[equal_codes(table.core[a], table.core[b])] = ORGANISATION_EXACT
    return found
