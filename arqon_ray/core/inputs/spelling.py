"""Suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return a hint for messages with the most similar known name, or an empty string if none is similar.

    >>> did_you_mean("bugdet", ["seed", "budget"])
    " (did you mean 'budget'?)"
    """
    by_lower = {str(each).lower(): each for each in known}
    nearest = difflib.get_close_matches(str(name)[:100].lower(), by_lower, n=1)
    return f" (did you mean {by_lower[nearest[0]]!r}?)" if nearest else ""
