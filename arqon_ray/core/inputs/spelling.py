"""What was probably meant by a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return ``" (did you mean 'budget'?)"`` for the known name that is nearest, or nothing when none is near.

    >>> did_you_mean("bugdet", ["seed", "budget"])
    " (did you mean 'budget'?)"
    """
    by_lower = {str(each).lower(): each for each in known}
    nearest = difflib.get_close_matches(str(name)[:100].lower(), by_lower, n=1)
    return f" (did you mean {by_lower[nearest[0]]!r}?)" if nearest else ""
