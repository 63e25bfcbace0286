"""Words and runs of words, as the public article-extraction-benchmark counts them."""

import collections
import re


def words(text):
    """Returns the words of a text as the scorer counts them."""
    return re.findall(r"\w+", text or "")


def shingles(tokens, length=4):
    """Returns the runs of words of a text and their counts."""
    if not tokens:
        return collections.Counter()
    return collections.Counter(tuple(tokens[i : i + length]) for i in range(max(1, len(tokens) - length + 1)))
